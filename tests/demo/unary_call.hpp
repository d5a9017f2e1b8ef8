// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/counters.hpp"
#include "tests/demo/delay_queue.hpp"

#include <chrono>
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
  /// `delays` outlives the call.
  void start(DelayQueue& delays, std::chrono::microseconds delay) {
    if (delay == std::chrono::microseconds::zero()) {
      resume();
      return;
    }
    delays_ = &delays;
    // Neither OnCancel nor OnDone comes before grpc has the reactor, so nobody reads this half
    // written.
    waiting_ = delays.run_after(delay, [this] { resume(); });
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
    if (delays_ != nullptr && delays_->cancel(waiting_)) {
      finish({grpc::StatusCode::CANCELLED, "cancelled by the caller"});
    }
  }
  void OnDone() override { delete this; }

  Counters& counters_;
  std::string_view method_;
  std::string id_;
  DelayQueue* delays_ = nullptr;  // null if the call does not wait
  DelayQueue::Id waiting_;
};

}  // namespace demo
