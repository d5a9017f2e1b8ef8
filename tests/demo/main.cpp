// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/load.hpp"
#include "tests/demo/operation.hpp"
#include "tests/demo/probe.hpp"
#include "tests/demo/serve.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using demo::LoadOptions;
using demo::Operation;
using demo::ServeOptions;
using Microseconds = std::chrono::microseconds;

void add_duration(CLI::App& app,
                  const std::string& name,
                  Microseconds& value,
                  const std::string& what) {
  const std::map<std::string, double> units{{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 6e7}};
  app.add_option_function<double>(
         name,
         [&value](double micros) { value = Microseconds{static_cast<Microseconds::rep>(micros)}; },
         what + ", such as 20ms or 1.5s")
      ->transform(CLI::AsNumberWithUnit{units, CLI::AsNumberWithUnit::Options::UNIT_REQUIRED});
}

std::string own_name() {
  if (const char* pod = std::getenv("POD_NAME")) {  // NOLINT(concurrency-mt-unsafe): no threads yet
    return pod;
  }
  std::array<char, 256> host{};
  return gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "unknown";
}

std::vector<Operation> operations_of(const std::string& service) {
  if (service == "all") {
    return {demo::kOperations.begin(), demo::kOperations.end()};
  }
  const auto operation = demo::operation_named(service);
  if (!operation) {
    throw CLI::ValidationError{"no operation " + service +
                               "; there are add, sub, mult, div, percentage"};
  }
  return {*operation};
}

/// The addresses behind `percentage`: `--upstream` for all, or one by one.
struct UpstreamFlags {
  std::string all;
  demo::PercentageUpstreams each{.mult = {.authority = "mult", .grpc = {}, .http = {}},
                                 .div = {.authority = "div", .grpc = {}, .http = {}}};

  void add_to(CLI::App& app) {
    app.add_option("--upstream",
                   all,
                   "ADDR:PORT where percentage calls mult and div, over either protocol; "
                   "without any upstream it computes by itself");
    for (auto* service : {&each.mult, &each.div}) {
      const std::string flag = "--" + service->authority;
      const std::string name = service->authority;
      app.add_option(flag + "-authority", service->authority, "authority for " + name)
          ->capture_default_str();
      app.add_option(flag + "-grpc", service->grpc, "ADDR:PORT for " + name + " over gRPC alone");
      app.add_option(flag + "-http", service->http, "ADDR:PORT for " + name + " over HTTP alone");
    }
  }

  [[nodiscard]] demo::PercentageUpstreams upstreams() const {
    demo::PercentageUpstreams upstreams = each;
    for (auto* service : {&upstreams.mult, &upstreams.div}) {
      service->grpc = service->grpc.empty() ? all : service->grpc;
      service->http = service->http.empty() ? all : service->http;
    }
    return upstreams;
  }
};

struct Serve {
  ServeOptions options;
  std::string service = "all";
  UpstreamFlags upstream;

  void add_to(CLI::App& app) {
    options.pod = own_name();
    app.add_option("--service", service, "add, sub, mult, div, percentage, or all")
        ->capture_default_str();
    app.add_option("--grpc", options.grpc, "ADDR:PORT of gRPC; port 0: the kernel's choice")
        ->capture_default_str();
    app.add_option("--http", options.http, "ADDR:PORT of HTTP/1.1 and JSON; none if not given");
    app.add_option(
        "--pod", options.pod, "name in x-pod and in replies (default: POD_NAME, else the host's)");
    add_duration(app, "--delay", options.delay, "how long each call works");
    add_duration(app, "--linger", options.linger, "served on after SIGTERM (default 1s)");
    add_duration(app, "--drain", options.drain, "then, time for calls in flight (default 20s)");
    upstream.add_to(app);
  }

  [[nodiscard]] int run() {
    options.operations = operations_of(service);
    options.upstreams = upstream.upstreams();
    return demo::serve(options);
  }
};

struct Load {
  LoadOptions options;
  std::string target;
  std::vector<std::string> targets_of;
  std::string suffix;
  std::string only = "all";

  void add_to(CLI::App& app) {
    const std::map<std::string, demo::Protocol> protocols{{"grpc", demo::Protocol::grpc},
                                                          {"http", demo::Protocol::http}};
    app.add_option("--target", target, "ADDR:PORT of all operations");
    app.add_option(
        "--target-of", targets_of, "OPERATION=ADDR:PORT, repeatable; goes before --target");
    app.add_option(
        "--authority-suffix", suffix, "appended to the operation's name: .calc gives add.calc");
    app.add_option("--protocol", options.protocol, "grpc or http")
        ->transform(CLI::CheckedTransformer{protocols});
    app.add_option("--only", only, "one operation instead of all");
    app.add_option("--callers", options.callers, "callers, each with its own beat")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option(
           "--concurrency", options.concurrency, "calls that a caller has in flight at most")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    add_duration(app,
                 "--every",
                 options.every,
                 "between two calls of a caller; 0s: no pause (default 20ms)");
    add_duration(app, "--duration", options.duration, "end after that time");
    app.add_option("--requests", options.requests, "end after so many calls");
    app.add_option("--seed", options.seed, "of operations and operands")->capture_default_str();
    app.add_flag("--progress", options.progress, "a JSON line each second");
  }

  [[nodiscard]] int run() {
    for (const Operation operation : operations_of(only)) {
      const std::string name{demo::name_of(operation)};
      options.targets[operation] = {.address = target, .authority = name + suffix};
    }
    for (const std::string& entry : targets_of) {
      const std::size_t equals = std::min(entry.find('='), entry.size() - 1);
      const Operation operation = operations_of(entry.substr(0, equals)).front();
      if (options.targets.contains(operation)) {
        options.targets[operation].address = entry.substr(equals + 1);
      }
    }
    for (const auto& [operation, called] : options.targets) {
      if (called.address.empty()) {
        throw CLI::ValidationError{"no --target for " + std::string{demo::name_of(operation)}};
      }
    }
    return demo::run_load(options);
  }
};

void add_probe_flags(CLI::App& app, demo::ProbeOptions& options) {
  app.add_option("--target", options.target, "ADDR:PORT")->required();
  app.add_option("--authority", options.authority, "what :authority says (default: the target)");
  app.add_option("--cancels", options.cancels, "calls that are cancelled")->capture_default_str();
}

int run(int argc, char** argv) {
  CLI::App app{
      "The calculator: gRPC services with an HTTP/1.1 twin, and mathfanboy, their load generator."};
  app.require_subcommand(1);
  Serve serve;
  Load load;
  CLI::App& serve_app = *app.add_subcommand("serve", "Serve one operation or all of them");
  CLI::App& load_app = *app.add_subcommand(
      "load", "Call random operations; the last line on stdout says what came of it");
  demo::ProbeOptions probe;
  CLI::App& probe_app =
      *app.add_subcommand("probe", "Try every kind of streaming, and cancels, on service Probe");
  add_probe_flags(probe_app, probe);
  serve.add_to(serve_app);
  load.add_to(load_app);
  try {
    app.parse(argc, argv);
    if (probe_app.parsed()) {
      return demo::run_probe(probe);
    }
    return serve_app.parsed() ? serve.run() : load.run();
  } catch (const CLI::Error& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}
