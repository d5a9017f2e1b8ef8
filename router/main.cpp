// SPDX-License-Identifier: Apache-2.0
#include "router/cli/cli.hpp"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <random>
#include <unistd.h>

namespace {

// Both ends of a pipe, written by the signal handler and read by the application.
std::array<int, 2> stop_pipe{-1, -1};
volatile std::sig_atomic_t stop_signals = 0;

// The first signal asks for a drain; a second one ends the process at once, whatever state it is
// in.
extern "C" void on_stop_signal(int /*number*/) {
  stop_signals = stop_signals + 1;
  if (stop_signals > 1) {
    _exit(1);
  }
  const char byte = 0;
  static_cast<void>(!::write(stop_pipe[1], &byte, 1));
}

int catch_stop_signals() {
  if (::pipe2(stop_pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return -1;
  }
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;  // NOLINT(performance-no-int-to-ptr): the system's own macro
  ::sigaction(SIGHUP, &ignore, nullptr);
  ::sigaction(SIGPIPE, &ignore, nullptr);
  return stop_pipe[0];
}

}  // namespace

int main(int argc, char** argv) {
  std::random_device entropy;
  return router::cli::run_command_line(
      argc, argv, {.seed = entropy(), .catch_stop_signals = catch_stop_signals});
}
