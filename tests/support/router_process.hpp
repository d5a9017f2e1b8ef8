// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/message.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/socket.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace test {

/// A child process whose output is read line by line while it runs. Killed at the end.
class ChildProcess {
 public:
  /// Starts it with this environment in addition to our own.
  ChildProcess(const std::vector<std::string>& command, const Headers& environment);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  /// The n-th line of stdout (from 0). Throws if the process ends before, with what it said on
  /// stderr.
  std::string wait_stdout_line(std::size_t n, Milliseconds patience = kPatience);
  [[nodiscard]] std::vector<std::string> stdout_lines() const;
  /// The newest lines of stderr, up to a bound.
  [[nodiscard]] std::vector<std::string> stderr_lines() const;
  [[nodiscard]] std::string stderr_text() const;

  void signal(int number) const;
  /// SIGSTOP; returns when it has stopped. SIGCONT lets it go on.
  void freeze() const;
  /// Waits for the end. The exit code, or 128 + the signal that ended it.
  int wait_exit(Milliseconds patience = kPatience);
  [[nodiscard]] bool has_exited();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  struct Pipe {
    Fd fd;
    std::string partial;
    std::deque<std::string> lines;
    std::size_t n_lines = 0;
  };

  void read_until_end();
  void read_lines(Pipe& pipe, std::size_t max_lines);

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  mutable std::mutex mutex_;  ///< guards the pipes' lines
  mutable std::condition_variable changed_;
  Pipe out_;
  Pipe err_;
  bool at_end_ = false;
  std::thread reader_;  ///< last: it uses the others
};

/// The product's binary as a child process: `nodeway run` on ports that the kernel chooses.
///
/// Which binary: that of the build, or of environment variable NODEWAY_BINARY, so that the same
/// tests can hold the release build to figures that a sanitized one cannot keep.
class RouterProcess {
 public:
  struct Options {
    std::filesystem::path source{};   ///< for `--source files:`; empty: none
    std::vector<std::string> args{};  ///< after the usual ones
    bool wait_ready = true;           ///< for the line "ready"; otherwise for "listening" only
    std::size_t n_listeners = 1;      ///< how many `--listen 127.0.0.1:0`
    Headers environment{};
  };

  explicit RouterProcess(const Options& options);
  RouterProcess(const RouterProcess&) = delete;
  RouterProcess& operator=(const RouterProcess&) = delete;
  /// Ends the router by SIGTERM, if the test has not. The test fails if that takes too long, if the
  /// router was ended by a signal, or if a sanitizer has something to report; then, or if it is
  /// failing anyway, the router's log is printed.
  ~RouterProcess();

  [[nodiscard]] std::uint16_t listen_port(std::size_t n = 0) const { return listen_ports_.at(n); }
  /// Of the only `--tls-listen` in `args`; 0 without one.
  [[nodiscard]] std::uint16_t tls_port() const { return tls_port_; }
  [[nodiscard]] std::uint16_t admin_port() const { return admin_port_; }
  /// Waits for the line "ready".
  void wait_ready();

  /// GET of the admin endpoint, on a connection of its own.
  [[nodiscard]] Reply http_get(const std::string& path) const;
  /// Sum of a metric over all series with these labels; 0 if there are none.
  [[nodiscard]] double metric(const std::string& name, const Labels& labels = {}) const;
  [[nodiscard]] std::vector<Sample> metrics() const;
  /// Waits until a metric has this value; for what happens a moment after its cause. Returns how
  /// long it took.
  Milliseconds wait_metric(const std::string& name,
                           double value,
                           const Labels& labels = {},
                           Milliseconds patience = kPatience) const;

  void signal(int number) const { child_.signal(number); }
  void freeze() const { child_.freeze(); }
  /// SIGTERM, and the exit code.
  int stop(Milliseconds patience = kPatience);
  int wait_exit(Milliseconds patience = kPatience) { return child_.wait_exit(patience); }
  [[nodiscard]] bool has_exited() { return child_.has_exited(); }
  [[nodiscard]] std::size_t rss_bytes() const;
  [[nodiscard]] ChildProcess& child() { return child_; }

 private:
  /// What was wrong with the router's end; empty if nothing was.
  [[nodiscard]] std::string end();

  ChildProcess child_;
  std::vector<std::uint16_t> listen_ports_;
  std::uint16_t tls_port_ = 0;
  std::uint16_t admin_port_ = 0;
  int uncaught_at_start_;
};

/// What a command of the binary said and how it ended.
struct CommandResult {
  int exit_code = 0;
  std::string out{};
  std::string err{};
};
/// Runs `nodeway` with these arguments to its end.
[[nodiscard]] CommandResult run_nodeway(const std::vector<std::string>& args,
                                        const Headers& environment = {});

/// Whether the binary under test has a sanitizer, which makes figures of memory and speed
/// meaningless.
[[nodiscard]] bool is_sanitized();

}  // namespace test
