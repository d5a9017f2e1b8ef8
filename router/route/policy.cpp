// SPDX-License-Identifier: Apache-2.0
#include "router/route/policy.hpp"

namespace router {

RetryConditions default_retry_conditions() noexcept {
  RetryConditions conditions;
  for (const auto condition : {RetryCondition::reset,
                               RetryCondition::timeout,
                               RetryCondition::grpc_unavailable,
                               RetryCondition::http_502,
                               RetryCondition::http_503,
                               RetryCondition::http_504}) {
    conditions.set(static_cast<std::size_t>(condition));
  }
  return conditions;
}

std::optional<RetryCondition> retry_condition(std::uint16_t http_status,
                                              std::optional<std::uint8_t> grpc_status) noexcept {
  // Source: gRPC `statuscodes.md`.
  switch (grpc_status.value_or(0)) {
    case 1:
      return RetryCondition::grpc_cancelled;
    case 2:
      return RetryCondition::grpc_unknown;
    case 4:
      return RetryCondition::grpc_deadline_exceeded;
    case 8:
      return RetryCondition::grpc_resource_exhausted;
    case 10:
      return RetryCondition::grpc_aborted;
    case 13:
      return RetryCondition::grpc_internal;
    case 14:
      return RetryCondition::grpc_unavailable;
    case 15:
      return RetryCondition::grpc_data_loss;
    default:
      break;
  }
  switch (http_status) {
    case 429:
      return RetryCondition::http_429;
    case 500:
      return RetryCondition::http_500;
    case 502:
      return RetryCondition::http_502;
    case 503:
      return RetryCondition::http_503;
    case 504:
      return RetryCondition::http_504;
    default:
      return std::nullopt;
  }
}

}  // namespace router
