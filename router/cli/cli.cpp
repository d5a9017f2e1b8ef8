// SPDX-License-Identifier: Apache-2.0
#include "router/cli/cli.hpp"

#include "router/cli/check.hpp"
#include "router/cli/command.hpp"
#include "router/cli/demo.hpp"
#include "router/cli/endpoints.hpp"
#include "router/cli/stat.hpp"
#include "router/version.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>

#include <fmt/format.h>

namespace router::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongFlags = 2;

std::string command_of(const CLI::App& app) {
  std::string command = "nodeway";
  for (const CLI::App* sub : app.get_subcommands()) {
    command += " " + sub->get_name();
  }
  return command;
}

// CLI11 has a code of its own for each kind of error; ours is one line and one code.
int report(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    return app.exit(error);  // --help and --version
  }
  const std::string command = command_of(app);
  std::string line = error.what();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::cerr << fmt::format("{}: {}; see {} --help\n", command, line, command);
  return kWrongFlags;
}

}  // namespace

int run_command_line(int argc, const char* const* argv, const RunContext& context) {
  CLI::App app{"Per-node router for HTTP/2, gRPC and HTTP/1.1 in Kubernetes", "nodeway"};
  app.require_subcommand(1);
  Action action;
  add_run_command(app, action, context);
  add_check_command(app, action);
  add_stat_command(app, action);
  add_endpoints_command(app, action);
  add_demo_command(app, action);
  const std::string version = fmt::format("nodeway {}", kVersion);
  app.set_version_flag("--version", version);
  for (CLI::App* command : app.get_subcommands({})) {
    command->set_version_flag("--version", version);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report(app, error);
  }
  try {
    return action();
  } catch (const std::exception& error) {
    // What no command expects: no thread or memory left, for instance.
    std::cerr << fmt::format("{}: {}\n", command_of(app), error.what());
    return kFailed;
  }
}

}  // namespace router::cli
