// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/probe.hpp"

#include "tests/demo/counters.hpp"
#include "tests/demo/grpc_channel.hpp"
#include "tests/demo/json_line.hpp"

#include <algorithm>
#include <calculator.grpc.pb.h>
#include <chrono>
#include <cstdint>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace demo {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kDeadline = 10s;  // of a case: beyond it, something hangs
constexpr int kMessages = 100;  // in a stream: more than fit into one frame or one window of frames
constexpr auto kUnderWay = 50ms;  // for a call to reach the server's handler before it is cancelled

class Probe {
 public:
  explicit Probe(const ProbeOptions& options)
      : authority_{options.authority.empty() ? options.target : options.authority},
        stub_{calculator::Probe::NewStub(make_channel(options.target))} {}

  /// Each case returns why it failed, empty if it passed.
  [[nodiscard]] std::string echo() const {
    const auto context = new_context();
    calculator::EchoRequest request;
    request.set_payload(std::string(100'000, 'x'));  // more than HTTP/2's first window
    calculator::EchoReply reply;
    const grpc::Status status = stub_->Echo(context.get(), request, &reply);
    return verdict(status, reply.payload() == request.payload());
  }

  [[nodiscard]] std::string count() const {
    const auto context = new_context();
    calculator::CountRequest request;
    request.set_up_to(kMessages);
    const auto stream = stub_->Count(context.get(), request);
    calculator::Number number;
    std::int64_t last = 0;
    bool in_order = true;
    while (stream->Read(&number)) {
      in_order = in_order && number.value() == last + 1;
      last = number.value();
    }
    return verdict(stream->Finish(), in_order && last == kMessages);
  }

  [[nodiscard]] std::string sum() const {
    const auto context = new_context();
    calculator::Total total;
    const auto stream = stub_->Sum(context.get(), &total);
    calculator::Number number;
    for (int i = 1; i <= kMessages; ++i) {
      number.set_value(i);
      stream->Write(number);
    }
    stream->WritesDone();
    const grpc::Status status = stream->Finish();  // only now `total` is there
    return verdict(
        status, total.numbers() == kMessages && total.value() == kMessages * (kMessages + 1) / 2);
  }

  [[nodiscard]] std::string chat() const {
    const auto context = new_context();
    const auto stream = stub_->Chat(context.get());
    bool same = true;
    for (int i = 0; i < kMessages;
         ++i) {  // each waits for its answer: neither side may be held back
      calculator::Message message;
      message.set_payload(std::to_string(i));
      calculator::Message answer;
      same = same && stream->Write(message) && stream->Read(&answer) &&
             answer.payload() == message.payload();
    }
    stream->WritesDone();
    return verdict(stream->Finish(), same);
  }

  /// Cancels a call that waits; how long until the server saw it, nothing if it never did.
  [[nodiscard]] std::optional<Clock::duration> cancel(const std::string& id) const {
    const auto context = new_context();
    calculator::EchoRequest request;
    request.set_delay_ms(static_cast<std::uint32_t>(std::chrono::milliseconds{kDeadline}.count()));
    request.set_id(id);
    Clock::time_point cancelled_at;
    std::thread canceller{[&] {
      std::this_thread::sleep_for(kUnderWay);
      cancelled_at = Clock::now();
      context->TryCancel();
    }};
    calculator::EchoReply reply;
    const grpc::Status status = stub_->Echo(context.get(), request, &reply);
    canceller.join();
    if (status.error_code() != grpc::StatusCode::CANCELLED) {
      return std::nullopt;
    }
    const std::optional<std::int64_t> seen_ns = wait_for_cancel(id);
    if (!seen_ns) {
      return std::nullopt;
    }
    return Clock::duration{*seen_ns - monotonic_ns(cancelled_at)};
  }

 private:
  [[nodiscard]] std::unique_ptr<grpc::ClientContext> new_context() const {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_authority(authority_);
    context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    return context;
  }

  static std::string verdict(const grpc::Status& status, bool content_is_right) {
    if (!status.ok()) {
      return fmt::format(
          "status {}: {}", static_cast<int>(status.error_code()), status.error_message());
    }
    return content_is_right ? "" : "wrong content";
  }

  /// Through a balancer each question may go to another pod, so it is asked until the right one
  /// answers.
  [[nodiscard]] std::optional<std::int64_t> wait_for_cancel(const std::string& id) const {
    for (const Clock::time_point until = Clock::now() + kDeadline; Clock::now() < until;) {
      calculator::StatsReply stats;
      stub_->Stats(new_context().get(), {}, &stats);
      for (const calculator::Cancel& cancel : stats.cancels()) {
        if (cancel.id() == id) {
          return cancel.seen_at_monotonic_ns();
        }
      }
      std::this_thread::sleep_for(5ms);
    }
    return std::nullopt;
  }

  std::string authority_;
  std::unique_ptr<calculator::Probe::Stub> stub_;
};

}  // namespace

int run_probe(const ProbeOptions& options) {
  const Probe probe{options};
  nlohmann::json failures = nlohmann::json::object();
  const auto note = [&](const char* name, const std::string& why) {
    if (!why.empty()) {
      failures[name] = why;
    }
  };
  note("echo", probe.echo());
  note("count", probe.count());
  note("sum", probe.sum());
  note("chat", probe.chat());
  Clock::duration slowest{0};
  for (unsigned i = 0; i < options.cancels; ++i) {
    const auto took = probe.cancel(fmt::format("cancel-{}-{}", monotonic_ns(Clock::now()), i));
    note("cancel", took ? "" : "not seen by the server");
    slowest = std::max(slowest, took.value_or(Clock::duration{0}));
  }
  const bool passed = failures.empty();
  print_line({{"event", "done"},
              {"failures", std::move(failures)},
              {"cancels", options.cancels},
              {"slowest_cancel_ms", std::chrono::duration<double, std::milli>(slowest).count()}});
  return passed ? 0 : 1;
}

}  // namespace demo
