// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace router {

/// A set of replies, told apart by their status: gRPC's where there is one, else HTTP's.
///
/// The two classifiers of docs/configuration.md are of this kind: what is a success, and what
/// speaks against the endpoint that sent it.
struct ReplyClass {
  static constexpr std::size_t kGrpcStatuses = 17;  ///< 0 to 16; see gRPC `statuscodes.md`
  static constexpr std::uint16_t kMinHttpStatus = 100;
  static constexpr std::uint16_t kMaxHttpStatus = 999;
  using GrpcStatuses = std::bitset<kGrpcStatuses>;
  using HttpStatuses = std::bitset<kMaxHttpStatus + 1>;

  GrpcStatuses grpc;
  HttpStatuses http;

  [[nodiscard]] bool has(std::uint16_t http_status,
                         std::optional<std::uint8_t> grpc_status) const noexcept {
    if (grpc_status) {
      return *grpc_status < kGrpcStatuses && grpc[*grpc_status];
    }
    return http_status <= kMaxHttpStatus && http[http_status];
  }

  friend bool operator==(const ReplyClass&, const ReplyClass&) = default;
};

/// gRPC status 0 (OK), or HTTP below 500.
[[nodiscard]] ReplyClass default_successes() noexcept;

/// gRPC 4 (DEADLINE_EXCEEDED), 8 (RESOURCE_EXHAUSTED), 13 (INTERNAL), 14 (UNAVAILABLE),
/// 15 (DATA_LOSS); HTTP 429, and from 500 on but for 501. INVALID_ARGUMENT is the caller's fault.
[[nodiscard]] ReplyClass default_endpoint_failures() noexcept;

/// Adds the statuses from `first` to `last`, both included.
void add_range(ReplyClass::HttpStatuses& statuses, std::uint16_t first, std::uint16_t last);

}  // namespace router
