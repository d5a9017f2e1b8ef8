// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/counters.hpp"
#include "tests/demo/delay_queue.hpp"

#include <grpcpp/impl/service_type.h>
#include <memory>

namespace demo {

/// Service `calculator.Probe`, see calculator.proto. References outlive it.
[[nodiscard]] std::unique_ptr<grpc::Service> make_probe_service(DelayQueue& delays,
                                                                Counters& counters);

}  // namespace demo
