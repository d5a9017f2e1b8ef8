// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace demo {

/// Where `percentage` finds one of the two operations that it calls.
struct UpstreamService {
  std::string authority;  ///< `:authority` and `Host`
  std::string grpc;       ///< ADDR:PORT; empty: not called, computed here
  std::string http;       ///< ADDR:PORT; empty: not called, computed here
};

struct PercentageUpstreams {
  UpstreamService mult;
  UpstreamService div;
};

}  // namespace demo
