// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/demo.hpp"
#include "router/cli/demo_cast.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace router::cli {

/// The story of the demo, told on stdout while it happens:
///
///     set up -> straight -> through nodeway -> a pod is added -> a pod is stopped -> what it came
///     to [-> free play]
class DemoPhases {
 public:
  /// `stage` outlives it.
  DemoPhases(DemoOptions options, DemoStage& stage, DemoCast cast);

  /// Plays all, or until the user interrupts it. A line for each thing that is shown and did not
  /// hold. Throws `std::runtime_error` if a process fails.
  [[nodiscard]] std::vector<std::string> play();

  /// Whole seconds of `DemoOptions::duration` below which a pod gets too few calls to tell by them
  /// whether the pods share the work.
  [[nodiscard]] static std::chrono::seconds least_duration(const DemoOptions& options);

 private:
  void set_up();
  void run_straight();
  void run_through();
  /// Of each service, before one more is added: all, unless the demo is broken on purpose.
  [[nodiscard]] unsigned pods_in_slices() const;
  /// Until the router knows just so many endpoints of `service`.
  void await_endpoints(std::string_view service, unsigned count);
  void add_pod();
  void stop_pod();
  void hang_and_kill(DemoPod& pod);
  void sum_up();
  void play_freely();

  /// Lets the load work for a share of the whole time, with its progress on the terminal.
  void watch(const DemoLoad& load, double share_of_time);
  [[nodiscard]] std::chrono::milliseconds part(double share_of_time) const;
  void expect(bool holds, std::string otherwise);

  const DemoOptions options_;
  DemoStage& stage_;
  DemoCast cast_;
  const bool is_terminal_;
  PhaseReport straight_;
  PhaseReport through_;
  DemoLoad load_{};  // through the router, at work
  std::vector<std::string> untrue_;
};

}  // namespace router::cli
