// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/grpc_caller.hpp"

#include "router/route/grpc_status_names.hpp"
#include "tests/demo/grpc_channel.hpp"

#include <calculator.grpc.pb.h>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace demo {

namespace {

constexpr std::chrono::seconds kDeadline{
    10};  // a call that hangs is a failure to report, not to wait for

std::string name_of_code(grpc::StatusCode code) {
  const auto index = static_cast<std::size_t>(code);
  return index < router::kGrpcStatusNames.size() ? std::string{router::kGrpcStatusNames[index]}
                                                 : std::to_string(index);
}

std::string pod_of(const grpc::ClientContext& context) {
  const auto& metadata = context.GetServerInitialMetadata();
  const auto found = metadata.find("x-pod");
  return found == metadata.end() ? std::string{}
                                 : std::string{found->second.data(), found->second.size()};
}

/// The five stubs are of unrelated types with the same method.
class Stubs {
 public:
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : add_{calculator::Add::NewStub(channel)},
        sub_{calculator::Sub::NewStub(channel)},
        mult_{calculator::Mult::NewStub(channel)},
        div_{calculator::Div::NewStub(channel)},
        percentage_{calculator::Percentage::NewStub(channel)} {}

  grpc::Status calculate(Operation operation,
                         grpc::ClientContext& context,
                         const calculator::Operands& operands,
                         calculator::Result& result) const {
    switch (operation) {
      case Operation::add:
        return add_->Calculate(&context, operands, &result);
      case Operation::sub:
        return sub_->Calculate(&context, operands, &result);
      case Operation::mult:
        return mult_->Calculate(&context, operands, &result);
      case Operation::div:
        return div_->Calculate(&context, operands, &result);
      case Operation::percentage:
        break;
    }
    return percentage_->Calculate(&context, operands, &result);
  }

 private:
  std::unique_ptr<calculator::Add::Stub> add_;
  std::unique_ptr<calculator::Sub::Stub> sub_;
  std::unique_ptr<calculator::Mult::Stub> mult_;
  std::unique_ptr<calculator::Div::Stub> div_;
  std::unique_ptr<calculator::Percentage::Stub> percentage_;
};

class GrpcCaller final : public Caller {
 public:
  explicit GrpcCaller(const std::map<Operation, CallTarget>& targets) : targets_{targets} {
    for (const auto& [operation, target] : targets_) {
      if (!stubs_.contains(target.address)) {
        stubs_.emplace(target.address, Stubs{make_channel(target.address)});
      }
    }
  }

  CallOutcome call(Operation operation, Operands operands) override {
    const CallTarget& target = targets_.at(operation);
    grpc::ClientContext context;
    context.set_authority(target.authority);
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    calculator::Operands request;
    request.set_a(operands.a);
    request.set_b(operands.b);
    calculator::Result result;
    const grpc::Status status =
        stubs_.at(target.address).calculate(operation, context, request, result);
    return {.ok = status.ok(),
            .value = result.value(),
            .pod = pod_of(context),
            .status = name_of_code(status.error_code()),
            .message = status.error_message()};
  }

 private:
  std::map<Operation, CallTarget> targets_;
  std::map<std::string, Stubs> stubs_;
};

}  // namespace

std::unique_ptr<Caller> make_grpc_caller(const std::map<Operation, CallTarget>& targets) {
  return std::make_unique<GrpcCaller>(targets);
}

}  // namespace demo
