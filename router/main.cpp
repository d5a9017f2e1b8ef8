// SPDX-License-Identifier: Apache-2.0
#include "router/cli/cli.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace {

/// Takes SIGTERM and SIGINT from its construction on, by a thread that waits for them and not by a
/// handler: so no other thread is ever interrupted, and no library must be ready for it.
class StopSignals {
 public:
  /// Throws std::system_error without a thread or a file descriptor.
  StopSignals() {
    if (::pipe2(pipe_.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
      throw std::system_error{errno, std::generic_category()};
    }
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);  // threads to come are made alike
    waiting_ = std::thread{[this] { wait(); }};
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() {
    is_over_ = true;
    // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): it ends what waits for that signal alone
    ::pthread_kill(waiting_.native_handle(), SIGTERM);
    waiting_.join();
  }

  /// Readable once a signal has come.
  [[nodiscard]] int descriptor() const noexcept { return pipe_[0]; }

 private:
  /// The first signal asks for a drain, by a byte into the pipe; a second one ends the process at
  /// once, whatever state it is in.
  void wait() {
    for (bool is_stopping = false;; is_stopping = true) {
      int number = 0;
      sigwait(&signals_, &number);
      if (is_over_) {
        return;
      }
      if (is_stopping) {
        _exit(1);
      }
      const char byte = 0;
      static_cast<void>(!::write(pipe_[1], &byte, 1));
    }
  }

  std::array<int, 2> pipe_{-1, -1};  ///< as long as the process
  sigset_t signals_{};
  std::atomic<bool> is_over_{false};
  std::thread waiting_;
};

void ignore_signals() {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;  // NOLINT(performance-no-int-to-ptr): the system's own macro
  ::sigaction(SIGHUP, &ignore, nullptr);
  ::sigaction(SIGPIPE, &ignore, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  std::random_device entropy;
  std::optional<StopSignals> stop_signals;  // of `nodeway run` alone
  return router::cli::run_command_line(argc, argv, {.seed = entropy(), .catch_stop_signals = [&] {
                                                      ignore_signals();
                                                      return stop_signals.emplace().descriptor();
                                                    }});
}
