// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/counters.hpp"
#include "tests/demo/delay_queue.hpp"
#include "tests/demo/operation.hpp"
#include "tests/demo/percentage_upstreams.hpp"

#include <chrono>
#include <grpcpp/impl/service_type.h>
#include <memory>
#include <vector>

namespace demo {

/// The gRPC services of `operations`. Each call works (waits) for `delay`. References outlive the
/// services.
[[nodiscard]] std::vector<std::unique_ptr<grpc::Service>> make_operation_services(
    const std::vector<Operation>& operations,
    const PercentageUpstreams& upstreams,
    std::chrono::microseconds delay,
    DelayQueue& delays,
    Counters& counters);

}  // namespace demo
