// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace router {

template <class T>
using Result = boost::system::result<T>;
using boost::system::error_code;

/// Every way in which the router itself can end a request.
///
/// The reasons are part of the metrics contract (label `reason`): append, never renumber. 0 is
/// reserved for success.
enum class Errc : std::uint8_t {
  bad_request = 1,
  bad_authority,
  headers_too_large,
  header_timeout,
  method_not_allowed,
  unknown_service,
  unknown_port,
  loop,
  not_ready,
  draining,
  upstream_reset,
  upstream_protocol_error,
  connect_failed,
  connect_timeout,
  stream_refused,
  no_endpoints,
  overloaded,
  queue_timeout,
  deadline_exceeded,
  client_cancelled,
  internal,
  denied,
  all_ejected,
  response_timeout,
  caller_limit,
};

/// Whether the request may have reached the application.
enum class Sent : std::uint8_t { no, maybe };

/// What the peers are told, and what a further attempt may assume, for one `Errc`.
struct Verdict {
  Errc code;
  std::string_view reason;    ///< metrics label, log field and `nodeway-error` header, `[a-z_]+`
  std::uint16_t http_status;  ///< for plain HTTP requests
  std::uint8_t grpc_status;   ///< for `application/grpc*`; see gRPC `statuscodes.md`
  Sent sent;                  ///< `no` makes a re-pick safe for any method
  std::string_view text;      ///< what a person is told first; the cause in detail follows it
};

inline constexpr std::size_t kErrcCount = static_cast<std::size_t>(Errc::caller_limit);

[[nodiscard]] const Verdict& verdict_of(Errc code) noexcept;
[[nodiscard]] error_code make_error_code(Errc code) noexcept;

}  // namespace router

template <>
struct boost::system::is_error_code_enum<router::Errc> : std::true_type {};
