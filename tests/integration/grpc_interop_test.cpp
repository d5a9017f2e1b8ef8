// SPDX-License-Identifier: Apache-2.0
// grpc-go's own interop suite through the router: client -> nodeway -> server.
#include "tests/k8s_client/certificates.hpp"
#include "tests/support/cluster_folder.hpp"
#include "tests/support/go_binaries.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/upstream.hpp"

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

/// Interop server and router, with a Service `interop.default` in between.
class Interop {
 public:
  /// `others`: further pods of the Service.
  explicit Interop(std::vector<std::string> router_args = {},
                   std::vector<test::EndpointSpec> others = {})
      : binaries_{test::folder_of_go_binaries()},
        server_port_{test::unused_port()},
        server_{{binaries_ + "/grpc-interop-server", "-port", std::to_string(server_port_)}, {}},
        router_{written(std::move(router_args), std::move(others))} {
    test::eventually("the interop server to listen", [&] {
      try {
        return test::connect_to_loopback(server_port_).is_open();
      } catch (const test::Failure&) {
        return false;
      }
    });
  }

  /// Runs one case with the official client; its exit code and what it said.
  test::CommandResult run(const std::string& name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{binaries_ + "/grpc-interop-client",
                                     "-server_host=127.0.0.1",
                                     "-server_port=" + std::to_string(router_.listen_port()),
                                     "-test_case=" + name};
    command.insert(command.end(), more.begin(), more.end());
    test::ChildProcess client{command, {}};
    test::CommandResult result;
    result.exit_code = client.wait_exit(60s);
    result.err = client.stderr_text();
    return result;
  }

  test::RouterProcess& router() { return router_; }
  test::ClusterFolder& cluster() { return cluster_; }
  [[nodiscard]] std::uint16_t server_port() const { return server_port_; }

 private:
  test::RouterProcess::Options written(std::vector<std::string> args,
                                       std::vector<test::EndpointSpec> pods) {
    pods.push_back({.port = server_port_});
    cluster_.add_service("interop.default", 8080, pods, {.port_name = "grpc"});
    return {.source = cluster_.path(), .args = std::move(args)};
  }

  std::string binaries_;
  std::uint16_t server_port_;
  test::ChildProcess server_;
  test::ClusterFolder cluster_;
  test::RouterProcess router_;
};

// The client's authority is the address that it dials, so a header says which Service it means.
const std::string kMeansInterop = "-additional_metadata=l5d-dst-override:interop.default";

// The client's other cases need credentials, xDS, or (`pick_first_unary`) a server that names
// itself, which grpc-go's own does not.
const std::array<std::string, 14> kCases{"empty_unary",
                                         "large_unary",
                                         "client_streaming",
                                         "server_streaming",
                                         "ping_pong",
                                         "empty_stream",
                                         "timeout_on_sleeping_server",
                                         "cancel_after_begin",
                                         "cancel_after_first_response",
                                         "status_code_and_message",
                                         "special_status_message",
                                         "custom_metadata",
                                         "unimplemented_method",
                                         "unimplemented_service"};

bool is_long() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* const value = std::getenv("NODEWAY_TEST_LONG");
  return value != nullptr && std::string_view{value} == "1";
}

}  // namespace

TEST_CASE("grpc interop: every case that needs no special credentials passes", "[grpc_interop]") {
  Interop interop;
  for (const std::string& name : kCases) {
    const double before =
        interop.router().metric("nodeway_requests_total", {{"service", "interop"}});
    const test::CommandResult result = interop.run(name, {kMeansInterop});
    CAPTURE(name, result.err);
    CHECK(result.exit_code == 0);
    // Else the calls went some other way; but these the client may end before they are on theirs.
    const bool may_end_unsent =
        name == "timeout_on_sleeping_server" || name == "cancel_after_begin";
    CHECK((may_end_unsent ||
           interop.router().metric("nodeway_requests_total", {{"service", "interop"}}) > before));
  }
  interop.router().wait_metric("nodeway_streams_open", 0);
  // At most the one whose deadline the server's clock sees pass before ours and the client's.
  CHECK(interop.router().metric("nodeway_responses_total", {{"reason", "upstream_reset"}}) <= 1);
  CHECK(interop.router().stop() == 0);
}

TEST_CASE("grpc interop: every case passes beside pods that refuse, go away and are gone",
          "[grpc_interop]") {
  constexpr std::uint32_t kRefusedStream = 7;  // RFC 9113 section 7
  test::Upstream refusing{test::always({.at_head = true, .reset = kRefusedStream})};
  test::Upstream leaving{{.answer = {}, .go_away_after = 0}};
  Interop interop{{}, {refusing.endpoint(), leaving.endpoint(), {.port = test::unused_port()}}};

  for (const std::string& name : kCases) {
    const test::CommandResult result = interop.run(name, {kMeansInterop});
    CAPTURE(name, result.err);
    CHECK(result.exit_code == 0);
  }

  CHECK(refusing.requests_seen() > 0);
  CHECK(interop.router().metric("nodeway_repicks_total", {{"service", "interop"}}) > 0);
  interop.router().wait_metric("nodeway_streams_open", 0);
  CHECK(interop.router().stop() == 0);
}

// grpc-go's server has its defaults: it ends connections whose client sends PINGs that it did not
// ask for, so nothing but TCP's own probes may keep this one. The long variant lasts 12 minutes.
TEST_CASE("grpc interop: a stream that is silent for long goes on", "[grpc_interop]") {
  const auto silence = is_long() ? test::Milliseconds{12min} : 3s;
  // StreamingOutputCallRequest{response_parameters: [{size: 1}]} and its reply's payload.
  const std::string request = test::grpc_frame("\x12\x02\x08\x01");
  constexpr std::size_t kReplyBytes = 5 + 5;  // {payload: {body: 1 byte}}
  Interop interop;
  test::H2Client client{interop.router().listen_port()};
  const test::StreamId stream =
      client.open_grpc("interop.default", "/grpc.testing.TestService/FullDuplexCall");
  client.send(stream, request);
  client.wait_body(stream, kReplyBytes);

  client.pump_for(silence);
  client.send(stream, request);

  client.wait_body(stream, 2 * kReplyBytes);
  client.end(stream);
  CHECK(client.wait(stream).grpc_status() == 0);
  CHECK(interop.router().stop() == 0);
}

TEST_CASE("grpc interop: soak tests pass", "[grpc_interop]") {
  Interop interop;
  for (const std::string name : {"rpc_soak", "channel_soak"}) {
    const test::CommandResult result =
        interop.run(name,
                    {kMeansInterop,
                     "-soak_iterations=50",
                     "-soak_per_iteration_max_acceptable_latency_ms=5000",
                     "-soak_overall_timeout_seconds=60"});
    CAPTURE(name, result.err);
    CHECK(result.exit_code == 0);
  }
  CHECK(interop.router().stop() == 0);
}

TEST_CASE("grpc interop: over TLS", "[grpc_interop]") {
  const test::Certificates certificates;
  Interop interop{{"--tls-listen",
                   "127.0.0.1:0",
                   "--tls-cert",
                   certificates.file("server.pem"),
                   "--tls-key",
                   certificates.file("server.key")}};
  for (const std::string name : {"empty_unary",
                                 "large_unary",
                                 "client_streaming",
                                 "server_streaming",
                                 "ping_pong",
                                 "cancel_after_first_response",
                                 "status_code_and_message",
                                 "custom_metadata"}) {
    const test::CommandResult result =
        interop.run(name,
                    {kMeansInterop,
                     "-server_port=" + std::to_string(interop.router().tls_port()),
                     "-use_tls",
                     "-use_test_ca",
                     "-ca_file=" + certificates.file("ca.pem").string()});
    CAPTURE(name, result.err);
    CHECK(result.exit_code == 0);
  }
  CHECK(interop.router().metric("nodeway_tls_handshakes_total") >= 8);
  CHECK(interop.router().stop() == 0);
}

TEST_CASE("grpc interop: the authority alone leads to the Service", "[grpc_interop]") {
  Interop interop;
  // grpc-go's authority is the target it was given: `localhost:PORT`. A Service can have that name.
  interop.cluster().add_service(
      "localhost.default", interop.router().listen_port(), {{.port = interop.server_port()}});

  test::eventually(
      "calls by authority to succeed",
      [&] {
        const test::CommandResult result = interop.run("empty_unary", {"-server_host=localhost"});
        return result.exit_code == 0;
      },
      30s);

  CHECK(interop.router().metric("nodeway_requests_total", {{"service", "localhost"}}) >= 1);
  // Reports of load, in trailers and on a stream of their own, which carries no metadata of ours.
  for (const std::string name : {"orca_per_rpc", "orca_oob"}) {
    const test::CommandResult result = interop.run(
        name,
        {"-server_host=localhost",
         R"(-service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]})"});
    CAPTURE(name, result.err);
    CHECK(result.exit_code == 0);
  }
  CHECK(interop.router().stop() == 0);
}
