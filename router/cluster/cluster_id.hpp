// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace router {

/// Names one Service port for the life of the process: the same (namespace, Service, port number)
/// keeps its id over all snapshots, also when it vanishes and comes back. Dense, from 0: workers
/// index arrays with it.
using ClusterId = std::uint32_t;

}  // namespace router
