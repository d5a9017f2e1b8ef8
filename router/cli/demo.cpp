// SPDX-License-Identifier: Apache-2.0
#include "router/cli/demo.hpp"

#include "router/cli/demo_phases.hpp"
#include "router/control/duration.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>

namespace router::cli {

namespace {

struct DemoFlags {
  DemoOptions options;
  std::string duration;
};

int demo(DemoFlags& flags) {
  if (!flags.duration.empty()) {
    const auto duration = control::parse_duration(flags.duration);
    const std::chrono::seconds least = DemoPhases::least_duration(flags.options);
    if (!duration || *duration < least) {
      std::cerr << fmt::format(
          "nodeway demo: --duration must be {}s or more with {} pods and {} callers\n",
          least.count(),
          flags.options.pods,
          flags.options.callers);
      return 2;
    }
    flags.options.duration = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
  }
  return run_demo(flags.options);
}

}  // namespace

int run_demo(const DemoOptions& options) {
  std::string self;
  std::string calculator;
  try {
    self = std::filesystem::read_symlink("/proc/self/exe");
    calculator = find_calculator(options.calculator, self);
  } catch (const std::runtime_error& error) {
    fmt::print(stderr, "nodeway demo: {}\n", error.what());
    return 2;
  }
  std::vector<std::string> untrue;
  try {
    DemoStage stage;
    DemoPhases phases{options, stage, {stage, self, calculator, options.callers}};
    untrue = phases.play();
  } catch (const std::runtime_error& error) {
    untrue.emplace_back(error.what());
  }
  for (const std::string& line : untrue) {
    fmt::print("DID NOT HOLD: {}\n", line);
  }
  return untrue.empty() ? 0 : 1;
}

void add_demo_command(CLI::App& root, Action& action) {
  CLI::App* const command = root.add_subcommand(
      "demo", "See it work: gRPC services on this machine, straight and through nodeway");
  auto flags = std::make_shared<DemoFlags>();
  command
      ->add_option("--duration",
                   flags->duration,
                   "End by itself after that time, 5s or more; the longer, the more pods")
      ->type_name("DURATION");
  command->add_option("--pods", flags->options.pods, "Pods of each service")
      ->type_name("N")
      ->check(CLI::Range(2, 20))
      ->capture_default_str();
  command
      ->add_option("--callers", flags->options.callers, "Callers per protocol, one call each 20 ms")
      ->type_name("N")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--calculator", flags->options.calculator, "Where nodeway-calculator is")
      ->type_name("FILE");
  // For the test that the demo fails when what it shows is not so.
  command->add_option("--break", flags->options.broken)
      ->check(CLI::IsMember({"share", "lose"}))
      ->group("");
  command->callback([&action, flags] { action = [flags] { return demo(*flags); }; });
}

}  // namespace router::cli
