// SPDX-License-Identifier: Apache-2.0
#include "router/cli/demo_cast.hpp"

#include "router/config.hpp"

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto kStart = 20s;    // a sanitized build on a loaded machine takes seconds
constexpr auto kLoadEnd = 15s;  // a call's own deadline is 10 s
constexpr auto kRouterEnd = 10s;

constexpr std::string_view kWork = "1ms";  // what a call takes in a pod

std::uint16_t port_in(const nlohmann::json& line, const char* key) {
  const auto address = parse_listen_address(line.at(key).get<std::string>());
  if (!address) {
    throw std::runtime_error{line.dump() + " has no address " + key};
  }
  return address->port;
}

std::string loopback(std::uint16_t port) {
  return fmt::format("127.0.0.1:{}", port);
}

}  // namespace

DemoCast::DemoCast(DemoStage& stage, std::string self, std::string calculator, unsigned callers)
    : stage_{stage},
      self_{std::move(self)},
      calculator_{std::move(calculator)},
      callers_{callers} {}

void DemoCast::start_router() {
  router_ = &stage_.start("nodeway",
                          {self_,
                           "run",
                           "--source",
                           "files:" + stage_.folder().cluster().string(),
                           "--listen",
                           "127.0.0.1:0",
                           "--admin",
                           "127.0.0.1:0"});
  const std::string_view ready = stage_.wait_for_line(*router_, "ready", kStart);
  if (ready.empty()) {
    return;  // interrupted
  }
  const nlohmann::json line = nlohmann::json::parse(ready);
  listen_ = line.at("listen").at(0).get<std::string>();
  admin_ = line.at("admin").get<std::string>();
}

int DemoCast::stop_router() {
  router_->may_end = true;
  router_->child.signal(SIGTERM);
  return router_->child.wait_for(kRouterEnd).value_or(-1);
}

void DemoCast::start_pods(const std::string& service, const std::vector<std::string>& names) {
  const std::string suffix = fmt::format(".{}", DemoFolder::kNamespace);
  for (const std::string& name : names) {
    start_pod(service,
              name,
              {"--upstream",
               listen_,
               "--mult-authority",
               "mult" + suffix,
               "--div-authority",
               "div" + suffix});
  }
  for (const std::string& name : names) {
    await_ports(name);
  }
}

void DemoCast::start_straight_percentage(const std::string& name,
                                         const DemoPod& mult,
                                         const DemoPod& div) {
  start_pod("percentage",
            name,
            {"--mult-grpc",
             loopback(mult.endpoint.grpc_port),
             "--mult-http",
             loopback(mult.endpoint.http_port),
             "--div-grpc",
             loopback(div.endpoint.grpc_port),
             "--div-http",
             loopback(div.endpoint.http_port)});
  await_ports(name);
}

void DemoCast::start_pod(const std::string& service,
                         const std::string& name,
                         const std::vector<std::string>& flags) {
  std::vector<std::string> arguments{calculator_,
                                     "serve",
                                     "--service",
                                     service,
                                     "--pod",
                                     name,
                                     "--grpc",
                                     "127.0.0.1:0",
                                     "--http",
                                     "127.0.0.1:0",
                                     "--delay",
                                     std::string{kWork}};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  DemoProcess& process = stage_.start(name, arguments);
  pods_.insert_or_assign(
      name,
      DemoPod{.endpoint = {.service = service, .pod = name, .grpc_port = 0, .http_port = 0},
              .process = &process});
}

void DemoCast::await_ports(const std::string& name) {
  DemoPod& pod = pods_.at(name);
  const std::string_view listening = stage_.wait_for_line(*pod.process, "listening", kStart);
  if (listening.empty()) {
    return;  // interrupted
  }
  const nlohmann::json line = nlohmann::json::parse(listening);
  pod.endpoint.grpc_port = port_in(line, "grpc");
  pod.endpoint.http_port = port_in(line, "http");
}

void DemoCast::forget_pod(const std::string& name) {
  stage_.forget(*pods_.at(name).process);
  pods_.erase(name);
}

DemoLoad DemoCast::start_straight_load() {
  std::vector<std::string> grpc;
  std::vector<std::string> http;
  for (const std::string_view service : kDemoServices) {
    const DemoEndpoint& first = pods_.at(pod_names(std::string{service}, 1).front()).endpoint;
    grpc.insert(grpc.end(),
                {"--target-of", fmt::format("{}={}", service, loopback(first.grpc_port))});
    http.insert(http.end(),
                {"--target-of", fmt::format("{}={}", service, loopback(first.http_port))});
  }
  return start_load(grpc, http);
}

DemoLoad DemoCast::start_load() {
  const std::vector<std::string> flags{
      "--target", listen_, "--authority-suffix", fmt::format(".{}", DemoFolder::kNamespace)};
  return start_load(flags, flags);
}

DemoLoad DemoCast::start_load(const std::vector<std::string>& grpc_flags,
                              const std::vector<std::string>& http_flags) {
  ++loads_;
  const auto start = [this](const std::string& protocol, const std::vector<std::string>& flags) {
    std::vector<std::string> arguments{calculator_,
                                       "load",
                                       "--progress",
                                       "--protocol",
                                       protocol,
                                       "--callers",
                                       std::to_string(callers_),
                                       "--every",
                                       fmt::format("{}ms", kDemoPace.count()),
                                       "--seed",
                                       std::to_string(loads_)};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return &stage_.start(fmt::format("mathfanboy-{}-{}", protocol, loads_), arguments);
  };
  return {.grpc = start("grpc", grpc_flags), .http = start("http", http_flags)};
}

PhaseReport DemoCast::end(const DemoLoad& load) {
  for (DemoProcess* process : {load.grpc, load.http}) {
    process->may_end = true;
    process->child.signal(SIGTERM);
  }
  const auto take = [this](DemoProcess& process) {
    // Not by the stage's waiting, which ends at once when the user has interrupted the demo.
    const auto until = std::chrono::steady_clock::now() + kLoadEnd;
    while (!process.child.wait_for(20ms) && std::chrono::steady_clock::now() < until) {
      stage_.read_all();
    }
    stage_.read_all();
    const std::string_view done = process.line("done");
    // What was interrupted before it began has none.
    LoadReport report =
        done.empty() && stage_.is_interrupted() ? LoadReport{} : parse_load_report(done);
    stage_.forget(process);
    return report;
  };
  LoadReport grpc = take(*load.grpc);
  LoadReport http = take(*load.http);
  return {.grpc = std::move(grpc), .http = std::move(http)};
}

std::string DemoCast::load_command() const {
  return fmt::format("{} load --target {} --authority-suffix .{} --duration 5s",
                     calculator_,
                     listen_,
                     DemoFolder::kNamespace);
}

}  // namespace router::cli
