// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/child_process.hpp"
#include "router/cli/demo_folder.hpp"

#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace router::cli {

/// A process of the demo, and what its JSON lines have said.
struct DemoProcess {
  std::string name;
  ChildProcess child;
  bool may_end = false;                      ///< its end is no failure of the demo
  std::map<std::string, std::string> lines;  ///< by `event`, the newest one of each

  /// The newest line with that `event`, empty if none has come.
  [[nodiscard]] std::string_view line(const std::string& event) const;
};

/// The processes of the demo and their folder, all gone when this object goes. SIGINT and SIGTERM
/// end the waiting instead of the process. One thread.
class DemoStage {
 public:
  DemoStage();
  DemoStage(const DemoStage&) = delete;
  DemoStage& operator=(const DemoStage&) = delete;
  ~DemoStage();

  [[nodiscard]] DemoFolder& folder() noexcept { return folder_; }

  /// The reference holds until `forget`. Throws `std::system_error` if it cannot be started.
  DemoProcess& start(const std::string& name, const std::vector<std::string>& arguments);
  /// Kills it if it still runs.
  void forget(DemoProcess& process);

  /// Reads what processes say until `is_done`, asked after each piece of news, and at most for
  /// `limit`; whether it is done. Ends early when a signal has come. Throws `std::runtime_error`
  /// with the end of its log if a process ended that may not.
  bool wait(std::chrono::milliseconds limit, const std::function<bool()>& is_done);

  /// Waits for the line `event`; throws `std::runtime_error` if it does not come within `limit`.
  std::string_view wait_for_line(DemoProcess& process,
                                 const std::string& event,
                                 std::chrono::milliseconds limit);

  /// Reads what processes have said so far, without waiting.
  void read_all();

  /// Whether SIGINT or SIGTERM has come.
  [[nodiscard]] bool is_interrupted() const noexcept { return is_interrupted_; }

 private:
  void poll_once(std::chrono::milliseconds limit);
  /// Those that have come, so that they are not delivered when they are unblocked.
  void take_signals();
  void read_news(DemoProcess& process);
  [[nodiscard]] std::string end_of_log(const std::string& name) const;

  DemoFolder folder_;
  std::vector<std::unique_ptr<DemoProcess>> processes_;
  sigset_t old_signals_{};
  int signal_fd_ = -1;
  bool is_interrupted_ = false;
};

/// The path of `nodeway-calculator`: `given` if it is not empty, else beside `self`, in a build
/// tree's tests/demo, or on PATH. Throws `std::runtime_error` that names the places if it is in
/// none.
[[nodiscard]] std::string find_calculator(const std::string& given,
                                          const std::filesystem::path& self);

}  // namespace router::cli
