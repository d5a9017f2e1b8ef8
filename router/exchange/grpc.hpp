// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace router {

/// Parses `grpc-timeout`: 1 to 8 digits and a unit of H, M, S, m, u, n. Nothing if it is malformed.
/// Source: gRPC "PROTOCOL-HTTP2", Timeout.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text);

/// The same as text, in the finest unit that holds it in 8 digits, rounded down; at least `1n`.
[[nodiscard]] std::string format_grpc_timeout(std::chrono::nanoseconds timeout);

/// UNKNOWN: also what clients make of a reply of status 200 that ends without a `grpc-status`.
inline constexpr std::uint8_t kGrpcUnknown = 2;

/// `grpc-status` of a reply's head or trailers. Nothing if there is none; 2 (UNKNOWN) if it is no
/// number from 0 to 16.
[[nodiscard]] std::optional<std::uint8_t> grpc_status_of(const HeaderList& fields);

/// Whether a request is one of gRPC-Web, whose replies have their status in the body.
[[nodiscard]] bool is_grpc_web(const HeaderList& fields);

}  // namespace router
