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
#include <iostream>
#include <string>

#include <fmt/format.h>

namespace router::cli {
namespace {

constexpr int kWrongFlags = 2;

// CLI11 has a code of its own for each kind of error; ours is one line and one code.
int report(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    return app.exit(error);  // --help and --version
  }
  std::string command = "nodeway";
  for (const CLI::App* sub : app.get_subcommands()) {
    command += " " + sub->get_name();
  }
  std::string line = error.what();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::cerr << fmt::format("{}: {}; see {} --help\n", command, line, command);
  return kWrongFlags;
}

}  // namespace

int run_command_line(int argc, const char* const* argv, const RunContext& context) {
  CLI::App app{"Per-node router for HTTP/2, gRPC and HTTP/1.1 in Kubernetes", "nodeway"};
  app.set_version_flag("--version", fmt::format("nodeway {}", kVersion));
  app.require_subcommand(1);
  Action action;
  add_run_command(app, action, context);
  add_check_command(app, action);
  add_stat_command(app, action);
  add_endpoints_command(app, action);
  add_demo_command(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report(app, error);
  }
  return action();
}

}  // namespace router::cli
