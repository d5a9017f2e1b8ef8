// SPDX-License-Identifier: Apache-2.0
#include "router/cli/check.hpp"

#include "router/cli/check_report.hpp"
#include "router/cli/router_check.hpp"
#include "router/cli/view.hpp"
#include "router/config.hpp"
#include "router/control/check.hpp"
#include "router/control/cluster_check.hpp"
#include "router/control/config_document.hpp"
#include "router/control/config_file.hpp"
#include "router/control/config_schema.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

namespace router::cli {
namespace {

using control::CheckGroup;
using control::ConfigDocument;
using control::ConfigError;
using control::ParsedConfig;

constexpr int kFailed = 1;
constexpr int kWrong = 2;

struct CheckFlags {
  std::string file;
  std::string kubeconfig;
  std::string config_namespace;
  std::string admin;
  bool is_admin_given = false;
  std::string output;
  bool wants_schema = false;

  [[nodiscard]] bool wants_json() const { return output == "json"; }
  /// A file alone is looked at offline.
  [[nodiscard]] bool wants_cluster() const { return file.empty() || !kubeconfig.empty(); }
};

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

/// What was found in a file.
struct FileFindings {
  CheckGroup group;
  std::vector<std::string> errors = {};  ///< one line each, file, line and column in front
  std::size_t n_errors = 0;              ///< of the document; 0 if it could not be read
};

FileFindings look_at_file(const std::string& file) {
  FileFindings found{.group = {.title = file}};
  const auto text = control::read_config_file(file);
  if (!text) {
    found.errors = {fmt::format("nodeway check: {}: {}", file, text.error().message())};
    found.group.checks = {control::failed(text.error().message(), "")};
    return found;
  }
  auto& checks = found.group.checks;
  checks.push_back(control::passed(fmt::format("{}: read, {} bytes", file, text->size())));
  const ParsedConfig parsed = control::parse_config(*text);
  for (const ConfigError& error : parsed.errors) {
    found.errors.push_back(fmt::format("{}:{}", file, error.text()));
    checks.push_back(control::failed(error.text(), ""));
  }
  found.n_errors = parsed.errors.size();
  if (parsed.is_valid()) {
    checks.push_back(control::passed("syntax, field names and values"));
    checks.push_back(control::passed(fmt::format("short names: in namespace {}, cluster domain {}",
                                                 parsed.document.default_namespace,
                                                 parsed.document.cluster_domain)));
    checks.push_back(control::passed(
        fmt::format("services with settings of their own: {}", service_list(parsed.document))));
  }
  return found;
}

/// For people: what is good on stdout, what is wrong on stderr.
void print_file(const std::string& file, const FileFindings& found) {
  for (const control::Check& check : found.group.checks) {
    if (check.status == control::Check::Status::passed) {
      std::cout << "✓ " << check.text << '\n';
    }
  }
  for (const std::string& error : found.errors) {
    std::cerr << error << '\n';
  }
  if (found.n_errors > 0) {
    std::cerr << fmt::format("✗ {}: {}{} {}\n",
                             file,
                             found.n_errors == control::kMaxConfigErrors ? "the first " : "",
                             found.n_errors,
                             found.n_errors == 1 ? "error" : "errors");
  }
}

/// What is wrong with the flags; "" if nothing is, and then `groups` has what was found.
std::string look_at_cluster(const CheckFlags& flags, std::vector<CheckGroup>& groups) {
  const std::string own = Environment::of_this_process().pod_namespace;
  std::string config_namespace = flags.config_namespace.empty() ? own : flags.config_namespace;
  if (config_namespace.empty()) {
    config_namespace = kDefaultPodNamespace;
  }
  auto found = control::check_cluster(
      {.kubeconfig = flags.kubeconfig, .config_namespace = std::move(config_namespace)});
  if (const auto* why = std::get_if<std::string>(&found)) {
    return flags.kubeconfig.empty()
               ? fmt::format("{}: outside of a pod, give FILE or --kubeconfig FILE", *why)
               : *why;
  }
  std::ranges::move(std::get<std::vector<CheckGroup>>(found), std::back_inserter(groups));
  groups.push_back(check_router(flags.admin, flags.is_admin_given));
  return "";
}

int check(const CheckFlags& flags) {
  std::vector<CheckGroup> groups;
  bool is_file_wrong = false;
  if (!flags.file.empty()) {
    const FileFindings found = look_at_file(flags.file);
    is_file_wrong = !found.errors.empty();
    if (flags.wants_json()) {
      groups.push_back(found.group);
    } else {
      print_file(flags.file, found);
    }
  }
  if (flags.wants_cluster()) {
    if (const std::string wrong = look_at_cluster(flags, groups); !wrong.empty()) {
      std::cerr << "nodeway check: " << wrong << '\n';
      return kWrong;
    }
  }
  if (flags.wants_json()) {
    std::cout << checks_as_json(groups);
  } else if (flags.wants_cluster()) {
    std::cout << (flags.file.empty() ? "" : "\n") << format_checks(groups);
  }
  std::cout.flush();
  if (is_file_wrong) {
    return kWrong;
  }
  return std::cout && is_all_well(groups) ? 0 : kFailed;
}

int print_schema() {
  std::cout << control::config_schema() << std::flush;
  return std::cout ? 0 : kFailed;
}

}  // namespace

void add_check_command(CLI::App& app, Action& action) {
  CLI::App* const command = app.add_subcommand(
      "check", "Check a configuration file, or what a router needs of the cluster");
  // Shared by the parser, which fills it, and by the action, which comes after.
  auto flags = std::make_shared<CheckFlags>();
  CLI::Option* const file = command->add_option(
      "FILE", flags->file, "What the ConfigMap's nodeway.yaml would hold; checked offline");
  command
      ->add_option("--kubeconfig",
                   flags->kubeconfig,
                   "The cluster to check, from outside of a pod; beside FILE both are checked")
      ->type_name("FILE");
  command
      ->add_option("-n,--namespace",
                   flags->config_namespace,
                   "Namespace of ConfigMap nodeway (default: $POD_NAMESPACE, else nodeway-system)")
      ->type_name("NAME");
  CLI::Option* const admin = add_admin_flag(*command, flags->admin);
  command->add_option("-o,--output", flags->output, "How it is shown")
      ->type_name("text|json")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_val("text");
  command
      ->add_flag("--schema",
                 flags->wants_schema,
                 "Print the JSON Schema of the configuration, for editors, and check nothing")
      ->excludes(file);
  command->callback([&action, flags, admin] {
    flags->is_admin_given = admin->count() > 0;
    action = [flags] { return flags->wants_schema ? print_schema() : check(*flags); };
  });
}

}  // namespace router::cli
