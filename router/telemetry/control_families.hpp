// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/families.hpp"

#include <chrono>

namespace router::control {
struct CertificateStatus;
struct ControlStatus;
}  // namespace router::control

namespace router::telemetry {

/// What /metrics shows of the control plane: the cluster, the watches, DNS, the saved view and the
/// configuration. `now`: for ages.
void add_control_families(Families& families,
                          const control::ControlStatus& control,
                          std::chrono::steady_clock::time_point now);

/// The certificate of the TLS listener.
void add_certificate(Families& families, const control::CertificateStatus& certificate);

}  // namespace router::telemetry
