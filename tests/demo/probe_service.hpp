// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/counters.hpp"

#include <grpcpp/impl/service_type.h>
#include <memory>

namespace demo {

/// Service `calculator.Probe`, see calculator.proto. `counters` outlives it.
[[nodiscard]] std::unique_ptr<grpc::Service> make_probe_service(Counters& counters);

}  // namespace demo
