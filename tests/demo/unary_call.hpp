// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/counters.hpp"

#include <chrono>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <string>
#include <string_view>
#include <utility>

namespace demo {

/// A unary call that is counted, may wait without holding a thread, and sees its cancel. Deletes
/// itself when grpc is done with it.
///
///     constructor -> start(delay) -> resume() (of the derived class) -> finish(status)
///                        \-- cancelled while waiting --------------------^
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;

  /// Calls `resume` after `delay`. Once, as the last thing before the reactor is handed to grpc.
  void start(std::chrono::microseconds delay) {
    if (delay == std::chrono::microseconds::zero()) {
      resume();
      return;
    }
    alarm_.Set(std::chrono::system_clock::now() + delay, [this](bool elapsed) {
      if (elapsed) {
        resume();
      } else {
        finish({grpc::StatusCode::CANCELLED, "cancelled by the caller"});
      }
    });
  }

 protected:
  /// `method` outlives the call. `id` names it among the cancels; may be empty.
  UnaryCall(grpc::CallbackServerContext& context,
            Counters& counters,
            std::string_view method,
            std::string id)
      : counters_{counters}, method_{method}, id_{std::move(id)} {
    context.AddInitialMetadata("x-pod", counters.pod());
    counters_.began(method_);
  }
  ~UnaryCall() override = default;

  /// The work. Leads to `finish`, at once or later.
  virtual void resume() = 0;

  /// Once; the object may be gone when it returns.
  void finish(const grpc::Status& status) {
    counters_.ended(method_, !status.ok());
    Finish(status);
  }

  [[nodiscard]] Counters& counters() const noexcept { return counters_; }

 private:
  void OnCancel() override {
    counters_.cancelled(id_);
    alarm_.Cancel();
  }
  void OnDone() override { delete this; }

  Counters& counters_;
  std::string_view method_;
  std::string id_;
  grpc::Alarm alarm_;
};

}  // namespace demo
