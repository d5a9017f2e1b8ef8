// SPDX-License-Identifier: Apache-2.0
// bench_pod: a gRPC server (calculator.Probe/Echo) that has good and bad days, as a benchmark tells
// it.
#include "tests/bench/resilience/control.hpp"
#include "tests/bench/resilience/workplace.hpp"
#include "tests/demo/json_line.hpp"
#include "tests/demo/signals.hpp"

#include <CLI/CLI.hpp>
#include <calculator.grpc.pb.h>
#include <chrono>
#include <cstdint>
#include <grpcpp/grpcpp.h>
#include <string>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

namespace {

using bench::Job;
using bench::Workplace;

/// One call: a job of the workplace, and its answer.
class Call final : public grpc::ServerUnaryReactor {
 public:
  Call(grpc::CallbackServerContext& context, calculator::EchoReply& reply, Workplace& workplace)
      : context_{context}, reply_{reply}, workplace_{workplace} {
    job_ = workplace_.begin([this](bool good) { answer(good); });
  }

 private:
  void answer(bool good) {
    // In the trailers, so that it is seen of failures as well.
    context_.AddTrailingMetadata("x-pod", workplace_.pod());
    reply_.set_pod(workplace_.pod());
    Finish(good ? grpc::Status::OK : grpc::Status{grpc::StatusCode::UNAVAILABLE, "a bad day"});
  }

  void OnCancel() override {
    if (workplace_.give_up(job_)) {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

  grpc::CallbackServerContext& context_;
  calculator::EchoReply& reply_;
  Workplace& workplace_;
  Job job_ = 0;
};

class Service final : public calculator::Probe::CallbackService {
 public:
  explicit Service(Workplace& workplace) : workplace_{workplace} {}

  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context,
                                 const calculator::EchoRequest* /*request*/,
                                 calculator::EchoReply* reply) override {
    return new Call{*context, *reply, workplace_};
  }

 private:
  Workplace& workplace_;
};

/// As a pod ends that was told to: served on until callers have heard of it, then GOAWAY, and calls
/// under way end.
void serve(const std::string& address, const std::string& pod, std::chrono::milliseconds linger) {
  const demo::Signals signals;
  Workplace workplace{pod};
  Service service{workplace};
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (!server || port == 0) {
    throw std::runtime_error{"cannot listen on " + address};
  }
  const bench::Control control{static_cast<std::uint16_t>(port), workplace};
  demo::print_line({{"event", "listening"}, {"port", port}});
  signals.wait();
  std::this_thread::sleep_for(linger);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds{5});
  server->Wait();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "A gRPC server whose speed and failures are set over UDP, on the port that it serves."};
  std::string address = "127.0.0.1:0";
  std::string pod;
  unsigned linger_ms = 0;
  app.add_option("--listen", address, "ADDR:PORT")->capture_default_str();
  app.add_option("--pod", pod, "its name in replies")->required();
  app.add_option("--linger-ms", linger_ms, "served on after SIGTERM")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    serve(address, pod, std::chrono::milliseconds{linger_ms});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_pod: %s\n", error.what());
    return 1;
  }
  return 0;
}
