// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <csignal>
#include <ctime>

namespace demo {

/// SIGTERM and SIGINT as something to wait for. Constructed before any thread is started, for these
/// inherit the blocking of the signals.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  void wait() const {
    int signal = 0;
    sigwait(&set_, &signal);
  }

  /// Whether one came within `limit`, which is below a second.
  [[nodiscard]] bool wait(std::chrono::milliseconds limit) const {
    const timespec time{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds{limit}.count()};
    return sigtimedwait(&set_, nullptr, &time) > 0;
  }

 private:
  sigset_t set_{};
};

}  // namespace demo
