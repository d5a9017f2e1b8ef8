// SPDX-License-Identifier: Apache-2.0
// What the reflector does with watches; its lists and pauses are in reflector_test.cpp.
#include "tests/k8s_client/reflector_rig.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;
using test::refusal;
using test::ScriptedListWatch;
using test::service_json;
using Rig = test::ReflectorRig;

TEST_CASE("Reflector: applies events, and bookmarks move the version", "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(
      ScriptedListWatch::page({service_json("cart", "3"), service_json("users", "4")}, "7"));
  using Type = WatchEvent::Type;
  rig.server.watches.push_back(
      {{},
       {ScriptedListWatch::event(Type::added, service_json("new", "8")),
        ScriptedListWatch::event(Type::modified, service_json("cart", "9")),
        ScriptedListWatch::event(Type::deleted, service_json("users", "10")),
        ScriptedListWatch::bookmark("20", 1min),
        ScriptedListWatch::ends(1min)}});
  rig.start();
  CHECK(rig.reflector.status().resource_version == "10");

  rig.clock.advance(3min);

  CHECK(rig.names() == std::set<std::string>{"cart", "new"});
  CHECK(rig.store.find({"shop", "cart"})->meta.resource_version == "9");
  const WatchStatus status = rig.reflector.status();
  CHECK(status.events == 3);
  CHECK(status.last_event_at == Clock::TimePoint{});
  CHECK(status.last_bookmark_at == Clock::TimePoint{} + 1min);
  REQUIRE(rig.server.watches_asked.size() == 2);
  CHECK(rig.server.watches_asked[1].request.version == "20");
}

TEST_CASE("Reflector: tells when it last had a sign of life, and whether it watches",
          "[k8s_client]") {
  const bool streams = GENERATE(false, true);
  Rig rig;
  if (streams) {
    rig.server.streams.push_back({{},
                                  {ScriptedListWatch::end_of_list("7", 1min),
                                   ScriptedListWatch::bookmark("8", 1min),
                                   ScriptedListWatch::fails(refusal(Errc::server_error), 1min)}});
  } else {
    rig.clock.advance(1min);
    rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
    rig.server.watches.push_back({{},
                                  {ScriptedListWatch::bookmark("8", 1min),
                                   ScriptedListWatch::fails(refusal(Errc::server_error), 1min)}});
  }
  for (int i = 0; i < 100; ++i) {
    rig.server.watches.push_back({Failure{boost::asio::error::connection_refused}, {}});
  }
  const auto status = [&rig] { return rig.reflector.status(); };
  const auto is_fresh = [&] { return status().is_fresh(rig.clock.now()); };
  CHECK_FALSE(status().last_contact_at);
  rig.start();
  CHECK(status().watching == !streams);
  CHECK(is_fresh() == !streams);

  rig.clock.advance(streams ? 1min : 0min);
  CHECK(status().watching);
  CHECK(is_fresh());

  rig.clock.advance(1min + 1s);
  CHECK(status().last_contact_at == Clock::TimePoint{} + 2min);
  CHECK(status().last_contact_at == status().last_bookmark_at);

  rig.clock.advance(1min);  // cut, and the next are refused
  CHECK_FALSE(status().watching);
  CHECK(is_fresh());
  rig.clock.advance(89s);
  CHECK_FALSE(is_fresh());
}

TEST_CASE("Reflector: a watch that ends in good order is followed by another, without a list",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  for (int i = 0; i < 3; ++i) {
    rig.server.watches.push_back({{},
                                  {ScriptedListWatch::bookmark(std::to_string(10 + i), 2min),
                                   ScriptedListWatch::ends(2min)}});
  }
  rig.start();

  rig.clock.advance(12min + 1s);

  const auto& watches = rig.server.watches_asked;
  REQUIRE(watches.size() == 4);
  CHECK(watches[3].request.version == "12");
  CHECK(watches[3].at == Clock::TimePoint{} + 12min);  // after a long watch without a pause
  CHECK(rig.server.lists_asked.size() == 1);
  const WatchStatus status = rig.reflector.status();
  CHECK(status.lists == 1);
  CHECK(status.watches == 4);
  CHECK(status.reconnects == 3);
  CHECK(status.errors == 0);
}

TEST_CASE("Reflector: a server that accepts watches and ends them at once is not hammered",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  for (int i = 0; i < 10000; ++i) {
    rig.server.watches.push_back({{}, {{{}, std::optional<WatchEvent>{}}}});
  }
  rig.start();

  rig.clock.advance(1h);

  CHECK(rig.server.watches_asked.size() > 120);
  CHECK(rig.server.watches_asked.size() < 1000);
}

TEST_CASE("Reflector: asks for watches of five to ten minutes, never twice the same",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  for (int i = 0; i < 200; ++i) {
    rig.server.watches.push_back({{}, {ScriptedListWatch::ends(2min)}});
  }
  rig.start();

  rig.clock.advance(400min);

  std::set<std::chrono::seconds> timeouts;
  for (const auto& watch : rig.server.watches_asked) {
    CHECK(watch.request.timeout >= 5min);
    CHECK(watch.request.timeout < 10min);
    timeouts.insert(watch.request.timeout);
  }
  CHECK(timeouts.size() > 50);
}

TEST_CASE("Reflector: a watch without event and bookmark for 150 s is given up, not the version",
          "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  rig.server.watches.push_back({{}, {ScriptedListWatch::bookmark("8", 1min)}});
  rig.start();

  rig.clock.advance(1min + 149s);
  REQUIRE(rig.server.watches_asked.size() == 1);
  rig.clock.advance(2s);

  REQUIRE(rig.server.watches_asked.size() == 2);
  CHECK(rig.server.watches_asked[1].request.version == "8");
  CHECK(rig.server.lists_asked.size() == 1);
  CHECK(rig.server.closed >= 1);
  CHECK(rig.reflector.status().errors == 1);
  CHECK(rig.names() == std::set<std::string>{"cart"});
}

TEST_CASE("Reflector: a watch with a bookmark each minute is never given up", "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  rig.server.watches.push_back({});
  for (int i = 0; i < 60; ++i) {
    rig.server.watches.back().steps.push_back(ScriptedListWatch::bookmark(std::to_string(i), 1min));
  }
  rig.start();

  rig.clock.advance(1h);

  CHECK(rig.server.watches_asked.size() == 1);
  CHECK(rig.reflector.status().errors == 0);
}

TEST_CASE(
    "Reflector: the backoff begins anew after a watch of ten seconds, or one that told something",
    "[k8s_client]") {
  const bool tells = GENERATE(false, true);
  CAPTURE(tells);
  const auto length = tells ? 1s : 10s;
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  const Failure cut{boost::asio::error::connection_reset};
  for (int i = 0; i < 10; ++i) {
    rig.server.watches.push_back({cut, {}});
  }
  rig.server.watches.push_back({{}, {}});
  if (tells) {
    rig.server.watches.back().steps.push_back(ScriptedListWatch::bookmark("8"));
  }
  rig.server.watches.back().steps.push_back(ScriptedListWatch::fails(cut, length));
  rig.start();

  rig.clock.advance(10min);

  REQUIRE(rig.server.watches_asked.size() >= 12);
  const auto pause = rig.server.watches_asked[11].at - rig.server.watches_asked[10].at - length;
  CHECK(pause <= Reflector::kMinBackoff);
  CHECK(rig.server.lists_asked.size() == 1);  // and a cut connection is no reason to list
}

TEST_CASE("Reflector: watches that are cut while nothing happens are opened again within 800 ms",
          "[k8s_client]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  Rig rig{seed};
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  for (int i = 0; i < 10; ++i) {
    rig.server.watches.push_back(
        {{}, {ScriptedListWatch::fails(Failure{boost::asio::error::connection_reset}, 35s)}});
  }
  rig.start();

  rig.clock.advance(10min);

  const auto& watches = rig.server.watches_asked;
  REQUIRE(watches.size() > 10);
  for (std::size_t i = 1; i <= 10; ++i) {
    CHECK(watches[i].at - watches[i - 1].at > 35s);
    CHECK(watches[i].at - watches[i - 1].at <= 35s + Reflector::kMinBackoff);
  }
  CHECK(rig.server.lists_asked.size() == 1);
}

TEST_CASE("Reflector: watches that tell something and then lead to a list are no reason to hurry",
          "[k8s_client]") {
  Rig rig;
  for (int i = 0; i < 10000; ++i) {
    rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
    rig.server.watches.push_back({{},
                                  {ScriptedListWatch::bookmark("8"),
                                   ScriptedListWatch::fails(refusal(Errc::malformed_reply))}});
  }
  rig.start();

  rig.clock.advance(1h);

  CHECK(rig.server.lists_asked.size() < 1000);
}

TEST_CASE("Reflector: what an outage made expire is listed within 800 ms of hearing so",
          "[k8s_client]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  Rig rig{seed};
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  rig.server.watches.push_back(
      {{}, {ScriptedListWatch::fails(Failure{boost::asio::error::connection_reset}, 1min)}});
  for (int i = 0; i < 8; ++i) {  // long enough for pauses of up to 30 s
    rig.server.watches.push_back({Failure{boost::asio::error::connection_refused}, {}});
  }
  rig.server.watches.push_back({refusal(Errc::version_expired), {}});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("users", "90")}, "90"));
  rig.start();

  rig.clock.advance(10min);

  REQUIRE(rig.server.lists_asked.size() == 2);
  CHECK(rig.server.lists_asked[1].at - rig.server.watches_asked[9].at <= Reflector::kMinBackoff);
  CHECK(rig.names() == std::set<std::string>{"users"});
}

TEST_CASE("Reflector: lists that expire at once are asked for ever more seldom", "[k8s_client]") {
  Rig rig;
  for (int i = 0; i < 10000; ++i) {
    rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
    rig.server.watches.push_back({refusal(Errc::version_expired), {}});
  }
  rig.start();

  rig.clock.advance(1h);

  CHECK(rig.server.lists_asked.size() < 1000);
}

TEST_CASE("Reflector: watches refused five times in a row lead to a list, and go on being tried",
          "[k8s_client]") {
  const auto code = GENERATE(Errc::forbidden, Errc::server_error);
  const bool is_accepted_first = GENERATE(false, true);
  CAPTURE(is_accepted_first);
  Rig rig;
  rig.server.lists.push_back(
      ScriptedListWatch::page({service_json("cart", "3"), service_json("users", "4")}, "7"));
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "90"));
  for (int i = 0; i < 7; ++i) {
    // A network that fails in between is neither here nor there.
    const Failure why = i == 2 ? Failure{boost::asio::error::connection_reset} : refusal(code);
    rig.server.watches.push_back(is_accepted_first
                                     ? ScriptedListWatch::Watch{{}, {ScriptedListWatch::fails(why)}}
                                     : ScriptedListWatch::Watch{why, {}});
  }
  rig.start();

  rig.clock.advance(3min);

  CHECK(rig.names() == std::set<std::string>{"cart"});
  REQUIRE(rig.server.lists_asked.size() == 2);
  CHECK(rig.server.lists_asked[1].request.version == "7");
  REQUIRE(rig.server.watches_asked.size() == 8);
  CHECK(rig.server.lists_asked[1].at > rig.server.watches_asked[5].at);
  CHECK(rig.server.watches_asked[6].at == rig.server.lists_asked[1].at);
}

TEST_CASE("Reflector: however often a watch is cut or asked for patience, nothing is listed",
          "[k8s_client]") {
  const bool is_cut = GENERATE(true, false);
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  for (int i = 0; i < 20; ++i) {
    rig.server.watches.push_back(
        {is_cut ? Failure{boost::asio::error::connection_reset} : refusal(Errc::too_many_requests),
         {}});
  }
  rig.start();

  rig.clock.advance(1h);

  CHECK(rig.server.watches_asked.size() > 20);
  CHECK(rig.server.lists_asked.size() == 1);
}

TEST_CASE("Reflector: a reply that makes no sense leads to a list", "[k8s_client]") {
  const auto code = GENERATE(Errc::malformed_reply, Errc::unexpected_status, Errc::too_large);
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  rig.server.watches.push_back({{}, {ScriptedListWatch::fails(refusal(code))}});
  rig.server.lists.push_back(ScriptedListWatch::page({}, "8"));
  rig.start();

  rig.clock.advance(1s);

  CHECK(rig.reflector.status().lists == 2);
}

TEST_CASE("Reflector: an object that cannot be understood is reported and keeps its last state",
          "[k8s_client]") {
  Rig rig;
  nlohmann::json broken = service_json("cart", "8");
  broken["spec"]["ports"][0]["port"] = "eighty";
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  rig.server.watches.push_back(
      {{}, {ScriptedListWatch::event(WatchEvent::Type::modified, broken)}});
  rig.server.watches.back().steps.push_back(
      ScriptedListWatch::fails(refusal(Errc::version_expired), 1s));
  rig.server.lists.push_back(ScriptedListWatch::page({broken, service_json("users", "9")}, "9"));
  rig.start();

  rig.clock.advance(3s);

  CHECK(rig.names() == std::set<std::string>{"cart", "users"});
  CHECK(rig.store.find({"shop", "cart"})->meta.resource_version == "3");
  CHECK(rig.reflector.status().last_error ==
        "spec.ports[0].port: must be a port number, 1 to 65535");
}

TEST_CASE("Reflector: after stop it leaves store and notices alone", "[k8s_client]") {
  Rig rig;
  rig.server.lists.push_back(ScriptedListWatch::page({}, "7"));
  rig.server.watches.push_back(
      {{}, {ScriptedListWatch::event(WatchEvent::Type::added, service_json("late", "8"), 1min)}});
  rig.start();

  rig.reflector.stop();
  rig.clock.advance(1h);

  CHECK(rig.store.size() == 0);
  CHECK(rig.notices.empty());
}
