// SPDX-License-Identifier: Apache-2.0
#include "router/cli/view.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <iostream>
#include <thread>
#include <unistd.h>

namespace router::cli {
namespace {

constexpr std::chrono::seconds kWatchInterval{2};
constexpr const char* kClearScreen = "\033[H\033[2J";

}  // namespace

OutputFormat ViewFlags::format() const {
  if (output == "json") {
    return OutputFormat::json;
  }
  return output == "wide" ? OutputFormat::wide : OutputFormat::table;
}

CLI::Option* add_admin_flag(CLI::App& command, std::string& url) {
  return command.add_option("--admin", url, "Admin endpoint of the router on this node")
      ->type_name("URL")
      ->check([](const std::string& text) {
        return parse_admin_url(text) ? std::string{} : no_admin_url(text);
      })
      ->default_val("http://127.0.0.1:9990");
}

void add_view_flags(CLI::App& command, ViewFlags& flags) {
  add_admin_flag(command, flags.admin);
  command.add_option("-n,--namespace", flags.service_namespace, "Namespace of the Services")
      ->type_name("NAME")
      ->default_val("default");
  command.add_flag("-A,--all-namespaces", flags.all_namespaces, "Services of all namespaces");
  command.add_flag("-w,--watch", flags.watch, "Show it again every 2 s");
  command.add_option("-o,--output", flags.output, "How it is shown")
      ->type_name("table|wide|json")
      ->check(CLI::IsMember({"table", "wide", "json"}))
      ->default_val("table");
}

int show(const ViewFlags& flags,
         const std::function<std::variant<std::string, NoAnswer>()>& draw,
         const std::string& footer) {
  const bool is_terminal = ::isatty(STDOUT_FILENO) != 0 && flags.format() != OutputFormat::json;
  for (;;) {
    const std::variant<std::string, NoAnswer> drawn = draw();
    if (const auto* failed = std::get_if<NoAnswer>(&drawn)) {
      std::cerr << "nodeway: " << failed->line << '\n';
      return 1;
    }
    if (flags.watch && is_terminal) {
      std::cout << kClearScreen;
    }
    std::cout << std::get<std::string>(drawn);
    if (is_terminal) {
      std::cout << '\n' << footer << '\n';
    }
    std::cout.flush();
    if (!flags.watch || !std::cout) {
      return std::cout ? 0 : 1;
    }
    std::this_thread::sleep_for(kWatchInterval);
  }
}

}  // namespace router::cli
