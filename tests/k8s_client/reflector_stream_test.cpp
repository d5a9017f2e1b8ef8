// SPDX-License-Identifier: Apache-2.0
// Streaming lists; the reflector's other lists and its pauses are in reflector_test.cpp.
#include "tests/k8s_client/reflector_rig.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;
using test::refusal;
using test::ScriptedListWatch;
using test::service_json;
using Rig = test::ReflectorRig;
using Type = WatchEvent::Type;

namespace {

ScriptedListWatch::Step added(const std::string& name,
                              const std::string& version,
                              Clock::Duration after = {}) {
  return ScriptedListWatch::event(Type::added, service_json(name, version), after);
}

ScriptedListWatch::Watch stream(std::deque<ScriptedListWatch::Step> steps) {
  return {{}, std::move(steps)};
}

}  // namespace

TEST_CASE("Reflector: a streaming list goes on as the watch, in one request", "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back(stream({added("cart", "3"),
                                       added("users", "4"),
                                       ScriptedListWatch::end_of_list("7"),
                                       added("new", "8", 1s),
                                       ScriptedListWatch::bookmark("20", 1min)}));
  rig.start();
  CHECK(rig.store.is_synced());
  CHECK(rig.names() == std::set<std::string>{"cart", "users"});
  CHECK(rig.reflector.status().resource_version == "7");
  CHECK(rig.reflector.status().events == 0);

  rig.clock.advance(2min);

  CHECK(rig.names() == std::set<std::string>{"cart", "new", "users"});
  const WatchStatus status = rig.reflector.status();
  CHECK(status.resource_version == "20");
  CHECK(status.lists == 1);
  CHECK(status.watches == 1);
  CHECK(status.events == 1);
  CHECK(status.errors == 0);
  REQUIRE(rig.server.streams_asked.size() == 1);
  CHECK(rig.server.streams_asked[0].request.version == "0");
  CHECK(rig.server.lists_asked.empty());
  CHECK(rig.server.watches_asked.empty());
}

TEST_CASE("Reflector: a streaming list is taken over when its end is told, changes within it too",
          "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back(
      stream({added("cart", "3"),
              added("users", "4"),
              ScriptedListWatch::event(Type::modified, service_json("cart", "5"), 1s),
              ScriptedListWatch::event(Type::deleted, service_json("users", "6")),
              ScriptedListWatch::end_of_list("7", 1s)}));
  rig.start();
  rig.clock.advance(1s);
  CHECK(rig.store.size() == 0);
  CHECK_FALSE(rig.store.is_synced());
  CHECK(rig.reflector.status().resource_version.empty());

  rig.clock.advance(1s);

  CHECK(rig.names() == std::set<std::string>{"cart"});
  CHECK(rig.store.find({"shop", "cart"})->meta.resource_version == "5");
}

TEST_CASE("Reflector: a streaming list cut in its midst leaves store and version as they were",
          "[k8s_client]") {
  const auto end = GENERATE(as<ScriptedListWatch::Step>{},
                            ScriptedListWatch::fails(Failure{boost::asio::error::connection_reset}),
                            ScriptedListWatch::fails(refusal(Errc::malformed_reply)),
                            ScriptedListWatch::ends({}));
  Rig rig;
  rig.server.streams.push_back(
      stream({added("cart", "3"),
              ScriptedListWatch::end_of_list("7"),
              ScriptedListWatch::fails(refusal(Errc::version_expired), 1min)}));
  rig.server.streams.push_back(stream({added("users", "80"), end}));
  rig.start();

  rig.clock.advance(1min + 800ms);  // the pause before the second list

  REQUIRE(rig.server.streams_asked.size() == 2);
  CHECK(rig.server.streams_asked[1].request.version == "7");
  CHECK(rig.names() == std::set<std::string>{"cart"});
  CHECK(rig.reflector.status().resource_version == "7");
  CHECK(rig.reflector.status().lists == 1);

  rig.server.lists.push_back(ScriptedListWatch::page({service_json("other", "85")}, "90"));
  rig.clock.advance(10min);

  // After one that broke off, the next list is one in pages.
  CHECK(rig.names() == std::set<std::string>{"other"});
  CHECK(rig.server.lists_asked.front().request.version == "7");
}

TEST_CASE("Reflector: after 410 a streaming list removes what vanished unseen", "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back(
      stream({added("cart", "3"),
              added("users", "4"),
              ScriptedListWatch::end_of_list("7"),
              ScriptedListWatch::fails(refusal(Errc::version_expired), 1min)}));
  rig.server.streams.push_back(stream({added("cart", "3"), ScriptedListWatch::end_of_list("90")}));
  rig.start();

  rig.clock.advance(2min);

  CHECK(rig.removed == std::vector<std::string>{"users"});
  CHECK(rig.reflector.status().resource_version == "90");
  CHECK(rig.server.lists_asked.empty());
}

TEST_CASE("Reflector: a server behind its version, or without it, streams the newest after a pause",
          "[k8s_client]") {
  const auto why = GENERATE(Errc::version_too_large, Errc::version_expired);
  Rig rig;
  rig.server.streams.push_back(
      stream({ScriptedListWatch::end_of_list("700"),
              ScriptedListWatch::fails(refusal(Errc::version_expired), 1min)}));
  rig.server.streams.push_back({refusal(why), {}});
  rig.server.streams.push_back(stream({added("cart", "3"), ScriptedListWatch::end_of_list("9")}));
  rig.start();

  rig.clock.advance(2min);

  REQUIRE(rig.server.streams_asked.size() == 3);
  CHECK(rig.server.streams_asked[1].request.version == "700");
  CHECK(rig.server.streams_asked[2].request.version.empty());
  CHECK(rig.server.streams_asked[2].at > rig.server.streams_asked[1].at);
  CHECK(rig.names() == std::set<std::string>{"cart"});
}

TEST_CASE("Reflector: a server that calls streaming lists invalid is never asked for one again",
          "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back({refusal(Errc::unexpected_status), {}});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  for (int i = 0; i < 5; ++i) {
    rig.server.watches.push_back(
        {{}, {ScriptedListWatch::fails(refusal(Errc::version_expired), 1s)}});
    rig.server.lists.push_back(ScriptedListWatch::page({}, "8"));
  }
  rig.start();
  CHECK(rig.store.is_synced());  // without a pause
  CHECK(rig.reflector.status().errors == 0);

  rig.clock.advance(10min);

  CHECK(rig.reflector.status().lists == 6);
  CHECK(rig.server.streams_asked.size() == 1);
}

TEST_CASE("Reflector: whoever may not watch lists in pages at once", "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back({refusal(Errc::forbidden), {}});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  rig.start();

  CHECK(rig.names() == std::set<std::string>{"cart"});
}

TEST_CASE(
    "Reflector: a busy or unreachable server gets one request for each pause, no list in pages",
    "[k8s_client]") {
  const auto why = GENERATE(as<Failure>{},
                            refusal(Errc::too_many_requests),
                            Failure{boost::asio::error::connection_refused},
                            refusal(Errc::connect_timeout));
  Rig rig;
  for (int i = 0; i < 100; ++i) {
    rig.server.streams.push_back({why, {}});
  }
  rig.start();

  rig.clock.advance(10min);

  CHECK(rig.server.streams_asked.size() >= 20);
  CHECK(rig.server.streams_asked.size() < 100);
  CHECK(rig.server.lists_asked.empty());
}

TEST_CASE("Reflector: other failures of streaming lists alternate with lists in pages",
          "[k8s_client]") {
  Rig rig;
  for (int i = 0; i < 100; ++i) {
    rig.server.streams.push_back({refusal(Errc::server_error), {}});
  }
  rig.start();  // lists are refused, too

  rig.clock.advance(10min);

  const std::size_t streams = rig.server.streams_asked.size();
  const std::size_t lists = rig.server.lists_asked.size();
  CHECK(streams >= 10);
  CHECK((streams == lists || streams == lists + 1));
}

TEST_CASE("Reflector: a streaming list that is silent for 60 s is given up for one in pages",
          "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back(stream({added("cart", "3"), added("users", "4", 50s)}));
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  rig.start();

  rig.clock.advance(109s);
  CHECK(rig.server.lists_asked.empty());
  rig.clock.advance(2s);

  CHECK(rig.names() == std::set<std::string>{"cart"});
  CHECK(rig.reflector.status().errors == 1);
}

TEST_CASE("Reflector: a server that only watches where it should list is found out by its bookmark",
          "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back(stream({added("cart", "3"), ScriptedListWatch::bookmark("7", 30s)}));
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "7"));
  rig.server.watches.push_back({refusal(Errc::version_expired), {}});
  rig.server.lists.push_back(ScriptedListWatch::page({service_json("cart", "3")}, "8"));
  rig.start();

  rig.clock.advance(2min);

  CHECK(rig.reflector.status().lists == 2);
  CHECK(rig.server.streams_asked.size() == 1);
}

TEST_CASE("Reflector: streaming lists that break off at once are asked for ever more seldom",
          "[k8s_client]") {
  const bool breaks_late = GENERATE(false, true);
  Rig rig;
  for (int i = 0; i < 10000; ++i) {
    rig.server.streams.push_back(stream(
        {added("cart", "3"),
         ScriptedListWatch::fails(Failure{boost::asio::error::connection_reset},
                                  breaks_late ? Clock::Duration{20s} : Clock::Duration{0s})}));
  }
  rig.start();

  rig.clock.advance(1h);

  CHECK(rig.server.streams_asked.size() + rig.server.lists_asked.size() < 600);
}

TEST_CASE("Reflector: what cannot be understood in a streaming list keeps its last state",
          "[k8s_client]") {
  Rig rig;
  nlohmann::json broken = service_json("cart", "8");
  broken["spec"]["ports"][0]["port"] = "eighty";
  rig.server.streams.push_back(
      stream({added("cart", "3"),
              ScriptedListWatch::event(Type::modified, broken),
              ScriptedListWatch::end_of_list("9"),
              ScriptedListWatch::fails(refusal(Errc::version_expired), 1min)}));
  rig.server.streams.push_back(stream(
      {ScriptedListWatch::event(Type::added, broken), ScriptedListWatch::end_of_list("20")}));
  rig.start();
  CHECK(rig.store.find({"shop", "cart"})->meta.resource_version == "3");

  rig.clock.advance(2min);

  CHECK(rig.store.find({"shop", "cart"})->meta.resource_version == "3");
  CHECK(rig.reflector.status().last_error ==
        "spec.ports[0].port: must be a port number, 1 to 65535");
}

TEST_CASE("Reflector: stopped in a streaming list it leaves the store alone", "[k8s_client]") {
  Rig rig;
  rig.server.streams.push_back(
      stream({added("cart", "3"), ScriptedListWatch::end_of_list("7", 1min)}));
  rig.start();

  rig.reflector.stop();
  rig.clock.advance(1h);

  CHECK_FALSE(rig.store.is_synced());
  CHECK(rig.server.lists_asked.empty());
}
