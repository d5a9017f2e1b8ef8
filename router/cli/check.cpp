// SPDX-License-Identifier: Apache-2.0
#include "router/cli/check.hpp"

#include "router/control/config_document.hpp"
#include "router/control/config_file.hpp"
#include "router/control/config_schema.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <memory>
#include <string>

#include <fmt/format.h>

namespace router::cli {
namespace {

using control::ConfigDocument;
using control::ConfigError;
using control::ParsedConfig;

constexpr int kFailed = 1;
constexpr int kWrong = 2;

std::string service_list(const ConfigDocument& document) {
  std::string names;
  const auto add = [&names](const std::string& name) {
    names += (names.empty() ? "" : ", ") + name;
  };
  for (const auto& [name, overrides] : document.services) {
    add(name);
  }
  for (const auto& [service_port, overrides] : document.service_ports) {
    add(fmt::format("{}:{}", service_port.first, service_port.second));
  }
  return names.empty() ? "none" : names;
}

int report_errors(const std::string& file, const ParsedConfig& parsed) {
  for (const ConfigError& error : parsed.errors) {
    std::cerr << file << ':' << error.text() << '\n';
  }
  const std::size_t count = parsed.errors.size();
  std::cerr << fmt::format("✗ {}: {}{} {}\n",
                           file,
                           count == control::kMaxConfigErrors ? "the first " : "",
                           count,
                           count == 1 ? "error" : "errors");
  return kWrong;
}

int check(const std::string& file) {
  const auto text = control::read_config_file(file);
  if (!text) {
    std::cerr << fmt::format("nodeway check: {}: {}\n", file, text.error().message());
    return kWrong;
  }
  const ParsedConfig parsed = control::parse_config(*text);
  std::cout << fmt::format("✓ {}: read, {} bytes\n", file, text->size());
  if (!parsed.is_valid()) {
    return report_errors(file, parsed);
  }
  std::cout << "✓ syntax, field names and values\n";
  std::cout << fmt::format("✓ short names: in namespace {}, cluster domain {}\n",
                           parsed.document.default_namespace,
                           parsed.document.cluster_domain);
  std::cout << fmt::format("✓ services with settings of their own: {}\n",
                           service_list(parsed.document));
  return 0;
}

int print_schema() {
  std::cout << control::config_schema() << std::flush;
  return std::cout ? 0 : kFailed;
}

}  // namespace

void add_check_command(CLI::App& app, Action& action) {
  CLI::App* const command =
      app.add_subcommand("check", "Check a configuration file without a router");
  // Shared by the parser, which fills it, and by the action, which comes after.
  auto file = std::make_shared<std::string>();
  auto wants_schema = std::make_shared<bool>(false);
  CLI::Option* const option =
      command->add_option("FILE", *file, "What the ConfigMap's nodeway.yaml would hold");
  command
      ->add_flag(
          "--schema", *wants_schema, "Print the JSON Schema of the configuration, for editors")
      ->excludes(option);
  command->callback([&action, file, wants_schema, option] {
    if (*wants_schema) {
      action = print_schema;
    } else if (option->count() > 0) {
      action = [file] { return check(*file); };
    } else {
      throw CLI::RequiredError{"FILE"};
    }
  });
}

}  // namespace router::cli
