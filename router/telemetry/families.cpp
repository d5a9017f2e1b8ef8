// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/families.hpp"

#include <array>
#include <utility>

namespace router::telemetry {
namespace {

using prometheus::ClientMetric;

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

}  // namespace

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

void add_gauge(Families& families, std::string name, std::string help, double value) {
  add_value(add_family(families, std::move(name), MetricType::Gauge, std::move(help)), {}, value);
}

void add_counter(Families& families, std::string name, std::string help, std::uint64_t value) {
  add_value(add_family(families, std::move(name), MetricType::Counter, std::move(help)), {}, value);
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

}  // namespace router::telemetry
