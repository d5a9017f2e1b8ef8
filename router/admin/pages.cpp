// SPDX-License-Identifier: Apache-2.0
#include "router/admin/pages.hpp"

#include "router/admin/rows.hpp"
#include "router/admin/views.hpp"
#include "router/control/certificate_files.hpp"
#include "router/control/control_plane.hpp"
#include "router/control/duration.hpp"
#include "router/telemetry/exposition.hpp"
#include "router/worker/core.hpp"

#include <optional>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::admin {
namespace {

using nlohmann::json;
using TimePoint = std::chrono::steady_clock::time_point;

constexpr const char* kDefaultWindow = "1m";

std::string parameter(const Query& query, const std::string& name, const char* otherwise = "") {
  const auto found = query.find(name);
  return found == query.end() ? otherwise : found->second;
}

Page json_page(const json& content) {
  // Names come from the API server, which allows ASCII only; files may hold anything.
  return {.status = 200,
          .content_type = "application/json",
          .body = content.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
}

Page bad_request(std::string why) {
  return {.status = 400, .content_type = "text/plain", .body = std::move(why) + "\n"};
}

json age_seconds(const std::optional<TimePoint>& at, TimePoint now) {
  return at ? json(std::chrono::duration<double>{now - *at}.count()) : json(nullptr);
}

json timestamp(const std::optional<k8s_client::Clock::UtcTime>& at) {
  if (!at) {
    return nullptr;
  }
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(*at)));
}

std::string config_line(const control::ConfigStatus& config) {
  if (!config.valid && config.error.empty()) {
    return config.origin + " has not been read yet";
  }
  if (!config.valid) {
    const std::string more =
        config.error_count > 1 ? fmt::format(" (and {} more)", config.error_count - 1) : "";
    return fmt::format("{}: {}{}", config.origin, config.error, more);
  }
  return config.present ? config.origin + " is in force" : "none; the defaults are in force";
}

std::string watch_line(const k8s_client::WatchStatus& watch, TimePoint now) {
  std::string line = watch.synced ? "seen whole" : "not seen yet";
  if (!watch.resource_version.empty()) {
    line += "; version " + watch.resource_version;
  }
  for (const auto& [what, at] : {std::pair{"sign of life", watch.last_contact_at},
                                 std::pair{"event", watch.last_event_at},
                                 std::pair{"bookmark", watch.last_bookmark_at}}) {
    if (at) {
      line += fmt::format(
          "; last {} {} ago", what, std::chrono::duration_cast<std::chrono::seconds>(now - *at));
    }
  }
  if (watch.reconnects > 0) {
    line += fmt::format("; reconnects: {}", watch.reconnects);
  }
  if (watch.synced && !watch.watching) {
    line += "; no watch open";
  }
  if (!watch.last_error.empty()) {
    line += "; " + watch.last_error;
  }
  return line;
}

std::string saved_view_line(const control::SavedViewStatus& view, TimePoint now) {
  const auto seconds_since = [now](TimePoint at) {
    return std::chrono::duration_cast<std::chrono::seconds>(now - at);
  };
  if (view.served_as_of) {
    return fmt::format("served, {} old, until the cluster has been seen whole",
                       seconds_since(*view.served_as_of));
  }
  if (!view.last_error.empty()) {
    return "cannot be written: " + view.last_error;
  }
  return view.saved_at ? fmt::format("written {} ago", seconds_since(*view.saved_at))
                       : "not written yet";
}

/// What is wrong with external names; "" if nothing is.
std::string wrong_names(const control::DnsStatus& dns) {
  std::string text;
  for (const control::DnsStatus::Name& name : dns.names) {
    if (!name.error.empty() || !name.good_at) {
      text += fmt::format("{}{}: {}, {} addresses in use",
                          text.empty() ? "" : "; ",
                          name.name,
                          name.error.empty() ? "no answer yet" : name.error,
                          name.addresses);
    }
  }
  return text;
}

std::string verbose_parts(const control::ControlStatus& status, bool is_draining, TimePoint now) {
  const auto part = [](bool is_good, std::string_view name, std::string_view text) {
    return fmt::format("[{}] {}: {}\n", is_good ? '+' : '-', name, text);
  };
  std::string body;
  for (const k8s_client::WatchStatus& watch : status.watches) {
    body += part(watch.is_fresh(now), watch.resource, watch_line(watch, now));
  }
  if (const control::SavedViewStatus& view = status.saved_view; view.is_kept) {
    body += part(
        !view.served_as_of && view.last_error.empty(), "saved view", saved_view_line(view, now));
  }
  body += part(status.config.valid, "configuration", config_line(status.config));
  if (!status.dns.names.empty()) {
    const std::string wrong = wrong_names(status.dns);
    body += part(wrong.empty(), "external names", wrong.empty() ? "as DNS has them" : wrong);
  }
  body += part(status.ready,
               "routing",
               status.ready
                   ? fmt::format("generation {}, {} services", status.generation, status.services)
                   : status.not_ready_reason);
  body += part(!is_draining, "serving", is_draining ? "draining" : "yes");
  return body;
}

json watch_rows(const std::vector<k8s_client::WatchStatus>& watches, TimePoint now) {
  json rows = json::array();
  for (const k8s_client::WatchStatus& watch : watches) {
    rows.push_back({{"resource", watch.resource},
                    {"synced", watch.synced},
                    {"fresh", watch.is_fresh(now)},
                    {"watching", watch.watching},
                    {"resource_version", watch.resource_version},
                    {"last_contact_age_seconds", age_seconds(watch.last_contact_at, now)},
                    {"last_event_age_seconds", age_seconds(watch.last_event_at, now)},
                    {"last_bookmark_age_seconds", age_seconds(watch.last_bookmark_at, now)},
                    {"last_error", watch.last_error},
                    {"last_error_age_seconds", age_seconds(watch.last_error_at, now)},
                    {"lists", watch.lists},
                    {"watches", watch.watches},
                    {"reconnects", watch.reconnects},
                    {"errors", watch.errors},
                    {"events", watch.events},
                    {"audits", watch.audits},
                    {"rechecks", watch.rechecks},
                    {"rechecks_dropped", watch.rechecks_dropped},
                    {"audit_differences", watch.audit_differences}});
  }
  return rows;
}

}  // namespace

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

Page forbidden_page() {
  return {.status = 403,
          .content_type = "text/plain",
          .body = "forbidden: /api is served to loopback only; use kubectl port-forward\n"};
}

Pages::Pages(Subject subject) : subject_{std::move(subject)}, window_{subject_.now()} {}

Page Pages::ready(const Query& query) const {
  const control::ControlStatus status = subject_.control();
  const bool is_draining = subject_.is_draining();
  Page page;
  if (is_draining) {
    page = {.status = 503, .body = "not ready: draining\n"};
  } else if (!status.ready) {
    page = {.status = 503, .body = fmt::format("not ready: {}\n", status.not_ready_reason)};
  } else {
    page.body = "ready\n";
  }
  if (parameter(query, "verbose", "0") != "0") {  // also `?verbose` alone, as of Kubernetes' own
    page.body += verbose_parts(status, is_draining, subject_.now());
  } else if (status.ready && !status.config.valid) {
    page.body += "configuration: " + config_line(status.config) + "\n";
  }
  return page;
}

Page Pages::metrics() const {
  const control::ControlStatus control = subject_.control();
  const auto certificate = subject_.certificate ? subject_.certificate() : std::nullopt;
  const telemetry::ProcessFigures process = telemetry::read_process_figures();
  return {.status = 200,
          .content_type = telemetry::kMetricsContentType,
          .body = telemetry::render_metrics({.cores = subject_.cores,
                                             .control = control,
                                             .certificate = certificate ? &*certificate : nullptr,
                                             .process = process,
                                             .now = subject_.now(),
                                             .version = subject_.version})};
}

Page Pages::stat(const Query& query) const {
  using telemetry::TrafficWindow;
  const std::string window_text = parameter(query, "window", kDefaultWindow);
  const auto length = control::parse_duration(window_text);
  if (!length || *length < TrafficWindow::kShortest || *length > TrafficWindow::kLongest) {
    return bad_request(fmt::format("window: '{}' is no duration from 10s to 10m", window_text));
  }
  std::vector<telemetry::ServiceTotals> totals;
  telemetry::WindowView view;
  {
    // Taken under the lock: the window subtracts its last sample, which must not be younger.
    const std::lock_guard lock{mutex_};
    totals = telemetry::sum_services(subject_.cores);
    view = window_.view(*length, subject_.now(), totals);
  }
  return json_page(make_stat(subject_.control().rows, totals, view, parameter(query, "namespace")));
}

Page Pages::endpoints(const Query& query) const {
  const control::EndpointFilter filter{.service_namespace = parameter(query, "namespace"),
                                       .service = parameter(query, "service")};
  EndpointList list = list_endpoints(
      sum_endpoints(subject_.endpoints(), filter),
      [&](const auto& visit) { subject_.show_endpoints(filter, visit); },
      subject_.now());
  const control::ControlStatus status = subject_.control();
  return json_page(
      {{"rows", std::move(list.rows)},
       {"left_out", list.left_out},
       {"view", watch_rows(status.watches, subject_.now())},
       {"saved_view_age_seconds", age_seconds(status.saved_view.served_as_of, subject_.now())}});
}

Page Pages::config() const {
  const control::ControlStatus status = subject_.control();
  const control::ConfigStatus& config = status.config;
  return json_page({{"origin", config.origin},
                    {"present", config.present},
                    {"valid", config.valid},
                    {"error", config.error},
                    {"error_count", config.error_count},
                    {"applied", config.applied},
                    {"rejected", config.rejected},
                    {"last_applied", timestamp(config.last_applied_at)},
                    {"generation", status.generation}});
}

Page Pages::watches() const {
  const control::ControlStatus status = subject_.control();
  return json_page({{"ready", status.ready},
                    {"reason", status.not_ready_reason},
                    {"rows", watch_rows(status.watches, subject_.now())}});
}

void Pages::sample() {
  const std::lock_guard lock{mutex_};
  window_.sample(subject_.now(), telemetry::sum_services(subject_.cores));
}

}  // namespace router::admin
