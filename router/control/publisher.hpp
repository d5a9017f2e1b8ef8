// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

namespace router::control {

/// Turns bursts of changes into few publications: the first change is published at once, further
/// ones at most every kInterval. Control thread.
class Publisher {
 public:
  /// A rolling update changes slices many times a second, and each snapshot is a turn of each core.
  /// 20 ms is far below what readiness takes to reach us, and bounds the work at 50 snapshots a
  /// second.
  static constexpr std::chrono::milliseconds kInterval{20};

  /// `clock` must outlive the executor's context. `publish` is called from the loop, never from
  /// within `request`, so that all changes of one turn go together.
  Publisher(const boost::asio::any_io_executor& executor,
            k8s_client::Clock& clock,
            std::function<void()> publish);
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;
  ~Publisher();

  /// Something has changed.
  void request();

  /// Calls nobody any more. Repeated: no-op.
  void stop();

 private:
  struct State;
  // Shared with the running coroutine, which lives on until the loop has delivered its
  // cancellation.
  std::shared_ptr<State> state_;
};

}  // namespace router::control
