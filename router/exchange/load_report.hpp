// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"

#include <optional>

namespace router {

/// What an endpoint says of its own load, of what weights are made from. 0: it does not say.
struct LoadReport {
  double utilization = 0;          ///< the application's own if it tells one, else that of the CPU
  double requests_per_second = 0;  ///< of all its callers
  double errors_per_second = 0;

  friend bool operator==(const LoadReport&, const LoadReport&) = default;
};

/// The report in the head or the trailers of a reply, in any of the forms that are in use:
/// `endpoint-load-metrics-bin` (an OrcaLoadReport in base64, gRPC's own), `endpoint-load-metrics`
/// with `TEXT cpu_utilization=0.3,rps_fractional=20`, `JSON {…}` or `BIN …`, and
/// `endpoint-load-metrics-json`. The first that can be read counts. Nothing if there is none, or if
/// one of its figures is negative or not finite; what else it says is passed over.
/// Source: gRFC A51; xds.data.orca.v3.OrcaLoadReport; Envoy for the forms over HTTP; gRFC A114 for
/// which utilization counts.
[[nodiscard]] std::optional<LoadReport> load_report_of(const HeaderList& fields);

}  // namespace router
