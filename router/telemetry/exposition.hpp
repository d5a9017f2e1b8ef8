// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/metrics.hpp"
#include "router/telemetry/process_figures.hpp"

#include <chrono>
#include <span>
#include <string>

namespace router::control {
struct CertificateStatus;
struct ControlStatus;
}  // namespace router::control

namespace router::telemetry {

/// Everything that /metrics shows, at one moment.
struct Exposed {
  std::span<const CoreMetrics* const> cores;
  const control::ControlStatus& control;
  const control::CertificateStatus* certificate;  ///< null without a TLS listener
  const ProcessFigures& process;
  std::chrono::steady_clock::time_point now;  ///< for the ages of watches
  std::string version;
};

/// Writes the text format 0.0.4 of Prometheus, summed over the cores. docs/metrics.md lists its
/// names. Source: https://prometheus.io/docs/instrumenting/exposition_formats/
[[nodiscard]] std::string render_metrics(const Exposed& exposed);

/// The content type that belongs to it.
inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace router::telemetry
