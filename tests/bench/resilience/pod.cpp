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

using Service = calculator::Probe::AsyncService;

/// One call: a job of the workplace, and its answer. All but `answer` runs on the queue's thread.
///
/// Not by the callback API: an idle server of that kind sleeps for a tenth of a second at a time,
/// and is late for calls that come meanwhile (grpc++ 1.51, `CallbackAlternativeCQ`). That would be
/// held against a balancer that leaves a slow pod alone for a second.
class Call {
 public:
  /// What the queue tells.
  struct Event {
    Call* call;
    void (Call::*tell)(bool ok);
  };

  /// The next one that comes.
  static void await(Service& service, grpc::ServerCompletionQueue& queue, Workplace& workplace) {
    auto* const call = new Call{service, queue, workplace};
    call->context_.AsyncNotifyWhenDone(&call->done_);
    service.RequestEcho(
        &call->context_, &call->request_, &call->writer_, &queue, &queue, &call->begun_);
  }

 private:
  Call(Service& service, grpc::ServerCompletionQueue& queue, Workplace& workplace)
      : service_{service}, queue_{queue}, workplace_{workplace} {}
  ~Call() = default;

  void on_begun(bool ok) {
    if (!ok) {
      delete this;  // the server ends
      return;
    }
    await(service_, queue_, workplace_);
    job_ = workplace_.begin([this](bool good) { answer(good); });
  }

  void answer(bool good) {
    // In the trailers, so that it is seen of failures as well.
    context_.AddTrailingMetadata("x-pod", workplace_.pod());
    calculator::EchoReply reply;
    reply.set_pod(workplace_.pod());
    writer_.Finish(
        reply,
        good ? grpc::Status::OK : grpc::Status{grpc::StatusCode::UNAVAILABLE, "a bad day"},
        &finished_);
  }

  void on_finished(bool /*ok*/) { release(); }

  void on_done(bool /*ok*/) {
    if (context_.IsCancelled() && workplace_.give_up(job_)) {
      release();  // it is never finished
    }
    release();
  }

  void release() {
    if (--n_events_ == 0) {
      delete this;
    }
  }

  Service& service_;
  grpc::ServerCompletionQueue& queue_;
  Workplace& workplace_;
  grpc::ServerContext context_;
  calculator::EchoRequest request_;
  grpc::ServerAsyncResponseWriter<calculator::EchoReply> writer_{&context_};
  Job job_ = 0;
  int n_events_ = 2;  ///< that are still to come: finished, and done
  Event begun_{this, &Call::on_begun};
  Event finished_{this, &Call::on_finished};
  Event done_{this, &Call::on_done};
};

void take_calls(grpc::ServerCompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
    const auto& event = *static_cast<Call::Event*>(tag);
    (event.call->*event.tell)(ok);
  }
}

/// As a pod ends that was told to: served on until callers have heard of it, then GOAWAY, and calls
/// under way end.
void serve(const std::string& address, const std::string& pod, std::chrono::milliseconds linger) {
  const demo::Signals signals;
  Workplace workplace{pod};
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (!server || port == 0) {
    throw std::runtime_error{"cannot listen on " + address};
  }
  Call::await(service, *queue, workplace);
  std::thread calls{[&queue] { take_calls(*queue); }};
  const bench::Control control{static_cast<std::uint16_t>(port), workplace};
  demo::print_line({{"event", "listening"}, {"port", port}});
  signals.wait();
  std::this_thread::sleep_for(linger);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds{5});
  queue->Shutdown();
  calls.join();
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
