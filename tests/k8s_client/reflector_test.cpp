// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/reflector.hpp"

#include "tests/k8s_client/reflector_rig.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;
using test::refusal;
using test::ScriptedListWatch;
using test::service_json;
using Rig = test::ReflectorRig;

TEST_CASE("Reflector: retries a refused list for ever, never more than 30 s apart",
          "[k8s_client]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Rig rig{seed};
  rig.start();

  rig.clock.advance(24h);

  const auto& asked = rig.server.lists_asked;
  REQUIRE(asked.size() > 2880);  // at least twice in each of 24 x 60 minutes
  for (std::size_t i = 1; i < asked.size(); ++i) {
    CHECK(asked[i].at - asked[i - 1].at <= Reflector::kMaxBackoff);
  }
  CHECK(rig.reflector.status().errors == asked.size());
  CHECK_FALSE(rig.store.is_synced());
}

TEST_CASE("Reflector: an outage is one notice, and its end another", "[k8s_client]") {
  Rig rig;
  rig.start();
  rig.clock.advance(1h);
  REQUIRE(rig.reflector.status().errors > 100);

  rig.server.lists.push_back(ScriptedListWatch::page({}, "1"));
  rig.clock.advance(1min);

  REQUIRE(rig.notices.size() == 2);
  CHECK(rig.notices[0].level == Notice::Level::warning);
  CHECK(rig.notices[0].text == "services: Connection refused");
  CHECK(rig.notices[1].level == Notice::Level::info);
  CHECK(rig.reflector.status().last_error.empty());
}

TEST_CASE("Reflector: the first pauses stay within 800 ms doubling to 30 s", "[k8s_client]") {
  const auto seed = GENERATE(range(1U, 50U));
  CAPTURE(seed);
  Rig rig{seed};
  rig.start();

  rig.clock.advance(10min);

  const auto& asked = rig.server.lists_asked;
  Clock::Duration limit = Reflector::kMinBackoff;
  for (std::size_t i = 1; i < asked.size(); ++i) {
    CHECK(asked[i].at - asked[i - 1].at <= limit);
    limit = std::min<Clock::Duration>(limit * 2, Reflector::kMaxBackoff);
  }
}

TEST_CASE("Reflector: lists what the server has at hand, then watches from the list's version",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(
      ScriptedListWatch::page({service_json("cart", "3"), service_json("users", "4")}, "7"));
  rig.start();

  CHECK(rig.store.is_synced());
  CHECK(rig.names() == std::set<std::string>{"cart", "users"});
  REQUIRE(rig.server.lists_asked.size() == 1);
  CHECK(rig.server.lists_asked[0].request.version == "0");
  REQUIRE(rig.server.watches_asked.size() == 1);
  CHECK(rig.server.watches_asked[0].request.version == "7");
  CHECK(rig.reflector.status().synced);
}

TEST_CASE("Reflector: a list of several pages is taken over when the last one is here",
          "[k8s_client]") {
  Rig rig;
  std::vector<bool> synced_at_change;
  rig.store.on_change([&rig, &synced_at_change](auto&&...) {
    synced_at_change.push_back(rig.server.lists.empty());
  });
  rig.server.lists.push_back(
      {{service_json("cart", "3")}, ListPage{.version = "7", .continue_token = "more"}});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("users", "4")}, "7"));
  rig.start();

  CHECK(rig.names() == std::set<std::string>{"cart", "users"});
  CHECK(synced_at_change == std::vector<bool>{true, true});
  REQUIRE(rig.server.lists_asked.size() == 2);
  CHECK(rig.server.lists_asked[1].request.continue_token == "more");
  CHECK(rig.reflector.status().lists == 1);
}

TEST_CASE("Reflector: pages that fail half-way leave the store as it was", "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "3"));
  rig.server.watches.push_back(
      {{}, {ScriptedListWatch::fails(refusal(Errc::version_expired), 1min)}});
  rig.start();
  rig.server.lists.push_back(
      {{service_json("users", "8")}, ListPage{.version = "9", .continue_token = "more"}});

  rig.clock.advance(10min);

  REQUIRE(rig.server.lists_asked.size() > 3);
  CHECK(rig.names() == std::set<std::string>{"cart"});
}

TEST_CASE("Reflector: an expired continue token is followed by one newest list without pages",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(
      {{service_json("old", "3")}, ListPage{.version = "7", .continue_token = "more"}});
  rig.server.lists.push_back({{}, refusal(Errc::version_expired)});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "9")}, "9"));
  rig.start();

  CHECK(rig.names() == std::set<std::string>{"cart"});
  REQUIRE(rig.server.lists_asked.size() == 3);
  const ListRequest& last = rig.server.lists_asked[2].request;
  CHECK(last.version.empty());
  CHECK(last.continue_token.empty());
  CHECK(last.page_limit == 0);
}

TEST_CASE("Reflector: after 410 it lists from its last version and removes what vanished unseen",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(
      ScriptedListWatch::page({service_json("cart", "3"), service_json("users", "4")}, "7"));
  // As a status of the watch request, or as an event of a watch that was accepted.
  const bool as_event = GENERATE(true, false);
  CAPTURE(as_event);
  if (as_event) {
    rig.server.watches.push_back({{}, {ScriptedListWatch::fails(refusal(Errc::version_expired))}});
  } else {
    rig.server.watches.push_back({refusal(Errc::version_expired), {}});
  }
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "90"));
  rig.start();

  rig.clock.advance(1s);

  CHECK(rig.removed == std::vector<std::string>{"users"});
  REQUIRE(rig.server.lists_asked.size() == 2);
  CHECK(rig.server.lists_asked[1].request.version == "7");
  CHECK(rig.server.lists_asked[1].request.page_limit == 0);
  REQUIRE(rig.server.watches_asked.size() == 2);
  CHECK(rig.server.watches_asked[1].request.version == "90");
}

TEST_CASE("Reflector: if its last version is gone from lists, too, it lists the newest",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  rig.server.watches.push_back({refusal(Errc::version_expired), {}});
  rig.server.lists.push_back({{}, refusal(Errc::version_expired)});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("users", "80")}, "90"));
  rig.start();

  rig.clock.advance(1s);

  CHECK(rig.names() == std::set<std::string>{"users"});
  REQUIRE(rig.server.lists_asked.size() == 3);
  CHECK(rig.server.lists_asked[1].request.version == "7");
  CHECK(rig.server.lists_asked[2].request.version.empty());
}

TEST_CASE("Reflector: never goes back in time: \"0\" is asked for only before the first list",
          "[k8s_client]") {
  Rig rig;
  rig.start();
  rig.clock.advance(5min);  // refused
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  for (int i = 0; i < 20; ++i) {
    rig.server.watches.push_back({refusal(Errc::version_expired), {}});
    if (i % 3 != 0) {
      rig.server.lists.push_back({{}, Failure{boost::asio::error::connection_reset}});
    }
    rig.server.lists.push_back(ScriptedListWatch::page({}, std::to_string(10 + i)));
  }

  rig.clock.advance(2h);

  REQUIRE(rig.reflector.status().lists == 21);
  bool has_listed = false;
  for (const auto& asked : rig.server.lists_asked) {
    CHECK((asked.request.version == "0") == !has_listed);
    has_listed = has_listed || asked.at >= Clock::TimePoint{} + 5min;
  }
}

TEST_CASE("Reflector: a server behind its version gets time, and then counts as the truth",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "700"));
  rig.server.watches.push_back({refusal(Errc::version_too_large, 1s), {}});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("users", "5")}, "9"));
  rig.start();

  rig.clock.advance(3s);

  REQUIRE(rig.server.lists_asked.size() == 2);
  CHECK(rig.server.lists_asked[1].at >= Clock::TimePoint{} + 1s);
  CHECK(rig.server.lists_asked[1].request.version.empty());
  CHECK(rig.names() == std::set<std::string>{"users"});
}

TEST_CASE("Reflector: Retry-After is waited for, and then a little of its own", "[k8s_client]") {
  const auto code = GENERATE(Errc::too_many_requests, Errc::server_error);
  Rig rig;
  rig.server.lists.push_back({{}, refusal(code, 20s)});
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  rig.start();

  rig.clock.advance(1min);

  REQUIRE(rig.server.lists_asked.size() == 2);
  const Clock::Duration waited = rig.server.lists_asked[1].at - rig.server.lists_asked[0].at;
  CHECK(waited > 20s);
  CHECK(waited <= 20s + Reflector::kMinBackoff);
}

TEST_CASE("Reflector: an absurd Retry-After does not put it to sleep", "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back({{}, refusal(Errc::too_many_requests, 24h)});
  rig.start();

  rig.clock.advance(5min);

  CHECK(rig.server.lists_asked.size() > 1);
}
