// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/exposition.hpp"

#include "router/errc.hpp"
#include "router/telemetry/control_families.hpp"
#include "router/telemetry/families.hpp"
#include "router/telemetry/totals.hpp"

#include <cstdint>
#include <prometheus/text_serializer.h>
#include <string>
#include <utility>
#include <vector>

namespace router::telemetry {
namespace {

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
      "Further endpoints, or connections, tried for requests that provably reached no application.",
      MetricType::Counter,
      {}};
  MetricFamily streams{"nodeway_streams_open", "Requests under way.", MetricType::Gauge, {}};
  MetricFamily queued{"nodeway_requests_queued",
                      "Requests that wait for an endpoint that they can be sent to.",
                      MetricType::Gauge,
                      {}};
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
    add_value(queued, labels_of(service), service.requests_queued);
    for (std::size_t i = 0; i < kUpstreamStateNames.size(); ++i) {
      Labels labels = labels_of(service);
      labels.push_back({"state", std::string{kUpstreamStateNames[i]}});
      add_value(connections, std::move(labels), service.upstream_connections[i]);
    }
  }
  for (MetricFamily* family : {&requests, &responses, &repicks, &streams, &queued, &connections}) {
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

void add_choices(Families& families, const std::vector<ServiceTotals>& services) {
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
  MetricFamily spills{"nodeway_zone_spills_total",
                      "Attempts placed in other zones: the own zone's endpoints were busy or out.",
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
    add_value(spills, labels_of(service), service.zone_spills);
  }
  for (MetricFamily* family : {&ejections, &ejected, &panic, &spills}) {
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

void add_process(Families& families, const ProcessFigures& process, const std::string& version) {
  add_value(add_family(families,
                       "nodeway_build_info",
                       MetricType::Gauge,
                       "Always 1; the label tells the version."),
            {{"version", version}},
            1.0);
  add_value(add_family(families,
                       "process_cpu_seconds_total",
                       MetricType::Counter,
                       "User and system time spent."),
            {},
            process.cpu_seconds);
  const auto add = [&families](const char* name, const char* help, auto value) {
    add_gauge(families, name, help, static_cast<double>(value));
  };
  add("process_resident_memory_bytes", "Memory in RAM.", process.resident_memory_bytes);
  add("process_virtual_memory_bytes", "Address space in use.", process.virtual_memory_bytes);
  add("process_open_fds", "File descriptors in use.", process.open_fds);
  add("process_max_fds", "File descriptors allowed.", process.max_fds);
  add("process_threads", "Threads.", process.threads);
  add("process_start_time_seconds", "Start, since the epoch.", process.start_time_seconds);
}

}  // namespace

std::string render_metrics(const Exposed& exposed) {
  const std::vector<ServiceTotals> services = sum_services(exposed.cores);
  Families families;
  add_requests(families, services);
  add_retries(families, services);
  add_choices(families, services);
  add_latencies(families, services);
  add_core_figures(families, exposed.cores);
  add_control_families(families, exposed.control, exposed.now);
  if (exposed.certificate != nullptr) {
    add_certificate(families, *exposed.certificate);
  }
  add_process(families, exposed.process, exposed.version);
  return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace router::telemetry
