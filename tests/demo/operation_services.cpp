// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/operation_services.hpp"

#include "tests/demo/grpc_channel.hpp"
#include "tests/demo/unary_call.hpp"

#include <calculator.grpc.pb.h>
#include <optional>
#include <string>

namespace demo {

namespace {

class OperationCall final : public UnaryCall {
 public:
  OperationCall(grpc::CallbackServerContext& context,
                Counters& counters,
                Operation operation,
                const calculator::Operands& operands,
                calculator::Result& result)
      : UnaryCall{context, counters, name_of(operation), {}},
        operation_{operation},
        operands_{operands},
        result_{result} {}

 private:
  void resume() override {
    const std::optional<double> value =
        calculate(operation_, {.a = operands_.a(), .b = operands_.b()});
    if (!value) {
      finish({grpc::StatusCode::INVALID_ARGUMENT, std::string{kDivisionByZero}});
      return;
    }
    result_.set_value(*value);
    result_.set_pod(counters().pod());
    finish(grpc::Status::OK);
  }

  Operation operation_;
  const calculator::Operands& operands_;  // both grpc's, valid until the call is done
  calculator::Result& result_;
};

template <class Base>
class OperationService final : public Base::CallbackService {
 public:
  OperationService(Operation operation,
                   std::chrono::microseconds delay,
                   DelayQueue& delays,
                   Counters& counters)
      : operation_{operation}, delay_{delay}, delays_{delays}, counters_{counters} {}

  grpc::ServerUnaryReactor* Calculate(grpc::CallbackServerContext* context,
                                      const calculator::Operands* operands,
                                      calculator::Result* result) override {
    auto* call = new OperationCall{*context, counters_, operation_, *operands, *result};
    call->start(delays_, delay_);
    return call;
  }

 private:
  Operation operation_;
  std::chrono::microseconds delay_;
  DelayQueue& delays_;
  Counters& counters_;
};

/// The two services behind `percentage`, each through a channel of its own.
struct Stubs {
  explicit Stubs(const PercentageUpstreams& upstreams)
      : mult_authority{upstreams.mult.authority},
        div_authority{upstreams.div.authority},
        mult{calculator::Mult::NewStub(make_channel(upstreams.mult.grpc))},
        div{calculator::Div::NewStub(make_channel(upstreams.div.grpc))} {}

  std::string mult_authority;
  std::string div_authority;
  std::unique_ptr<calculator::Mult::Stub> mult;
  std::unique_ptr<calculator::Div::Stub> div;
};

class PercentageCall final : public UnaryCall {
 public:
  PercentageCall(grpc::CallbackServerContext& context,
                 Counters& counters,
                 const Stubs& stubs,
                 const calculator::Operands& operands,
                 calculator::Result& result)
      : UnaryCall{context, counters, name_of(Operation::percentage), {}},
        stubs_{stubs},
        mult_context_{grpc::ClientContext::FromCallbackServerContext(context)},
        div_context_{grpc::ClientContext::FromCallbackServerContext(context)},
        operands_{operands},
        result_{result} {
    mult_context_->set_authority(stubs_.mult_authority);
    div_context_->set_authority(stubs_.div_authority);
  }

 private:
  void resume() override {
    stubs_.mult->async()->Calculate(
        mult_context_.get(), &operands_, &product_, [this](const grpc::Status& status) {
          if (status.ok()) {
            divide();
          } else {
            fail("mult", status);
          }
        });
  }

  void divide() {
    dividends_.set_a(product_.value());
    dividends_.set_b(kPercent);
    stubs_.div->async()->Calculate(
        div_context_.get(), &dividends_, &quotient_, [this](const grpc::Status& status) {
          if (!status.ok()) {
            fail("div", status);
            return;
          }
          result_.set_value(quotient_.value());
          result_.set_pod(counters().pod());
          finish(grpc::Status::OK);
        });
  }

  void fail(std::string_view step, const grpc::Status& status) {
    finish({status.error_code(), std::string{step} + ": " + status.error_message()});
  }

  const Stubs& stubs_;
  std::unique_ptr<grpc::ClientContext> mult_context_;
  std::unique_ptr<grpc::ClientContext> div_context_;
  const calculator::Operands& operands_;  // both grpc's, valid until the call is done
  calculator::Result& result_;
  calculator::Operands dividends_;
  calculator::Result product_;
  calculator::Result quotient_;
};

class PercentageService final : public calculator::Percentage::CallbackService {
 public:
  PercentageService(const PercentageUpstreams& upstreams,
                    std::chrono::microseconds delay,
                    DelayQueue& delays,
                    Counters& counters)
      : stubs_{upstreams}, delay_{delay}, delays_{delays}, counters_{counters} {}

  grpc::ServerUnaryReactor* Calculate(grpc::CallbackServerContext* context,
                                      const calculator::Operands* operands,
                                      calculator::Result* result) override {
    auto* call = new PercentageCall{*context, counters_, stubs_, *operands, *result};
    call->start(delays_, delay_);
    return call;
  }

 private:
  Stubs stubs_;
  std::chrono::microseconds delay_;
  DelayQueue& delays_;
  Counters& counters_;
};

std::unique_ptr<grpc::Service> make_service(Operation operation,
                                            const PercentageUpstreams& upstreams,
                                            std::chrono::microseconds delay,
                                            DelayQueue& delays,
                                            Counters& counters) {
  switch (operation) {
    case Operation::add:
      return std::make_unique<OperationService<calculator::Add>>(
          operation, delay, delays, counters);
    case Operation::sub:
      return std::make_unique<OperationService<calculator::Sub>>(
          operation, delay, delays, counters);
    case Operation::mult:
      return std::make_unique<OperationService<calculator::Mult>>(
          operation, delay, delays, counters);
    case Operation::div:
      return std::make_unique<OperationService<calculator::Div>>(
          operation, delay, delays, counters);
    case Operation::percentage:
      break;
  }
  if (upstreams.mult.grpc.empty() || upstreams.div.grpc.empty()) {
    return std::make_unique<OperationService<calculator::Percentage>>(
        operation, delay, delays, counters);
  }
  return std::make_unique<PercentageService>(upstreams, delay, delays, counters);
}

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> make_operation_services(
    const std::vector<Operation>& operations,
    const PercentageUpstreams& upstreams,
    std::chrono::microseconds delay,
    DelayQueue& delays,
    Counters& counters) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.reserve(operations.size());
  for (const Operation operation : operations) {
    services.push_back(make_service(operation, upstreams, delay, delays, counters));
  }
  return services;
}

}  // namespace demo
