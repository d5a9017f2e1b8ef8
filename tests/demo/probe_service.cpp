// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/probe_service.hpp"

#include "tests/demo/unary_call.hpp"

#include <calculator.grpc.pb.h>
#include <chrono>
#include <cstdint>
#include <grpcpp/alarm.h>
#include <string_view>

namespace demo {

namespace {

class EchoCall final : public UnaryCall {
 public:
  EchoCall(grpc::CallbackServerContext& context,
           Counters& counters,
           const calculator::EchoRequest& request,
           calculator::EchoReply& reply)
      : UnaryCall{context, counters, "echo", request.id()}, request_{request}, reply_{reply} {}

 private:
  void resume() override {
    reply_.set_payload(request_.payload());
    reply_.set_pod(counters().pod());
    reply_.set_cancelled(counters().totals().cancelled);
    finish(grpc::Status::OK);
  }

  const calculator::EchoRequest& request_;  // both grpc's, valid until the call is done
  calculator::EchoReply& reply_;
};

/// Counts a streaming call from its construction to its destruction, which `OnDone` brings about.
class StreamTally {
 public:
  StreamTally(grpc::CallbackServerContext& context, Counters& counters, std::string_view method)
      : counters_{counters}, method_{method} {
    context.AddInitialMetadata("x-pod", counters.pod());
    counters_.began(method_);
  }
  StreamTally(const StreamTally&) = delete;
  StreamTally& operator=(const StreamTally&) = delete;
  ~StreamTally() { counters_.ended(method_, cancelled_); }

  void cancel() {
    cancelled_ = true;
    counters_.cancelled({});
  }

 private:
  Counters& counters_;
  std::string_view method_;
  bool cancelled_ = false;
};

class CountCall final : public grpc::ServerWriteReactor<calculator::Number> {
 public:
  CountCall(grpc::CallbackServerContext& context,
            Counters& counters,
            const calculator::CountRequest& request)
      : tally_{context, counters, "count"},
        up_to_{request.up_to()},
        interval_{request.interval_ms()} {
    write_next();
  }

 private:
  void write_next() {
    if (written_ == up_to_) {
      Finish(grpc::Status::OK);
      return;
    }
    number_.set_value(++written_);
    StartWrite(&number_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      Finish({grpc::StatusCode::CANCELLED, "the caller has gone"});
    } else if (interval_ == std::chrono::milliseconds::zero()) {
      write_next();
    } else {
      // After a cancel the next write fails at once, which ends the call; so the alarm is left to
      // run out.
      alarm_.Set(std::chrono::system_clock::now() + interval_, [this](bool) { write_next(); });
    }
  }
  void OnCancel() override { tally_.cancel(); }
  void OnDone() override { delete this; }

  StreamTally tally_;
  std::int64_t up_to_;
  std::chrono::milliseconds interval_;
  std::int64_t written_ = 0;
  calculator::Number number_;
  grpc::Alarm alarm_;
};

class SumCall final : public grpc::ServerReadReactor<calculator::Number> {
 public:
  SumCall(grpc::CallbackServerContext& context, Counters& counters, calculator::Total& total)
      : tally_{context, counters, "sum"}, total_{total} {
    StartRead(&number_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) {  // the caller has half-closed, or has gone, which makes the status irrelevant
      Finish(grpc::Status::OK);
      return;
    }
    total_.set_value(total_.value() + number_.value());
    total_.set_numbers(total_.numbers() + 1);
    StartRead(&number_);
  }
  void OnCancel() override { tally_.cancel(); }
  void OnDone() override { delete this; }

  StreamTally tally_;
  calculator::Total& total_;  // grpc's, valid until the call is done
  calculator::Number number_;
};

class ChatCall final : public grpc::ServerBidiReactor<calculator::Message, calculator::Message> {
 public:
  ChatCall(grpc::CallbackServerContext& context, Counters& counters)
      : tally_{context, counters, "chat"} {
    StartRead(&message_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (ok) {
      StartWrite(&message_);
    } else {
      Finish(grpc::Status::OK);
    }
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&message_);
    } else {
      Finish({grpc::StatusCode::CANCELLED, "the caller has gone"});
    }
  }
  void OnCancel() override { tally_.cancel(); }
  void OnDone() override { delete this; }

  StreamTally tally_;
  calculator::Message message_;  // read, then written back, never both at once
};

void fill(calculator::StatsReply& reply, const Counters& counters) {
  const Counters::Totals totals = counters.totals();
  reply.set_pod(counters.pod());
  reply.set_calls(totals.calls);
  reply.set_in_flight(totals.in_flight);
  reply.set_cancelled(totals.cancelled);
  for (const auto& [name, counts] : counters.methods()) {
    calculator::MethodStats& method = *reply.add_methods();
    method.set_method(name);
    method.set_calls(counts.calls);
    method.set_failures(counts.failures);
    method.set_in_flight(counts.in_flight);
  }
  for (const SeenCancel& seen : counters.cancels()) {
    calculator::Cancel& cancel = *reply.add_cancels();
    cancel.set_id(seen.id);
    cancel.set_seen_at_monotonic_ns(monotonic_ns(seen.at));
  }
}

class ProbeService final : public calculator::Probe::CallbackService {
 public:
  ProbeService(DelayQueue& delays, Counters& counters) : delays_{delays}, counters_{counters} {}

  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context,
                                 const calculator::EchoRequest* request,
                                 calculator::EchoReply* reply) override {
    auto* call = new EchoCall{*context, counters_, *request, *reply};
    call->start(delays_, std::chrono::milliseconds{request->delay_ms()});
    return call;
  }

  grpc::ServerWriteReactor<calculator::Number>* Count(
      grpc::CallbackServerContext* context, const calculator::CountRequest* request) override {
    return new CountCall{*context, counters_, *request};
  }

  grpc::ServerReadReactor<calculator::Number>* Sum(grpc::CallbackServerContext* context,
                                                   calculator::Total* total) override {
    return new SumCall{*context, counters_, *total};
  }

  grpc::ServerBidiReactor<calculator::Message, calculator::Message>* Chat(
      grpc::CallbackServerContext* context) override {
    return new ChatCall{*context, counters_};
  }

  grpc::ServerUnaryReactor* Stats(grpc::CallbackServerContext* context,
                                  const calculator::StatsRequest* /*request*/,
                                  calculator::StatsReply* reply) override {
    fill(*reply, counters_);
    grpc::ServerUnaryReactor* call = context->DefaultReactor();
    call->Finish(grpc::Status::OK);
    return call;
  }

 private:
  DelayQueue& delays_;
  Counters& counters_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_probe_service(DelayQueue& delays, Counters& counters) {
  return std::make_unique<ProbeService>(delays, counters);
}

}  // namespace demo
