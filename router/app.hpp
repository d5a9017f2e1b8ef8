// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/config.hpp"

#include <cstdint>
#include <memory>

namespace router {

/// Composition root of `nodeway run`: builds cores, control plane and admin endpoint, and takes
/// them down again.
///
/// Threads: one for each core; the caller's, which runs the control plane; those of the admin
/// endpoint.
///
///     starting -> serving -> draining -> stopped
///                  stop_fd readable  ^     ^ last stream ended, or the drain's timeout
class App {
 public:
  struct Options {
    Config config;
    std::uint32_t seed = 0;  ///< of all chance in the process
    int stop_fd = -1;        ///< becomes readable when the process is to drain and end; not owned
  };

  explicit App(Options options);
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  ~App();

  /// Serves until it is told to stop, and returns the process's exit code: 0 drained, 1 failed or
  /// requests cut off at the drain's timeout, 2 wrong configuration. What failed is said in one
  /// line on stderr. Called once.
  [[nodiscard]] int run();

 private:
  class State;
  std::unique_ptr<State>
      state_;  // keeps the control plane's headers out of the command line's sources
};

}  // namespace router
