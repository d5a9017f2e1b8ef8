// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/histogram.hpp"

#include <chrono>
#include <cstdint>
#include <prometheus/metric_family.h>
#include <string>
#include <vector>

/// How the families of /metrics are put together.
namespace router::telemetry {

using prometheus::MetricFamily;
using prometheus::MetricType;
using Families = std::vector<MetricFamily>;
using Labels = std::vector<prometheus::ClientMetric::Label>;

[[nodiscard]] double seconds(std::chrono::nanoseconds duration);

/// Appends a family without samples. The reference holds until the next one is added.
MetricFamily& add_family(Families& families, std::string name, MetricType type, std::string help);

/// Appends a family with a single sample, which has no labels.
void add_gauge(Families& families, std::string name, std::string help, double value);
void add_counter(Families& families, std::string name, std::string help, std::uint64_t value);

/// Adds a sample to a counter or a gauge.
void add_value(MetricFamily& family, Labels labels, double value);
void add_value(MetricFamily& family, Labels labels, std::uint64_t value);

/// Adds a histogram's buckets, sum and count.
void add_histogram(MetricFamily& family, Labels labels, const HistogramCounts& counts);

}  // namespace router::telemetry
