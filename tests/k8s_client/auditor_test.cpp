// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/auditor.hpp"

#include "tests/k8s_client/reflector_rig.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;
using test::ScriptedListWatch;
using test::service_json;
using Type = WatchEvent::Type;

namespace {

constexpr Clock::TimePoint kStart{};

/// An audited reflector; the audits ask a server of their own.
struct Rig {
  explicit Rig(std::uint64_t seed = 1) : auditor{lister, sink, clock, seed} {}

  /// The first list, and the events after it, each so long after the one before.
  void start(std::vector<nlohmann::json> objects, std::deque<ScriptedListWatch::Step> steps = {}) {
    server.lists.push_back(ScriptedListWatch::page(std::move(objects), "7"));
    // Silent for no longer than a watch may be.
    for (int i = 0; i < 60; ++i) {
      steps.push_back(ScriptedListWatch::bookmark("7", 1min));
    }
    server.watches.push_back({{}, std::move(steps)});
    boost::asio::co_spawn(loop, reflector.run(), boost::asio::detached);
    clock.settle();
  }

  [[nodiscard]] WatchStatus status() const { return reflector.status(); }

  boost::asio::io_context loop;
  test::SimClock clock{loop};
  ScriptedListWatch server{clock};
  ScriptedListWatch lister{clock};
  Store<Service> store;
  StoreSink<Service> sink{store};
  Auditor auditor;
  std::vector<Notice> notices;
  Reflector reflector{"services",
                      server,
                      sink,
                      clock,
                      1,
                      [this](const Notice& notice) { notices.push_back(notice); },
                      &auditor};
};

}  // namespace

TEST_CASE("Auditor: where all is equal it asks for one list in ten minutes, and finds nothing",
          "[k8s_client]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  Rig rig{seed};
  for (int i = 0; i < 100; ++i) {
    rig.lister.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "8"));
  }
  rig.start({service_json("cart", "3")});

  rig.clock.advance(50min);

  const auto& asked = rig.lister.lists_asked;
  REQUIRE(asked.size() >= 3);
  Clock::TimePoint before = kStart;
  for (const auto& list : asked) {
    CHECK(list.request.version == "7");
    CHECK(list.request.page_limit == 0);
    CHECK(list.at - before >= Auditor::kInterval / 2);
    CHECK(list.at - before <= Auditor::kInterval * 3 / 2);
    before = list.at;
  }
  CHECK(rig.status().audits == asked.size());
  CHECK(rig.status().audit_differences == 0);
  CHECK(rig.status().lists == 1);
  CHECK(rig.notices.empty());
}

TEST_CASE("Auditor: what differs is named, counted, and listed anew", "[k8s_client]") {
  Rig rig;
  rig.lister.lists.push_back(ScriptedListWatch::page(
      {service_json("cart", "3"), service_json("missed", "5"), service_json("old", "6")}, "8"));
  rig.server.lists.push_back(ScriptedListWatch::page(
      {service_json("cart", "3"), service_json("gone", "4"), service_json("old", "4")}, "7"));
  rig.server.watches.push_back({{}, {}});
  for (int i = 0; i < 20; ++i) {
    rig.server.watches.back().steps.push_back(ScriptedListWatch::bookmark("7", 1min));
  }
  rig.server.lists.push_back(ScriptedListWatch::page(
      {service_json("cart", "3"), service_json("missed", "5"), service_json("old", "6")}, "9"));
  boost::asio::co_spawn(rig.loop, rig.reflector.run(), boost::asio::detached);

  rig.clock.advance(17min);

  CHECK(rig.status().audits == 1);
  CHECK(rig.status().audit_differences == 3);
  REQUIRE_FALSE(rig.notices.empty());
  CHECK(rig.notices[0].text ==
        "services: audit: 3 of the objects differ: shop/gone (held at 4, not listed), "
        "shop/missed (listed at 5, not held), shop/old (listed at 6, held at 4)");
  CHECK(rig.status().lists == 2);
  CHECK(rig.server.lists_asked[1].request.version == "7");
  CHECK(rig.store.find({"shop", "missed"}) != nullptr);
  CHECK(rig.store.find({"shop", "gone"}) == nullptr);
}

TEST_CASE("Auditor: an object that changes meanwhile is no difference", "[k8s_client]") {
  // The list is ahead of the watch, which tells of each of these within the time to settle.
  Rig rig;
  rig.lister.lists.push_back(ScriptedListWatch::page(
      {service_json("cart", "3"), service_json("new", "9"), service_json("changed", "10")}, "11"));
  rig.start({service_json("cart", "3"), service_json("changed", "4"), service_json("gone", "5")});
  REQUIRE(rig.auditor.time_until_due() > 1min);
  // A watch that tells after the audit has begun.
  rig.clock.advance(rig.auditor.time_until_due() - 1s);
  REQUIRE(rig.lister.lists_asked.empty());
  rig.clock.advance(2s);
  REQUIRE(rig.lister.lists_asked.size() == 1);
  CHECK(rig.status().audits == 0);

  for (const char* const name : {"changed", "new", "gone"}) {
    rig.auditor.see_event({"shop", name});
  }
  rig.clock.advance(Auditor::kSettle);

  CHECK(rig.status().audits == 1);
  CHECK(rig.status().audit_differences == 0);
  CHECK(rig.status().lists == 1);
}

TEST_CASE("Auditor: the watch's own events acquit", "[k8s_client]") {
  const bool is_told = GENERATE(true, false);
  const auto due = [] {
    Rig probe;
    return probe.auditor.time_until_due();
  }();
  Rig rig;
  rig.lister.lists.push_back(ScriptedListWatch::page({service_json("cart", "9")}, "9"));
  std::deque<ScriptedListWatch::Step> steps;
  Clock::Duration at{};
  for (; at + 1min < due; at += 1min) {
    steps.push_back(ScriptedListWatch::bookmark("7", 1min));
  }
  steps.push_back(ScriptedListWatch::event(
      Type::modified, service_json(is_told ? "cart" : "other", "9"), due - at + 30s));
  rig.start({service_json("cart", "3")}, std::move(steps));

  rig.clock.advance(due + Auditor::kSettle + 1s);

  CHECK(rig.status().audits == 1);
  CHECK(rig.status().audit_differences == (is_told ? 0 : 1));
}

TEST_CASE("Auditor: an object that cannot be understood is no difference", "[k8s_client]") {
  const bool is_known = GENERATE(true, false);
  nlohmann::json broken = service_json("cart", "8");
  broken["spec"]["ports"][0]["port"] = "eighty";
  Rig rig;
  rig.lister.lists.push_back(ScriptedListWatch::page({broken}, "8"));
  if (is_known) {
    rig.start({service_json("cart", "3")}, {ScriptedListWatch::event(Type::modified, broken)});
  } else {
    rig.start({broken});
  }

  rig.clock.advance(16min);

  CHECK(rig.status().audits == 1);
  CHECK(rig.status().audit_differences == 0);
}

TEST_CASE("Auditor: a list that fails is no verdict, and waits for the next turn", "[k8s_client]") {
  Rig rig;  // every list of it is refused
  rig.start({service_json("cart", "3")});

  rig.clock.advance(50min);

  CHECK(rig.lister.lists_asked.size() >= 3);
  CHECK(rig.lister.lists_asked.size() <= 10);
  CHECK(rig.status().audits == 0);
  CHECK(rig.status().errors == 0);
}

TEST_CASE("Auditor: while the objects are listed there is nothing to compare", "[k8s_client]") {
  Rig rig;
  const Clock::Duration due = rig.auditor.time_until_due();
  std::deque<ScriptedListWatch::Step> steps;
  for (Clock::Duration at{}; at <= due; at += 30s) {
    steps.push_back(ScriptedListWatch::event(Type::added, service_json("cart", "3"), 30s));
  }
  steps.push_back(ScriptedListWatch::end_of_list("7"));
  for (int i = 0; i < 20; ++i) {
    steps.push_back(ScriptedListWatch::bookmark("7", 1min));
  }
  rig.server.streams.push_back({{}, std::move(steps)});
  rig.lister.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  boost::asio::co_spawn(rig.loop, rig.reflector.run(), boost::asio::detached);

  rig.clock.advance(due + 30s);

  CHECK(rig.store.is_synced());
  CHECK(rig.lister.lists_asked.empty());
  CHECK(rig.auditor.time_until_due() >= Auditor::kInterval / 2 - 30s);
  rig.clock.advance(Auditor::kInterval * 3 / 2);
  CHECK(rig.status().audits == 1);
}

TEST_CASE("Auditor: however often watches are cut, it lists once in an interval", "[k8s_client]") {
  Rig rig;
  for (int i = 0; i < 100; ++i) {
    rig.lister.lists.push_back(ScriptedListWatch::page({}, "8"));  // a suspect, never judged
  }
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  for (int i = 0; i < 1000; ++i) {
    rig.server.watches.push_back({{}, {ScriptedListWatch::ends(30s)}});
  }
  boost::asio::co_spawn(rig.loop, rig.reflector.run(), boost::asio::detached);

  rig.clock.advance(2h);

  CHECK(rig.lister.lists_asked.size() >= 5);
  CHECK(rig.lister.lists_asked.size() <= 24);
  CHECK(rig.status().audits == 0);
  CHECK(rig.status().lists == 1);
}

TEST_CASE("Auditor: large collections are compared more seldom", "[k8s_client]") {
  std::vector<nlohmann::json> many;
  many.reserve(6000);
  for (int i = 0; i < 6000; ++i) {
    many.push_back(service_json("s" + std::to_string(i), "3"));
  }
  Rig rig;
  rig.start(std::move(many));

  CHECK(rig.auditor.time_until_due() >= 25min);
  CHECK(rig.auditor.time_until_due() <= 75min);
}

TEST_CASE("Auditor: a doubt leads to a look at that one object, soon, and then not for a while",
          "[k8s_client]") {
  Rig rig;
  for (int i = 0; i < 10; ++i) {
    rig.lister.lists.push_back(
        ScriptedListWatch::page({service_json("cart", "3"), service_json("other", "4")}, "8"));
  }
  rig.start({service_json("cart", "3"), service_json("other", "4")});
  REQUIRE(rig.auditor.time_until_due() > 1min);

  for (int i = 0; i < 30; ++i) {  // whoever has the doubt has it again
    rig.auditor.recheck_soon({"shop", "cart"});
    rig.clock.advance(1s);
  }

  REQUIRE(rig.lister.lists_asked.size() == 1);
  const auto& asked = rig.lister.lists_asked[0];
  CHECK(asked.request.only == ObjectKey{"shop", "cart"});
  CHECK(asked.request.version.empty());
  CHECK(asked.at - kStart >= Auditor::kRecheckDelay / 2);
  CHECK(asked.at - kStart <= Auditor::kRecheckDelay * 3 / 2 + Auditor::kLookInterval);
  CHECK(rig.status().rechecks == 1);
  CHECK(rig.status().audits == 0);
  CHECK(rig.status().audit_differences == 0);
  CHECK(rig.status().lists == 1);

  SECTION("which ends") {
    rig.clock.advance(Auditor::kRecheckRest);
    rig.auditor.recheck_soon({"shop", "cart"});
    rig.clock.advance(Auditor::kRecheckDelay * 2);

    CHECK(rig.status().rechecks == 2);
  }
}

TEST_CASE("Auditor: of too many doubts those beyond are dropped, and counted", "[k8s_client]") {
  Rig rig;
  rig.start({service_json("cart", "3")});
  for (std::size_t i = 0; i < Auditor::kMaxRechecks; ++i) {
    rig.auditor.recheck_soon({"shop", "cart-" + std::to_string(i)});
  }
  rig.auditor.recheck_soon({"shop", "cart-0"});  // it waits already
  CHECK(rig.status().rechecks_dropped == 0);

  rig.auditor.recheck_soon({"shop", "one-more"});

  CHECK(rig.status().rechecks_dropped == 1);
}

TEST_CASE("Auditor: what the watch tells of an object takes away the doubt", "[k8s_client]") {
  Rig rig;
  rig.start({service_json("cart", "3")},
            {ScriptedListWatch::event(Type::modified, service_json("cart", "9"), 2s)});
  rig.auditor.recheck_soon({"shop", "cart"});

  rig.clock.advance(1min);

  CHECK(rig.lister.lists_asked.empty());
  CHECK(rig.status().rechecks == 0);
}

TEST_CASE("Auditor: a recheck finds what the watch has lost, and has it listed anew",
          "[k8s_client]") {
  const bool is_gone = GENERATE(true, false);
  Rig rig;
  const std::vector<nlohmann::json> now =
      is_gone ? std::vector<nlohmann::json>{} : std::vector{service_json("cart", "9")};
  rig.lister.lists.push_back(ScriptedListWatch::page(now, "9"));
  rig.start({service_json("cart", "3"), service_json("other", "4")});
  rig.server.lists.push_back(ScriptedListWatch::page(now, "9"));
  rig.auditor.recheck_soon({"shop", "cart"});

  rig.clock.advance(Auditor::kRecheckDelay * 2 + Auditor::kSettle + 10s);

  CHECK(rig.status().rechecks == 1);
  CHECK(rig.status().audit_differences == 1);
  REQUIRE_FALSE(rig.notices.empty());
  CHECK(rig.notices[0].text ==
        std::string{"services: recheck: 1 of the objects differ: shop/cart ("} +
            (is_gone ? "held at 3, not listed)" : "listed at 9, held at 3)"));
  CHECK(rig.status().lists == 2);
  CHECK((rig.store.find({"shop", "cart"}) == nullptr) == is_gone);
}

TEST_CASE("Auditor: doubts are remembered up to a bound", "[k8s_client]") {
  Rig rig;
  for (int i = 0; i < 300; ++i) {
    rig.lister.lists.push_back(ScriptedListWatch::page({}, "8"));
  }
  rig.start({service_json("cart", "3")});

  for (int i = 0; i < 300; ++i) {
    rig.auditor.recheck_soon({"shop", "s" + std::to_string(i)});
  }
  rig.clock.advance(Auditor::kRecheckDelay * 2);

  CHECK(rig.lister.lists_asked.size() == Auditor::kMaxRechecks);
}
