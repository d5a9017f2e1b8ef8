// SPDX-License-Identifier: Apache-2.0
// bench_load: calls calculator.Probe/Echo at a fixed rate, whatever becomes of the calls, and tells
// each one's fate.
#include "tests/demo/grpc_channel.hpp"

#include <CLI/CLI.hpp>
#include <calculator.grpc.pb.h>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>

namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::microseconds;

struct Options {
  std::string target;
  std::string authority;
  unsigned rps = 500;
  unsigned seconds = 10;
  unsigned deadline_ms = 1000;
};

/// One call and what became of it.
struct Call {
  grpc::ClientContext context;
  calculator::EchoRequest request;
  calculator::EchoReply reply;
  grpc::Status status;
  Clock::time_point due_at;
  Clock::time_point ended_at;
};

std::string pod_of(const Call& call) {
  const auto& trailers = call.context.GetServerTrailingMetadata();
  const auto found = trailers.find("x-pod");
  return found == trailers.end() ? std::string{}
                                 : std::string{found->second.data(), found->second.size()};
}

/// Calls at equal intervals over one connection. A late start counts as time of the call, or a
/// stalled proxy would look good for holding up its load.
class Load {
 public:
  explicit Load(const Options& options)
      : options_{options}, stub_{calculator::Probe::NewStub(demo::make_channel(options.target))} {
    calls_.reserve(std::size_t{options.rps} * options.seconds);
  }

  void run() {
    const auto interval = std::chrono::nanoseconds{std::chrono::seconds{1}} / options_.rps;
    const Clock::time_point began_at = Clock::now();
    for (std::size_t i = 0; i < std::size_t{options_.rps} * options_.seconds; ++i) {
      const Clock::time_point due_at = began_at + i * interval;
      std::this_thread::sleep_until(due_at);
      start(due_at);
    }
    std::unique_lock lock{mutex_};
    ended_.wait(lock, [this] { return n_ended_ == calls_.size(); });
    for (const auto& call : calls_) {
      fmt::print("{} {} {} {}\n",
                 std::chrono::duration_cast<Microseconds>(call->due_at - began_at).count(),
                 std::chrono::duration_cast<Microseconds>(call->ended_at - call->due_at).count(),
                 static_cast<int>(call->status.error_code()),
                 pod_of(*call));
    }
  }

 private:
  void start(Clock::time_point due_at) {
    calls_.push_back(std::make_unique<Call>());
    Call& call = *calls_.back();
    call.due_at = due_at;
    call.context.set_authority(options_.authority);
    call.context.set_deadline(std::chrono::system_clock::now() +
                              std::chrono::milliseconds{options_.deadline_ms});
    call.request.set_payload("13 bytes long");
    stub_->async()->Echo(
        &call.context, &call.request, &call.reply, [this, &call](grpc::Status status) {
          call.ended_at = Clock::now();
          call.status = std::move(status);
          const std::lock_guard lock{mutex_};
          ++n_ended_;
          ended_.notify_one();
        });
  }

  Options options_;
  std::unique_ptr<calculator::Probe::Stub> stub_;
  std::mutex mutex_;  // guards the next two
  std::condition_variable ended_;
  std::size_t n_ended_ = 0;
  std::vector<std::unique_ptr<Call>> calls_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Calls at a fixed rate. Prints a line for each call: microseconds from the start to when it "
      "was due, from "
      "then to its end, gRPC status, pod."};
  Options options;
  app.add_option("--target", options.target, "ADDR:PORT")->required();
  app.add_option("--authority", options.authority, "what :authority says")->required();
  app.add_option("--rps", options.rps, "calls a second")->check(CLI::Range(1, 100'000));
  app.add_option("--seconds", options.seconds, "for so long")->check(CLI::Range(1, 3600));
  app.add_option("--deadline-ms", options.deadline_ms, "of each call");
  CLI11_PARSE(app, argc, argv);
  Load{options}.run();
  return 0;
}
