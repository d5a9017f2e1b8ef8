// SPDX-License-Identifier: Apache-2.0
#include "router/cli/run.hpp"

#include "router/app.hpp"
#include "router/config.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <utility>
#include <variant>

namespace router::cli {
namespace {

// Every connection is a file, on both sides.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int run(const RunFlags& flags, const RunContext& context) {
  std::variant<Config, std::string> config = validate(flags, Environment::of_this_process());
  if (const auto* wrong = std::get_if<std::string>(&config)) {
    std::cerr << "nodeway run: " << *wrong << '\n';
    return 2;
  }
  int stop_fd = -1;
  try {
    stop_fd = context.catch_stop_signals();
  } catch (const std::system_error& failed) {
    std::cerr << "nodeway run: cannot wait for signals: " << failed.what() << '\n';
    return 1;
  }
  raise_file_limit();
  App app{
      {.config = std::get<Config>(std::move(config)), .seed = context.seed, .stop_fd = stop_fd}};
  return app.run();
}

}  // namespace

void add_run_command(CLI::App& app, Action& action, const RunContext& context) {
  CLI::App* const command = app.add_subcommand("run", "Route requests until told to stop");
  // Shared by the parser, which fills it, and by the action, which comes after.
  auto flags = std::make_shared<RunFlags>();
  add_run_flags(*command, *flags);
  command->callback(
      [&action, flags, context] { action = [flags, context] { return run(*flags, context); }; });
}

}  // namespace router::cli
