// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace router::cli {

/// A process that we started, whose stdout is read line by line. It is killed when this object
/// goes, and by the kernel should we die first. In a process group of its own, so that Ctrl-C of
/// the terminal reaches us alone. To be used by the thread that started it only.
class ChildProcess {
 public:
  /// Starts `arguments[0]`; stderr is appended to `log`. Throws `std::system_error` if it cannot be
  /// started.
  ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& log);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  /// For poll(2): readable when `read_lines` has something to do. -1 once stdout has ended.
  [[nodiscard]] int stdout_fd() const noexcept { return stdout_fd_; }

  /// The whole lines that have come since the last call, without waiting.
  [[nodiscard]] std::vector<std::string> read_lines();

  /// No effect on a process that has ended.
  void signal(int number) noexcept;

  /// Waits for the end. The exit code, 128 + number for one ended by a signal; `nullopt` if it runs
  /// on.
  [[nodiscard]] std::optional<int> wait_for(std::chrono::milliseconds limit);

 private:
  pid_t pid_ = -1;  // -1: moved from
  int stdout_fd_ = -1;
  std::string unfinished_line_;
  std::optional<int> exit_code_;
};

}  // namespace router::cli
