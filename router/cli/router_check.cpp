// SPDX-License-Identifier: Apache-2.0
#include "router/cli/router_check.hpp"

#include "router/cli/admin_client.hpp"
#include "router/version.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::cli {
namespace {

using control::Check;
using control::CheckGroup;
using control::failed;
using control::passed;
using control::skipped;
using nlohmann::json;

constexpr std::uint16_t kAppsPort = 4140;
/// A watch that is silent for 150 s is replaced by the router itself (k8s_client/README.md), which
/// takes a moment.
constexpr double kMaxAgeSeconds = 180;

using Answer = std::variant<std::string, NoAnswer>;

/// A field of a page; `otherwise` if it is not there or of another type: something else may answer
/// at the address than a router.
template <class Value>
Value field(const json& page, const char* name, Value otherwise) {
  const auto found = page.find(name);
  const bool is_there = found != page.end() && found->type() == json(otherwise).type();
  return is_there ? found->get<Value>() : otherwise;
}

/// The shorter of the ages of the last event and of the last bookmark; nothing before the first.
std::optional<double> age_of(const json& watch) {
  std::optional<double> age;
  for (const char* const field : {"last_event_age_seconds", "last_bookmark_age_seconds"}) {
    if (const auto found = watch.find(field); found != watch.end() && found->is_number()) {
      age = std::min(age.value_or(HUGE_VAL), found->get<double>());
    }
  }
  return age;
}

Check judge_watch(const json& watch) {
  const auto resource = field(watch, "resource", std::string{"?"});
  const auto error = field(watch, "last_error", std::string{});
  if (!field(watch, "synced", false)) {
    return failed(fmt::format("{}: not seen yet{}", resource, error.empty() ? "" : "; " + error),
                  "see API server and permissions");
  }
  if (!error.empty()) {
    return failed(fmt::format("{}: {}", resource, error),
                  "its last state is in use; see API server and permissions");
  }
  const std::optional<double> age = age_of(watch);
  if (resource == "files" || !age) {  // a folder changes when somebody changes it
    return passed(fmt::format("{}: seen whole", resource));
  }
  const std::string text = fmt::format("{}: fresh {:.1f} s ago", resource, *age);
  return *age <= kMaxAgeSeconds
             ? passed(text)
             : failed(text, "nothing was heard since; is the API server, or the way to it, stuck?");
}

/// Of one page of the router: what `judge` makes of it, or why there is none.
Check from_page(const Answer& answer, const std::function<Check(const std::string& body)>& judge) {
  if (const auto* none = std::get_if<NoAnswer>(&answer)) {
    return skipped(none->line);
  }
  return judge(std::get<std::string>(answer));
}

Check judge_readiness(const Answer& answer) {
  if (const auto* none = std::get_if<NoAnswer>(&answer)) {
    return failed(none->line, "the reason behind it is the one to look at");
  }
  return passed("ready");
}

Check check_apps_port(const std::string& admin) {
  const std::optional<AdminUrl> url = parse_admin_url(admin);
  if (url && takes_connections(url->host, kAppsPort)) {
    return passed(fmt::format("port {} takes connections", kAppsPort));
  }
  return skipped(
      fmt::format("port {} takes no connections here: fine if --listen names another one, or "
                  "behind a port-forward",
                  kAppsPort));
}

}  // namespace

std::vector<Check> judge_watches(std::string_view body) {
  const json page = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!page.is_object() || !page.contains("rows") || !page["rows"].is_array()) {
    return {failed("watches: not understood", "is it nodeway that answers there?")};
  }
  std::vector<Check> checks;
  for (const json& watch : page["rows"]) {
    checks.push_back(judge_watch(watch));
  }
  return checks;
}

Check judge_config(std::string_view body) {
  const json page = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!page.is_object()) {
    return failed("configuration: not understood", "is it nodeway that answers there?");
  }
  const auto origin = field(page, "origin", std::string{});
  if (!field(page, "valid", false)) {
    return failed(fmt::format("{}: {}", origin, field(page, "error", std::string{"not read yet"})),
                  "mend it; until then the last good one is in force, if there was one");
  }
  return passed(field(page, "present", false) ? origin + " is in force"
                                              : "the default configuration is in force");
}

Check judge_build(std::string_view metrics, std::string_view own_version) {
  constexpr std::string_view kBuild = "\nnodeway_build_info{version=\"";
  const std::size_t found = metrics.find(kBuild);
  if (found == std::string_view::npos) {
    return failed("it does not tell its version", "is it nodeway that answers there?");
  }
  const std::string_view rest = metrics.substr(found + kBuild.size());
  const std::string_view version = rest.substr(0, rest.find('"'));
  return passed(fmt::format(
      "version {}{}",
      version,
      version == own_version ? "" : fmt::format("; this command is of {}", own_version)));
}

CheckGroup check_router(const std::string& admin, bool must_be_there) {
  CheckGroup group{.title = "router at " + admin};
  const Answer ready = ask_admin(admin, "/ready", {});
  if (const auto* none = std::get_if<NoAnswer>(&ready); none != nullptr && none->status == 0) {
    group.checks.push_back(must_be_there
                               ? failed(none->line, "kubectl -n nodeway-system get pods")
                               : skipped("none answers there; --admin URL names another one"));
    return group;
  }
  group.checks.push_back(passed("answers"));
  group.checks.push_back(judge_readiness(ready));
  group.checks.push_back(from_page(ask_admin(admin, "/metrics", {}), [](const std::string& body) {
    return judge_build(body, kVersion);
  }));
  group.checks.push_back(from_page(ask_admin(admin, "/api/v1/config", {}), judge_config));
  const Answer watches = ask_admin(admin, "/api/v1/watches", {});
  if (const auto* none = std::get_if<NoAnswer>(&watches)) {
    group.checks.push_back(skipped(none->line));
  } else {
    std::ranges::move(judge_watches(std::get<std::string>(watches)),
                      std::back_inserter(group.checks));
  }
  group.checks.push_back(check_apps_port(admin));
  return group;
}

}  // namespace router::cli
