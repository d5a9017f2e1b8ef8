// SPDX-License-Identifier: Apache-2.0
#include "tests/support/router_process.hpp"

#include "tests/support/http1_client.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace test {
namespace {

// The first start of a sanitizer build on a busy machine takes seconds.
constexpr Milliseconds kStartPatience{30'000};
// What a router without clients needs to drain, and a sanitizer to look for leaks, with a wide
// margin.
constexpr Milliseconds kEndPatience{20'000};

std::string binary() {
  const char* other = std::getenv("NODEWAY_BINARY");  // NOLINT(concurrency-mt-unsafe): only read
  return other != nullptr ? other : NODEWAY_BINARY;
}

bool is_report(const std::string& line) {
  return line.find("Sanitizer: ") != std::string::npos ||
         line.find("runtime error: ") != std::string::npos;
}

std::vector<std::string> command_of(const RouterProcess::Options& options) {
  std::vector<std::string> command{binary(), "run", "--admin", "127.0.0.1:0"};
  for (std::size_t i = 0; i < options.n_listeners; ++i) {
    command.insert(command.end(), {"--listen", "127.0.0.1:0"});
  }
  if (!options.source.empty()) {
    command.insert(command.end(), {"--source", "files:" + options.source.string()});
  }
  command.insert(command.end(), options.args.begin(), options.args.end());
  return command;
}

std::uint16_t port_in(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
}

}  // namespace

RouterProcess::RouterProcess(const Options& options)
    : child_{command_of(options), options.environment},
      uncaught_at_start_{std::uncaught_exceptions()} {
  const std::string line = child_.wait_stdout_line(0, kStartPatience);
  const auto listening = nlohmann::json::parse(line);
  if (listening.at("event") != "listening") {
    throw Failure{"the first line is not about listening: " + line};
  }
  for (const auto& address : listening.at("listen")) {
    listen_ports_.push_back(port_in(address.get<std::string>()));
  }
  for (const auto& address : listening.value("tls_listen", nlohmann::json::array())) {
    tls_port_ = port_in(address.get<std::string>());
  }
  admin_port_ = port_in(listening.at("admin").get<std::string>());
  if (options.wait_ready) {
    wait_ready();
  }
}

RouterProcess::~RouterProcess() {
  const bool is_failing = std::uncaught_exceptions() > uncaught_at_start_;
  const std::string fault = end();
  if (is_failing || !fault.empty()) {
    std::cerr << "--- nodeway's stderr:\n" << child_.stderr_text() << "---\n";
  }
  if (!fault.empty()) {
    FAIL_CHECK("nodeway " << fault);
  }
}

std::string RouterProcess::end() {
  int code = 0;
  try {
    code = child_.has_exited() ? child_.wait_exit() : stop(kEndPatience);
  } catch (const Failure& failure) {
    return std::string{"does not end: "} + failure.what();
  }
  const auto lines = child_.stderr_lines();
  if (const auto report = std::find_if(lines.begin(), lines.end(), is_report);
      report != lines.end()) {
    return "has a sanitizer's report: " + *report;
  }
  return code > 128 ? "was ended by signal " + std::to_string(code - 128) : std::string{};
}

void RouterProcess::wait_ready() {
  const std::string line = child_.wait_stdout_line(1, kStartPatience);
  if (nlohmann::json::parse(line).at("event") != "ready") {
    throw Failure{"the second line is not about being ready: " + line};
  }
}

Reply RouterProcess::http_get(const std::string& path) const {
  return Http1Client{admin_port_}.get("localhost", path, {{"Connection", "close"}});
}

double RouterProcess::metric(const std::string& name, const Labels& labels) const {
  return sum_of(metrics(), name, labels);
}

std::vector<Sample> RouterProcess::metrics() const {
  const Reply reply = http_get("/metrics");
  if (reply.status != 200) {
    throw Failure{"/metrics answers " + std::to_string(reply.status)};
  }
  return parse_metrics(reply.body);
}

Milliseconds RouterProcess::wait_metric(const std::string& name,
                                        double value,
                                        const Labels& labels,
                                        Milliseconds patience) const {
  double seen = 0;
  try {
    return eventually(
        name,
        [&] {
          seen = metric(name, labels);
          return seen == value;
        },
        patience);
  } catch (const Failure& failure) {
    throw Failure{std::string{failure.what()} + " to be " + std::to_string(value) + "; it is " +
                  std::to_string(seen)};
  }
}

int RouterProcess::stop(Milliseconds patience) {
  signal(SIGTERM);
  return wait_exit(patience);
}

std::size_t RouterProcess::rss_bytes() const {
  std::ifstream status{"/proc/" + std::to_string(child_.pid()) + "/status"};
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      std::size_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes * 1024;
    }
  }
  throw Failure{"no VmRSS: the router has ended"};
}

bool is_sanitized() {
  static const bool found = [] {
    std::ifstream file{binary(), std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    return bytes.find("__asan_init") != std::string::npos ||
           bytes.find("__tsan_init") != std::string::npos;
  }();
  return found;
}

CommandResult run_nodeway(const std::vector<std::string>& args, const Headers& environment) {
  std::vector<std::string> command{binary()};
  command.insert(command.end(), args.begin(), args.end());
  ChildProcess child{command, environment};
  CommandResult result{.exit_code = child.wait_exit(kStartPatience)};
  for (const std::string& line : child.stdout_lines()) {
    result.out += line + "\n";
  }
  result.err = child.stderr_text();
  return result;
}

}  // namespace test
