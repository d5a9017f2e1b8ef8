// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/admin_client.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace router::cli {

enum class OutputFormat : std::uint8_t { table, wide, json };

/// Flags of all commands that show what a running router sees.
struct ViewFlags {
  std::string admin;
  std::string service_namespace;
  bool all_namespaces = false;
  bool watch = false;
  std::string output;

  /// The namespace to ask for; empty for all.
  [[nodiscard]] std::string wanted_namespace() const {
    return all_namespaces ? std::string{} : service_namespace;
  }
  [[nodiscard]] OutputFormat format() const;
};

/// Adds `--admin URL`; `url` must outlive the parsing.
CLI::Option* add_admin_flag(CLI::App& command, std::string& url);

/// Adds `--admin -n -A --watch -o`; `flags` must outlive the parsing.
void add_view_flags(CLI::App& command, ViewFlags& flags);

/// Prints what `draw` makes of the router's answer, once or until the user ends it. On a terminal,
/// `footer` follows, which says what the table is a view of. Returns the exit code.
int show(const ViewFlags& flags,
         const std::function<std::variant<std::string, NoAnswer>()>& draw,
         const std::string& footer);

}  // namespace router::cli
