// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/exposition.hpp"

#include "router/control/certificate_files.hpp"
#include "router/control/control_plane.hpp"
#include "router/errc.hpp"
#include "router/telemetry/totals.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <string_view>
#include <utility>
#include <vector>

namespace router::telemetry {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Families = std::vector<MetricFamily>;
using Labels = std::vector<ClientMetric::Label>;

// Borders of the buckets that Prometheus gets: 1, 2 and 5 of each decade, which our own cells hit
// exactly. From the fastest answers on a node to what only streams last.
constexpr std::array kBucketBorders{
    std::chrono::nanoseconds{200'000},
    std::chrono::nanoseconds{500'000},
    std::chrono::nanoseconds{1'000'000},
    std::chrono::nanoseconds{2'000'000},
    std::chrono::nanoseconds{5'000'000},
    std::chrono::nanoseconds{10'000'000},
    std::chrono::nanoseconds{20'000'000},
    std::chrono::nanoseconds{50'000'000},
    std::chrono::nanoseconds{100'000'000},
    std::chrono::nanoseconds{200'000'000},
    std::chrono::nanoseconds{500'000'000},
    std::chrono::nanoseconds{1'000'000'000},
    std::chrono::nanoseconds{2'000'000'000},
    std::chrono::nanoseconds{5'000'000'000},
    std::chrono::nanoseconds{10'000'000'000},
    std::chrono::nanoseconds{20'000'000'000},
    std::chrono::nanoseconds{50'000'000'000},
    std::chrono::nanoseconds{100'000'000'000},
};

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>{duration}.count();
}

MetricFamily& add_family(Families& families, std::string name, MetricType type, std::string help) {
  return families.emplace_back(MetricFamily{std::move(name), std::move(help), type, {}});
}

void add_value(MetricFamily& family, Labels labels, double value) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

void add_value(MetricFamily& family, Labels labels, std::uint64_t value) {
  add_value(family, std::move(labels), static_cast<double>(value));
}

void add_histogram(MetricFamily& family, Labels labels, const HistogramCounts& counts) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.histogram.sample_count = counts.count();
  metric.histogram.sample_sum = seconds(counts.sum());
  for (const std::chrono::nanoseconds border : kBucketBorders) {
    metric.histogram.bucket.push_back({counts.count_up_to(border), seconds(border)});
  }
}

Labels labels_of(const ServiceTotals& service) {
  return {{"namespace", service.service_namespace},
          {"service", service.service},
          {"port", service.port}};
}

Labels labels_of(const ServiceTotals& service, const ResponseKey& key) {
  Labels labels = labels_of(service);
  const bool is_grpc = key.grpc_status != ResponseKey::kNoGrpcStatus;
  labels.push_back({"outcome", key.success ? "success" : "failure"});
  labels.push_back({"grpc_status", is_grpc ? std::to_string(key.grpc_status) : ""});
  labels.push_back(
      {"http_class", key.http_class != 0 ? std::to_string(key.http_class) + "xx" : ""});
  labels.push_back(
      {"reason",
       key.reason != 0 ? std::string{verdict_of(static_cast<Errc>(key.reason)).reason} : ""});
  return labels;
}

void add_requests(Families& families, const std::vector<ServiceTotals>& services) {
  MetricFamily requests{"nodeway_requests_total",
                        "Requests whose head was read whole, whatever became of them.",
                        MetricType::Counter,
                        {}};
  MetricFamily responses{
      "nodeway_responses_total",
      "Requests that ended, by outcome; reason names the router's own error, if it was one.",
      MetricType::Counter,
      {}};
  MetricFamily repicks{
      "nodeway_repicks_total",
      "Further endpoints tried for requests that had provably not reached an application.",
      MetricType::Counter,
      {}};
  MetricFamily streams{"nodeway_streams_open", "Requests under way.", MetricType::Gauge, {}};
  MetricFamily connections{"nodeway_upstream_connections",
                           "Connections to a Service port's endpoints, by state.",
                           MetricType::Gauge,
                           {}};
  for (const ServiceTotals& service : services) {
    add_value(requests, labels_of(service), service.requests);
    for (const ResponseCount& response : service.responses) {
      add_value(responses, labels_of(service, response.key), response.count);
    }
    add_value(repicks, labels_of(service), service.repicks);
    add_value(streams, labels_of(service), service.streams_open);
    for (std::size_t i = 0; i < kUpstreamStateNames.size(); ++i) {
      Labels labels = labels_of(service);
      labels.push_back({"state", std::string{kUpstreamStateNames[i]}});
      add_value(connections, std::move(labels), service.upstream_connections[i]);
    }
  }
  for (MetricFamily* family : {&requests, &responses, &repicks, &streams, &connections}) {
    families.push_back(std::move(*family));
  }
}

void add_retries(Families& families, const std::vector<ServiceTotals>& services) {
  MetricFamily retries{"nodeway_retries_total",
                       "Times that a request was sent again that may have reached an application.",
                       MetricType::Counter,
                       {}};
  MetricFamily hedges{"nodeway_hedges_total",
                      "Second requests sent while the first had no reply yet.",
                      MetricType::Counter,
                      {}};
  MetricFamily refused{
      "nodeway_retries_refused_total",
      "Retries and hedges that the policy asked for and that were not sent, by reason.",
      MetricType::Counter,
      {}};
  for (const ServiceTotals& service : services) {
    add_value(retries, labels_of(service), service.retries);
    add_value(hedges, labels_of(service), service.hedges);
    for (std::size_t i = 0; i < kRetryRefusalNames.size(); ++i) {
      Labels labels = labels_of(service);
      labels.push_back({"reason", std::string{kRetryRefusalNames[i]}});
      add_value(refused, std::move(labels), service.retries_refused[i]);
    }
  }
  for (MetricFamily* family : {&retries, &hedges, &refused}) {
    families.push_back(std::move(*family));
  }
}

void add_ejections(Families& families, const std::vector<ServiceTotals>& services) {
  MetricFamily ejections{"nodeway_ejections_total",
                         "Times that a worker has taken an endpoint out of the choice, by cause.",
                         MetricType::Counter,
                         {}};
  MetricFamily ejected{"nodeway_endpoints_ejected",
                       "Endpoints out of the choice now, on the worker that has ejected the most.",
                       MetricType::Gauge,
                       {}};
  MetricFamily panic{"nodeway_panic_requests_total",
                     "Attempts for which ejections were disregarded: too few endpoints were left.",
                     MetricType::Counter,
                     {}};
  for (const ServiceTotals& service : services) {
    for (std::size_t i = 0; i < kEjectionCauseNames.size(); ++i) {
      Labels labels = labels_of(service);
      labels.push_back({"cause", std::string{kEjectionCauseNames[i]}});
      add_value(ejections, std::move(labels), service.ejections[i]);
    }
    add_value(ejected, labels_of(service), service.endpoints_ejected);
    add_value(panic, labels_of(service), service.panic_requests);
  }
  for (MetricFamily* family : {&ejections, &ejected, &panic}) {
    families.push_back(std::move(*family));
  }
}

void add_latencies(Families& families, const std::vector<ServiceTotals>& services) {
  MetricFamily& start = add_family(
      families,
      "nodeway_response_start_seconds",
      MetricType::Histogram,
      "From a request's head to its reply's head; requests without a reply are not in it.");
  for (const ServiceTotals& service : services) {
    add_histogram(start, labels_of(service), service.response_start);
  }
  MetricFamily& duration = add_family(families,
                                      "nodeway_request_duration_seconds",
                                      MetricType::Histogram,
                                      "From a request's head to its end, streams included.");
  for (const ServiceTotals& service : services) {
    add_histogram(duration, labels_of(service), service.duration);
  }
}

void add_core_figures(Families& families, std::span<const CoreMetrics* const> cores) {
  for (const CoreFigureDefinition& figure : kCoreFigures) {
    std::uint64_t sum = 0;
    for (const CoreMetrics* core : cores) {
      sum += core->figure(figure.id).read();
    }
    const MetricType type =
        figure.kind == FigureKind::counter ? MetricType::Counter : MetricType::Gauge;
    add_value(
        add_family(families, std::string{figure.name}, type, std::string{figure.help}), {}, sum);
  }
  MetricFamily& limits = add_family(
      families, "nodeway_limit_hits_total", MetricType::Counter, "Times that a limit was reached.");
  for (std::size_t i = 0; i < kLimitNames.size(); ++i) {
    std::uint64_t sum = 0;
    for (const CoreMetrics* core : cores) {
      sum += core->hits(static_cast<Limit>(i));
    }
    add_value(limits, {{"limit", std::string{kLimitNames[i]}}}, sum);
  }
}

void add_cluster(Families& families, const control::ControlStatus& control) {
  add_value(
      add_family(
          families, "nodeway_ready", MetricType::Gauge, "1 once the cluster has been seen whole."),
      {},
      control.ready ? 1.0 : 0.0);
  add_value(
      add_family(
          families, "nodeway_services", MetricType::Gauge, "Services with at least one TCP port."),
      {},
      std::uint64_t{control.services});
  add_value(add_family(families,
                       "nodeway_snapshot_generation",
                       MetricType::Gauge,
                       "Number of the routing state in force; it rises with each change."),
            {},
            control.generation);
  MetricFamily& endpoints =
      add_family(families,
                 "nodeway_endpoints",
                 MetricType::Gauge,
                 "Endpoints of all Service ports, by what their EndpointSlices say of them.");
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
    WatchCounter{"nodeway_watch_audit_differences_total",
                 "Objects that were found to differ in them; there must be none.",
                 &WatchStatus::audit_differences},
};

void add_age(MetricFamily& family,
             const WatchStatus& watch,
             const std::optional<k8s_client::Clock::TimePoint>& at,
             k8s_client::Clock::TimePoint now) {
  if (at) {
    add_value(family, {{"resource", watch.resource}}, seconds(now - *at));
  }
}

void add_watches(Families& families, const Exposed& exposed) {
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
  for (const WatchStatus& watch : exposed.control.watches) {
    add_value(synced, {{"resource", watch.resource}}, watch.synced ? 1.0 : 0.0);
    add_value(open, {{"resource", watch.resource}}, watch.watching ? 1.0 : 0.0);
    add_age(contact, watch, watch.last_contact_at, exposed.now);
    add_age(event, watch, watch.last_event_at, exposed.now);
    add_age(bookmark, watch, watch.last_bookmark_at, exposed.now);
  }
  for (MetricFamily* family : {&synced, &open, &contact, &event, &bookmark}) {
    families.push_back(std::move(*family));
  }
  for (const WatchCounter& counter : kWatchCounters) {
    MetricFamily& family = add_family(families, counter.name, MetricType::Counter, counter.help);
    for (const WatchStatus& watch : exposed.control.watches) {
      add_value(family, {{"resource", watch.resource}}, watch.*counter.value);
    }
  }
}

void add_config(Families& families, const control::ConfigStatus& config) {
  add_value(add_family(families,
                       "nodeway_config_valid",
                       MetricType::Gauge,
                       "1 if the newest configuration is in force, or if it is known that there "
                       "is none."),
            {},
            config.valid ? 1.0 : 0.0);
  add_value(add_family(families,
                       "nodeway_config_applied_total",
                       MetricType::Counter,
                       "Configurations put in force."),
            {},
            config.applied);
  add_value(add_family(families,
                       "nodeway_config_rejected_total",
                       MetricType::Counter,
                       "Configurations found wrong."),
            {},
            config.rejected);
  MetricFamily& applied_at =
      add_family(families,
                 "nodeway_config_last_applied_timestamp_seconds",
                 MetricType::Gauge,
                 "When a configuration was last put in force; absent while the defaults hold.");
  if (config.last_applied_at) {
    add_value(applied_at,
              {},
              std::chrono::duration<double>{config.last_applied_at->time_since_epoch()}.count());
  }
}

void add_certificate(Families& families, const control::CertificateStatus* certificate) {
  if (certificate == nullptr) {
    return;
  }
  add_value(add_family(families,
                       "nodeway_tls_certificate_valid",
                       MetricType::Gauge,
                       "1 if what the certificate's files hold is in force."),
            {},
            certificate->valid ? 1.0 : 0.0);
  add_value(add_family(families,
                       "nodeway_tls_certificate_loaded_total",
                       MetricType::Counter,
                       "Certificates put in force, the first included."),
            {},
            certificate->loaded);
  add_value(add_family(families,
                       "nodeway_tls_certificate_rejected_total",
                       MetricType::Counter,
                       "Contents of the certificate's files that were no usable pair."),
            {},
            certificate->rejected);
  MetricFamily& expires_at = add_family(families,
                                        "nodeway_tls_certificate_expiry_timestamp_seconds",
                                        MetricType::Gauge,
                                        "Until when the certificate in force is valid.");
  if (certificate->expires_at) {
    add_value(expires_at,
              {},
              std::chrono::duration<double>{certificate->expires_at->time_since_epoch()}.count());
  }
}

void add_saved_view(Families& families, const Exposed& exposed) {
  const control::SavedViewStatus& view = exposed.control.saved_view;
  if (!view.is_kept) {
    return;
  }
  add_value(add_family(families,
                       "nodeway_saved_view_served",
                       MetricType::Gauge,
                       "1 while anything that is served comes from the saved view."),
            {},
            view.served_as_of ? 1.0 : 0.0);
  MetricFamily& age = add_family(families,
                                 "nodeway_saved_view_age_seconds",
                                 MetricType::Gauge,
                                 "Time since the saved view that is served was known to be right.");
  if (view.served_as_of) {
    add_value(age, {}, seconds(exposed.now - *view.served_as_of));
  }
  add_value(add_family(families,
                       "nodeway_saved_view_writes_total",
                       MetricType::Counter,
                       "Times that the view of the cluster was written to the disk."),
            {},
            view.saves);
  add_value(add_family(families,
                       "nodeway_saved_view_write_errors_total",
                       MetricType::Counter,
                       "Times that it could not be written."),
            {},
            view.failures);
}

void add_process(Families& families, const ProcessFigures& process, const std::string& version) {
  const auto add = [&families](const char* name, MetricType type, const char* help, double value) {
    add_value(add_family(families, name, type, help), {}, value);
  };
  add_value(add_family(families,
                       "nodeway_build_info",
                       MetricType::Gauge,
                       "Always 1; the label tells the version."),
            {{"version", version}},
            1.0);
  add("process_cpu_seconds_total",
      MetricType::Counter,
      "User and system time spent.",
      process.cpu_seconds);
  add("process_resident_memory_bytes",
      MetricType::Gauge,
      "Memory in RAM.",
      static_cast<double>(process.resident_memory_bytes));
  add("process_virtual_memory_bytes",
      MetricType::Gauge,
      "Address space in use.",
      static_cast<double>(process.virtual_memory_bytes));
  add("process_open_fds",
      MetricType::Gauge,
      "File descriptors in use.",
      static_cast<double>(process.open_fds));
  add("process_max_fds",
      MetricType::Gauge,
      "File descriptors allowed.",
      static_cast<double>(process.max_fds));
  add("process_threads", MetricType::Gauge, "Threads.", static_cast<double>(process.threads));
  add("process_start_time_seconds",
      MetricType::Gauge,
      "Start, since the epoch.",
      process.start_time_seconds);
}

}  // namespace

std::string render_metrics(const Exposed& exposed) {
  const std::vector<ServiceTotals> services = sum_services(exposed.cores);
  Families families;
  add_requests(families, services);
  add_retries(families, services);
  add_ejections(families, services);
  add_latencies(families, services);
  add_core_figures(families, exposed.cores);
  add_cluster(families, exposed.control);
  add_watches(families, exposed);
  add_saved_view(families, exposed);
  add_certificate(families, exposed.certificate);
  add_config(families, exposed.control.config);
  add_process(families, exposed.process, exposed.version);
  return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace router::telemetry
