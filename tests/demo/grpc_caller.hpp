// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/caller.hpp"

#include <map>
#include <memory>

namespace demo {

/// Calls over gRPC: one channel, and so one connection, for each different address. Each call waits
/// at most ten seconds. The caller may be used by any threads at once.
[[nodiscard]] std::unique_ptr<Caller> make_grpc_caller(
    const std::map<Operation, CallTarget>& targets);

}  // namespace demo
