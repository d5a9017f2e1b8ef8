// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/control_families.hpp"

#include "router/control/certificate_files.hpp"
#include "router/control/control_plane.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace router::telemetry {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

double timestamp(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>{time.time_since_epoch()}.count();
}

void add_cluster(Families& families, const control::ControlStatus& control) {
  add_gauge(families,
            "nodeway_ready",
            "1 once the cluster has been seen whole, and DNS has answered for the external names "
            "or had 5 s for it.",
            control.ready ? 1 : 0);
  add_gauge(families,
            "nodeway_services",
            "Services with at least one TCP port. External names and the Services that stand for "
            "them do not count.",
            static_cast<double>(control.services));
  add_gauge(families,
            "nodeway_snapshot_generation",
            "Number of the routing state in force; it rises with each change.",
            static_cast<double>(control.generation));
  MetricFamily& endpoints =
      add_family(families,
                 "nodeway_endpoints",
                 MetricType::Gauge,
                 "Endpoints of all Service ports, by what their EndpointSlices say of them. Those "
                 "of external names do not count.");
  add_value(endpoints, {{"state", "ready"}}, control.endpoints.ready);
  add_value(endpoints, {{"state", "serving_terminating"}}, control.endpoints.serving_terminating);
  add_value(endpoints, {{"state", "not_ready"}}, control.endpoints.not_ready);
}

using WatchStatus = k8s_client::WatchStatus;

// One row for each counter of a watch.
struct WatchCounter {
  const char* name;
  const char* help;
  std::uint64_t WatchStatus::*value;
};
constexpr std::array kWatchCounters{
    WatchCounter{"nodeway_watch_lists_total", "Whole lists taken over.", &WatchStatus::lists},
    WatchCounter{"nodeway_watch_watches_total",
                 "Watches that the API server accepted.",
                 &WatchStatus::watches},
    WatchCounter{"nodeway_watch_reconnects_total",
                 "Watches that went on from the last version, without a list.",
                 &WatchStatus::reconnects},
    WatchCounter{"nodeway_watch_errors_total",
                 "Failed lists and watches, and objects or files that could not be understood.",
                 &WatchStatus::errors},
    WatchCounter{
        "nodeway_watch_events_total", "Changes received, without bookmarks.", &WatchStatus::events},
    WatchCounter{"nodeway_watch_audits_total",
                 "Comparisons of the view with what the API server lists.",
                 &WatchStatus::audits},
    WatchCounter{"nodeway_watch_rechecks_total",
                 "Slices that were looked at again, since an endpoint of theirs could not be "
                 "connected and the watch did not tell why.",
                 &WatchStatus::rechecks},
    WatchCounter{"nodeway_watch_rechecks_dropped_total",
                 "Such looks that were not taken, since too many waited or had been taken lately.",
                 &WatchStatus::rechecks_dropped},
    WatchCounter{"nodeway_watch_audit_differences_total",
                 "Objects that were found to differ in either; there must be none.",
                 &WatchStatus::audit_differences},
};

void add_age(MetricFamily& family,
             const WatchStatus& watch,
             const std::optional<TimePoint>& at,
             TimePoint now) {
  if (at) {
    add_value(family, {{"resource", watch.resource}}, seconds(now - *at));
  }
}

/// Adds the version where it is a number, as KEP-5504 has it: opaque to us, and told to people
/// only.
void add_version(MetricFamily& family, const WatchStatus& watch) {
  const std::string& text = watch.resource_version;
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (!text.empty() && error == std::errc{} && end == text.data() + text.size()) {
    add_value(family, {{"resource", watch.resource}}, version);
  }
}

void add_watches(Families& families, const std::vector<WatchStatus>& watches, TimePoint now) {
  MetricFamily synced{
      "nodeway_watch_synced", "1 once a resource has been seen whole.", MetricType::Gauge, {}};
  MetricFamily open{"nodeway_watch_open",
                    "1 while a watch is open: changes are heard of as they happen.",
                    MetricType::Gauge,
                    {}};
  MetricFamily contact{"nodeway_watch_last_contact_age_seconds",
                       "Time since the last sign of life: a list, an accepted watch, an event, a "
                       "bookmark.",
                       MetricType::Gauge,
                       {}};
  MetricFamily event{
      "nodeway_watch_last_event_age_seconds",
      "Time since an object of this resource last changed; absent before the first change.",
      MetricType::Gauge,
      {}};
  MetricFamily bookmark{
      "nodeway_watch_last_bookmark_age_seconds",
      "Time since the last bookmark: a sign of life of a watch in which nothing changes.",
      MetricType::Gauge,
      {}};
  MetricFamily version{
      "nodeway_watch_resource_version",
      "Version of the API's that the view has reached; absent where it is no number.",
      MetricType::Gauge,
      {}};
  for (const WatchStatus& watch : watches) {
    add_value(synced, {{"resource", watch.resource}}, watch.synced ? 1.0 : 0.0);
    add_value(open, {{"resource", watch.resource}}, watch.watching ? 1.0 : 0.0);
    add_age(contact, watch, watch.last_contact_at, now);
    add_age(event, watch, watch.last_event_at, now);
    add_version(version, watch);
    add_age(bookmark, watch, watch.last_bookmark_at, now);
  }
  for (MetricFamily* family : {&synced, &open, &contact, &event, &bookmark, &version}) {
    families.push_back(std::move(*family));
  }
  for (const WatchCounter& counter : kWatchCounters) {
    MetricFamily& family = add_family(families, counter.name, MetricType::Counter, counter.help);
    for (const WatchStatus& watch : watches) {
      add_value(family, {{"resource", watch.resource}}, watch.*counter.value);
    }
  }
}

void add_dns(Families& families, const control::DnsStatus& dns, TimePoint now) {
  MetricFamily& lookups = add_family(families,
                                     "nodeway_dns_lookups_total",
                                     MetricType::Counter,
                                     "Lookups of external names that have ended, by outcome.");
  for (std::size_t i = 0; i < dns.lookups.size(); ++i) {
    add_value(
        lookups, {{"outcome", std::string{control::kLookupOutcomeNames.at(i)}}}, dns.lookups.at(i));
  }
  add_gauge(families,
            "nodeway_dns_names",
            "External names of the configuration, which DNS is asked for.",
            static_cast<double>(dns.names.size()));
  MetricFamily addresses{"nodeway_dns_addresses",
                         "Addresses in use of an external name; 0: its requests get no_endpoints.",
                         MetricType::Gauge,
                         {}};
  MetricFamily ages{"nodeway_dns_last_answer_age_seconds",
                    "Time since DNS last answered for an external name, for either family of "
                    "addresses; absent before the first answer.",
                    MetricType::Gauge,
                    {}};
  for (const control::DnsStatus::Name& name : dns.names) {
    add_value(addresses, {{"name", name.name}}, std::uint64_t{name.addresses});
    if (name.good_at) {
      add_value(ages, {{"name", name.name}}, seconds(now - *name.good_at));
    }
  }
  families.push_back(std::move(addresses));
  families.push_back(std::move(ages));
}

void add_saved_view(Families& families, const control::SavedViewStatus& view, TimePoint now) {
  if (!view.is_kept) {
    return;
  }
  add_gauge(families,
            "nodeway_saved_view_served",
            "1 while anything of the cluster that is served comes from the saved view.",
            view.served_as_of ? 1 : 0);
  MetricFamily& age = add_family(families,
                                 "nodeway_saved_view_age_seconds",
                                 MetricType::Gauge,
                                 "Time since the saved view that is served was known to be right; "
                                 "absent while none is.");
  if (view.served_as_of) {
    add_value(age, {}, seconds(now - *view.served_as_of));
  }
  add_counter(families,
              "nodeway_saved_view_writes_total",
              "Times that the view of the cluster was written to the disk.",
              view.saves);
  add_counter(families,
              "nodeway_saved_view_write_errors_total",
              "Times that the view of the cluster could not be written to the disk.",
              view.failures);
}

void add_config(Families& families, const control::ConfigStatus& config) {
  add_gauge(families,
            "nodeway_config_valid",
            "1 if the newest configuration is in force, or if it is known that there is none.",
            config.valid ? 1 : 0);
  add_counter(
      families, "nodeway_config_applied_total", "Configurations put in force.", config.applied);
  add_counter(
      families, "nodeway_config_rejected_total", "Configurations found wrong.", config.rejected);
  MetricFamily& applied_at =
      add_family(families,
                 "nodeway_config_last_applied_timestamp_seconds",
                 MetricType::Gauge,
                 "When a configuration was last put in force; absent while the defaults hold.");
  if (config.last_applied_at) {
    add_value(applied_at, {}, timestamp(*config.last_applied_at));
  }
}

}  // namespace

void add_control_families(Families& families,
                          const control::ControlStatus& control,
                          TimePoint now) {
  add_cluster(families, control);
  add_watches(families, control.watches, now);
  add_dns(families, control.dns, now);
  add_saved_view(families, control.saved_view, now);
  add_config(families, control.config);
}

void add_certificate(Families& families, const control::CertificateStatus& certificate) {
  add_gauge(families,
            "nodeway_tls_certificate_valid",
            "1 if what the certificate's files hold is in force.",
            certificate.valid ? 1 : 0);
  add_counter(families,
              "nodeway_tls_certificate_loaded_total",
              "Certificates put in force, the first included.",
              certificate.loaded);
  add_counter(families,
              "nodeway_tls_certificate_rejected_total",
              "Contents of the certificate's files that were no usable pair.",
              certificate.rejected);
  MetricFamily& expires_at = add_family(families,
                                        "nodeway_tls_certificate_expiry_timestamp_seconds",
                                        MetricType::Gauge,
                                        "Until when the certificate in force is valid.");
  if (certificate.expires_at) {
    add_value(expires_at, {}, timestamp(*certificate.expires_at));
  }
}

}  // namespace router::telemetry
