// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/api_source.hpp"

#include "tests/k8s_client/certificates.hpp"
#include "tests/k8s_client/tls_server.hpp"
#include "tests/support/sim_clock.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <sstream>
#include <string>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;

namespace {

constexpr const char* kServices = "/api/v1/services";
constexpr const char* kSlices = "/apis/discovery.k8s.io/v1/endpointslices";
constexpr const char* kNodes = "/api/v1/nodes";
constexpr const char* kPods = "/api/v1/pods";
constexpr const char* kConfigMaps = "/api/v1/namespaces/nodeway-system/configmaps";

test::TlsServer::Reply list_of(const std::string& item) {
  return test::reply("200 OK", R"({"metadata":{"resourceVersion":"7"},"items":[)" + item + "]}");
}

/// What a server before KEP-3157 says.
test::TlsServer::Reply streams_are_invalid() {
  return test::reply("422 Unprocessable Entity", R"({"reason":"Invalid","code":422})");
}

/// A watch that is accepted and then stays silent.
test::TlsServer::Reply silent_watch() {
  return {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"};
}

std::string chunk(const std::string& line) {
  std::ostringstream text;
  text << std::hex << line.size() + 1 << "\r\n" << line << "\n\r\n";
  return text.str();
}

/// A list of this item, or of none, whose connection stays open as a silent watch.
test::TlsServer::Reply stream_of(const std::string& item) {
  test::TlsServer::Reply parts = silent_watch();
  if (!item.empty()) {
    parts.push_back(chunk(R"({"type":"ADDED","object":)" + item + "}"));
  }
  parts.push_back(chunk(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7",)"
                        R"("annotations":{"k8s.io/initial-events-end":"true"}}}})"));
  return parts;
}

constexpr const char* kCart =
    R"({"metadata":{"namespace":"shop","name":"cart","resourceVersion":"3"}})";
constexpr const char* kCartSlice = R"({"metadata":{"namespace":"shop","name":"cart-1",)"
                                   R"("resourceVersion":"4"},"addressType":"IPv4"})";

constexpr const char* kNode = R"({"metadata":{"name":"node-1","resourceVersion":"5"}})";
constexpr const char* kPod =
    R"({"metadata":{"namespace":"shop","name":"cart-0","resourceVersion":"6"}})";

struct Rig {
  Rig() : source{loop.get_executor(), options(), stores, clock} {
    listener.replies_by_path = {{kServices, {stream_of(kCart)}},
                                {kSlices, {stream_of(kCartSlice)}},
                                {kConfigMaps, {stream_of("")}},
                                {kNodes, {stream_of(kNode)}},
                                {kPods, {stream_of(kPod)}}};
  }

  [[nodiscard]] ApiSource::Options options() const {
    ApiServer server;
    server.host = "127.0.0.1";
    server.port = listener.port();
    server.ca.file = certificates.file("ca.pem");
    return {.server = server,
            .config_map = {.ns = "nodeway-system", .name = "nodeway"},
            .node = "node-1",
            .seed = 1,
            .notices = {}};
  }

  /// Runs the loop until it is so, for 20 s at most: only a bound for liveness.
  bool sees(const std::function<bool()>& is_so) {
    const auto deadline = clock.now() + 20s;
    while (!is_so() && clock.now() < deadline) {
      loop.restart();
      loop.run_one_for(50ms);
    }
    return is_so();
  }

  [[nodiscard]] bool watches_all() const {
    for (const WatchStatus& status : source.status()) {
      if (status.watches == 0 || !status.synced) {
        return false;
      }
    }
    return true;
  }

  boost::asio::io_context loop;
  SteadyClock clock;
  test::Certificates certificates;
  test::TlsServer listener{loop,
                           {.certificate = certificates.file("server.pem"),
                            .key = certificates.file("server.key"),
                            .client_ca = {}}};
  Stores stores;
  ApiSource source;
};

}  // namespace

TEST_CASE("ApiSource: fills the five stores and watches on, one connection each", "[k8s_client]") {
  Rig rig;
  rig.source.start();

  REQUIRE(rig.sees([&rig] { return rig.watches_all(); }));

  CHECK(rig.stores.is_synced());
  CHECK(rig.stores.services.find({"shop", "cart"}) != nullptr);
  CHECK(rig.stores.endpoint_slices.find({"shop", "cart-1"}) != nullptr);
  CHECK(rig.stores.config_maps.size() == 0);
  CHECK(rig.listener.connections == 5);
  CHECK(rig.stores.nodes.find({"", "node-1"}) != nullptr);
  CHECK(rig.stores.pods.find({"shop", "cart-0"}) != nullptr);
  const auto was_asked = [&rig](const std::string& path) {
    return std::ranges::any_of(rig.listener.requests, [&path](const test::SeenRequest& request) {
      return request.target.starts_with(path + "&");
    });
  };
  CHECK(was_asked(std::string{kConfigMaps} + "?fieldSelector=metadata.name%3Dnodeway"));
  CHECK(was_asked(std::string{kNodes} + "?fieldSelector=metadata.name%3Dnode-1"));
  CHECK(was_asked(std::string{kPods} + "?fieldSelector=spec.nodeName%3Dnode-1"));
}

TEST_CASE("ApiSource: without a node's name neither Nodes nor Pods are asked for", "[k8s_client]") {
  boost::asio::io_context loop;
  SteadyClock clock;
  Stores stores;

  ApiSource source{loop.get_executor(),
                   {.server = {}, .config_map = {"a", "b"}, .seed = 1, .notices = {}},
                   stores,
                   clock};

  CHECK(source.status().size() == 3);
  CHECK(stores.nodes.is_synced());
  CHECK(stores.pods.is_synced());
}

TEST_CASE("ApiSource: lists and watches by themselves fill the stores where none are streamed",
          "[k8s_client]") {
  Rig rig;
  rig.listener.replies_by_path = {
      {kServices, {streams_are_invalid(), list_of(kCart), silent_watch()}},
      {kSlices, {streams_are_invalid(), list_of(kCartSlice), silent_watch()}},
      {kConfigMaps, {streams_are_invalid(), list_of(""), silent_watch()}},
      {kNodes, {streams_are_invalid(), list_of(kNode), silent_watch()}},
      {kPods, {streams_are_invalid(), list_of(kPod), silent_watch()}}};
  rig.source.start();

  REQUIRE(rig.sees([&rig] { return rig.watches_all(); }));

  CHECK(rig.stores.is_synced());
  CHECK(rig.stores.services.find({"shop", "cart"}) != nullptr);
  CHECK(rig.stores.endpoint_slices.find({"shop", "cart-1"}) != nullptr);
  CHECK(rig.listener.requests.size() == 15);
}

namespace {

/// When a node of this seed first tries to connect, to within 10 ms. All its resources at once.
Clock::Duration first_try(std::uint64_t seed, std::chrono::milliseconds max_start_delay) {
  boost::asio::io_context loop;
  test::SimClock clock{loop};
  Stores stores;
  ApiServer server;
  server.host = "127.0.0.1";
  server.ca.file = "/nonexistent";  // fails before there is any network
  ApiSource source{loop.get_executor(),
                   {.server = server,
                    .config_map = {"a", "b"},
                    .seed = seed,
                    .notices = {},
                    .max_start_delay = max_start_delay},
                   stores,
                   clock};
  source.start();
  clock.settle();
  std::size_t tried = 0;
  while (tried == 0) {
    for (const WatchStatus& status : source.status()) {
      tried += status.errors > 0 ? 1 : 0;
    }
    if (tried == 0) {
      clock.advance(10ms);
    }
  }
  CHECK(tried == source.status().size());
  const Clock::Duration waited = clock.now().time_since_epoch();
  source.stop();
  clock.settle();
  return waited;
}

}  // namespace

TEST_CASE("ApiSource: nodes that start at once connect at times of their own, within the limit",
          "[k8s_client]") {
  std::set<Clock::Duration> tries;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    tries.insert(first_try(seed, ApiSource::kMaxStartDelay));
  }

  CHECK(tries.size() > 50);  // of 100 steps of 10 ms
  CHECK(*tries.begin() < ApiSource::kMaxStartDelay / 10);
  CHECK(*tries.rbegin() > ApiSource::kMaxStartDelay * 9 / 10);
  CHECK(*tries.rbegin() <= ApiSource::kMaxStartDelay);
  CHECK(first_try(1, 0ms) == 0ms);
}

TEST_CASE("ApiSource: after `stop` its coroutines end, also without it", "[k8s_client]") {
  boost::asio::io_context loop;
  SteadyClock clock;
  Stores stores;
  ApiServer server;
  server.tls = false;
  server.host = "127.0.0.1";
  server.port = 1;  // nobody listens there: it is stopped while it pauses
  {
    ApiSource source{loop.get_executor(),
                     {.server = server, .config_map = {"a", "b"}, .seed = 1, .notices = {}},
                     stores,
                     clock};
    source.start();
    loop.run_for(50ms);
    REQUIRE_FALSE(loop.stopped());
    source.stop();
  }

  loop.restart();
  loop.run_for(10s);

  CHECK(loop.stopped());
}

TEST_CASE("ApiSource: may be stopped and destroyed in the midst of its watches", "[k8s_client]") {
  Rig rig;
  rig.source.start();
  REQUIRE(rig.sees([&rig] { return rig.watches_all(); }));

  rig.source.stop();

  rig.loop.restart();
  rig.loop.run_for(100ms);
  CHECK(rig.source.status().size() == 5);
  CHECK(rig.stores.services.size() == 1);
}
