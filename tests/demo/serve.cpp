// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/serve.hpp"

#include "tests/demo/counters.hpp"
#include "tests/demo/delay_queue.hpp"
#include "tests/demo/http_operations.hpp"
#include "tests/demo/http_twin.hpp"
#include "tests/demo/json_line.hpp"
#include "tests/demo/operation_services.hpp"
#include "tests/demo/probe_service.hpp"
#include "tests/demo/signals.hpp"

#include <cstdint>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace demo {

namespace {

/// HTTP/1.1 has no GOAWAY: a caller learns that a connection ends from a reply, or when it closes.
/// Idle ones are kept this long after the last request, by when callers have heard of the pod's
/// end.
constexpr std::chrono::milliseconds kHttpQuiet{500};

class GrpcServer {
 public:
  GrpcServer(const ServeOptions& options, DelayQueue& delays, Counters& counters)
      : services_{make_operation_services(
            options.operations, options.upstreams, options.delay, delays, counters)} {
    services_.push_back(make_probe_service(delays, counters));
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(options.grpc, grpc::InsecureServerCredentials(), &port);
    // Two servers on one port would share its connections, and neither would know.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    for (const auto& service : services_) {
      builder.RegisterService(service.get());
    }
    server_ = builder.BuildAndStart();
    if (!server_ || port == 0) {
      throw std::runtime_error{"cannot listen on " + options.grpc};
    }
    address_ = options.grpc.substr(0, options.grpc.rfind(':') + 1) + std::to_string(port);
  }

  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  void tell_unhealthy() { server_->GetHealthCheckService()->SetServingStatus(false); }

  void drain(std::chrono::microseconds limit) {
    server_->Shutdown(std::chrono::system_clock::now() + limit);
    server_->Wait();
  }

 private:
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

void run(const ServeOptions& options) {
  const Signals signals;
  Counters counters{options.pod};
  HttpOperations operations{options.operations, options.upstreams, options.delay, counters};
  DelayQueue delays;
  GrpcServer grpc_server{options, delays, counters};
  std::optional<HttpTwin> http;
  nlohmann::json listening{
      {"event", "listening"}, {"pod", options.pod}, {"grpc", grpc_server.address()}};
  if (!options.http.empty()) {
    http.emplace(options.http, options.pod, [&operations](const HttpRequest& request) {
      return operations.respond(request);
    });
    listening["http"] = http->address();
  }
  print_line(listening);

  signals.wait();

  const std::uint64_t in_flight = counters.totals().in_flight;
  grpc_server.tell_unhealthy();
  std::this_thread::sleep_for(options.linger);
  std::thread http_drain{[&] {
    if (http) {
      http->drain(kHttpQuiet, std::chrono::duration_cast<std::chrono::milliseconds>(options.drain));
    }
  }};
  grpc_server.drain(options.drain);
  http_drain.join();
  nlohmann::json stopped = counters.to_json();
  stopped["event"] = "stopped";
  stopped["in_flight_at_shutdown"] = in_flight;
  print_line(stopped);
}

}  // namespace

int serve(const ServeOptions& options) {
  try {
    run(options);
  } catch (const std::runtime_error& error) {
    fmt::print(stderr, "nodeway-calculator: {}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace demo
