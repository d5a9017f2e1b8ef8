// SPDX-License-Identifier: Apache-2.0
// Pods that are killed, or end their connections, under load: a grpc-go caller without retries of
// its own, grpc-go servers.
#include "tests/support/cluster_folder.hpp"
#include "tests/support/go_binaries.hpp"
#include "tests/support/router_process.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

namespace {

bool is_long() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* const value = std::getenv("NODEWAY_TEST_LONG");
  return value != nullptr && std::string_view{value} == "1";
}

/// Four servers at ports of their own, of which one after the other is killed and comes back.
class Pods {
 public:
  explicit Pods(const std::string& binaries) : binaries_{binaries} {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      ports_.at(i) = test::unused_port();
      start(i);
    }
  }

  void start(std::size_t i) {
    const std::string listen = "127.0.0.1:" + std::to_string(ports_.at(i));
    pods_.at(i) = std::make_unique<test::ChildProcess>(
        std::vector<std::string>{binaries_ + "/grpc-go-adder", "-listen", listen, "-delay", "10ms"},
        test::Headers{{"POD_NAME", std::to_string(i)}});
    pods_.at(i)->wait_stdout_line(0);
  }
  void kill(std::size_t i) {
    pods_.at(i)->signal(SIGKILL);
    pods_.at(i)->wait_exit();
  }
  [[nodiscard]] std::vector<test::EndpointSpec> endpoints() const {
    std::vector<test::EndpointSpec> specs;
    for (const std::uint16_t port : ports_) {
      specs.push_back({.port = port});
    }
    return specs;
  }
  [[nodiscard]] std::size_t size() const { return ports_.size(); }

 private:
  std::string binaries_;
  std::array<std::uint16_t, 4> ports_{};
  std::array<std::unique_ptr<test::ChildProcess>, 4> pods_;
};

struct Outcome {
  int calls = 0;
  int wrong = 0;
  int failed = 0;
  int kills = 0;
  std::string text;
};

/// What the caller tells when it is done.
Outcome outcome_of(test::ChildProcess& caller, std::chrono::seconds duration) {
  REQUIRE(caller.wait_exit(duration + 30s) == 0);
  Outcome outcome{.text = caller.wait_stdout_line(0)};
  const auto told = nlohmann::json::parse(outcome.text);
  outcome.calls = told.at("calls");
  outcome.wrong = told.at("wrong");
  for (const auto& [status, number] : told.at("failed").items()) {
    outcome.failed += number.get<int>();
  }
  return outcome;
}

std::vector<std::string> caller_command(const std::string& binaries,
                                        std::uint16_t router_port,
                                        std::chrono::seconds duration) {
  return {binaries + "/grpc-go-caller",
          "-address",
          "127.0.0.1:" + std::to_string(router_port),
          "-duration",
          std::to_string(duration.count()) + "s"};
}

/// Calls at 500 a second while a pod is killed every five seconds (every second, in the short
/// version) and comes back half a period later.
Outcome call_while_pods_die(Pods& pods, const std::string& binaries, std::uint16_t router_port) {
  const auto duration = is_long() ? 300s : 10s;
  const std::chrono::milliseconds period = is_long() ? 5s : 1s;
  test::ChildProcess caller{caller_command(binaries, router_port, duration), {}};
  int kills = 0;
  const auto began = std::chrono::steady_clock::now();
  for (auto at = began + period; at < began + duration; at += period) {
    std::this_thread::sleep_until(at - period / 2);
    const std::size_t victim = static_cast<std::size_t>(kills++) % pods.size();
    pods.kill(victim);
    std::this_thread::sleep_until(at);
    pods.start(victim);
  }
  Outcome outcome = outcome_of(caller, duration);
  outcome.kills = kills;
  return outcome;
}

}  // namespace

TEST_CASE("nodeway: killed pods cost no call where calls may be repeated", "[killed_pods][retry]") {
  const std::string binaries = test::folder_of_go_binaries();
  Pods pods{binaries};
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\nservices: {add.calc: {retries: {idempotent: true}}}\n");
  cluster.add_service("add.calc", 80, pods.endpoints());
  test::RouterProcess router{{.source = cluster.path()}};

  const Outcome outcome = call_while_pods_die(pods, binaries, router.listen_port());

  CAPTURE(outcome.text, outcome.kills);
  CHECK(outcome.failed == 0);
  CHECK(outcome.wrong == 0);
  CHECK(outcome.calls > 1000);
  CHECK(router.metric("nodeway_retries_total") > 0);  // otherwise this test showed nothing
}

TEST_CASE("nodeway: where they may not, each call that killed pods cost was there, and is counted",
          "[killed_pods][retry]") {
  const std::string binaries = test::folder_of_go_binaries();
  Pods pods{binaries};
  test::ClusterFolder cluster;
  cluster.add_service("add.calc", 80, pods.endpoints());
  test::RouterProcess router{{.source = cluster.path()}};

  const Outcome outcome = call_while_pods_die(pods, binaries, router.listen_port());

  CAPTURE(outcome.text, outcome.kills);
  CHECK(outcome.failed > 0);  // otherwise this test showed nothing
  CHECK(outcome.wrong == 0);
  CHECK(router.metric("nodeway_responses_total", {{"reason", "upstream_reset"}}) == outcome.failed);
  // In flight at a pod: 500 a second, of 10 ms each, over four pods; and what a slow machine adds.
  CHECK(outcome.failed < outcome.kills * 100);
  CHECK(router.metric("nodeway_retries_total") == 0);
}

TEST_CASE("nodeway: a grpc-go server that drains each connection after a while costs no call",
          "[killed_pods][repick]") {
  const std::string binaries = test::folder_of_go_binaries();
  const std::uint16_t port = test::unused_port();
  test::ChildProcess pod{{binaries + "/grpc-go-adder",
                          "-listen",
                          "127.0.0.1:" + std::to_string(port),
                          "-delay",
                          "300ms",
                          "-max-connection-age",
                          "200ms"},  // so that every call outlives the GOAWAY of its connection
                         {}};
  pod.wait_stdout_line(0);
  test::ClusterFolder cluster;
  cluster.add_service("add.calc", 80, {{.port = port}});
  test::RouterProcess router{{.source = cluster.path()}};
  constexpr auto kDuration = 4s;

  test::ChildProcess caller{caller_command(binaries, router.listen_port(), kDuration), {}};
  const Outcome outcome = outcome_of(caller, kDuration);

  CAPTURE(outcome.text);
  CHECK(outcome.failed == 0);
  CHECK(outcome.wrong == 0);
  CHECK(outcome.calls > 400);
  CHECK(router.metric("nodeway_upstream_connects_total") > 5);  // else there was no GOAWAY
  CHECK(router.metric("nodeway_retries_total") == 0);
}
