// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/assert/source_location.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace k8s_client {

using boost::system::error_code;

/// Every way in which this module's own work can fail. Failures of the network stay Asio's and
/// OpenSSL's codes.
enum class Errc : std::uint8_t {
  version_expired =
      1,  ///< HTTP 410 or such an ERROR event: our place in the history is gone, list afresh
  version_too_large,  ///< the server is behind the version asked for; it may be another, slower
                      ///< server
  unauthorized,       ///< HTTP 401: the token is read again before the next try
  forbidden,          ///< HTTP 403: RBAC; does not heal by itself, yet is retried for ever
  not_found,          ///< HTTP 404
  too_many_requests,  ///< HTTP 429
  server_error,       ///< HTTP 5xx
  unexpected_status,  ///< any other HTTP status
  malformed_reply,    ///< not HTTP, not JSON, or JSON of another shape than the API's
  too_large,          ///< an object, a line or a reply above its limit
  connect_timeout,    ///< TCP or TLS not established in time
  reply_timeout,      ///< a reply, or the next part of it, did not come in time
  watch_stalled,      ///< neither event nor bookmark for so long that the connection must be dead
  audit_difference,   ///< the store is not what the API server lists, and no event is to come
  missing_field,      ///< an object lacks what it must have
  wrong_type,         ///< a field holds another type, or a value outside its range
  bad_file,           ///< a file cannot be read or understood
  not_in_cluster,     ///< the environment and mounts of a pod are not there
};

[[nodiscard]] error_code make_error_code(Errc code) noexcept;

/// Why something failed: for the program the code, for people the words.
struct Failure {
  Failure() = default;  ///< no failure; only what `Result::error` of a success gives
  Failure(error_code why) : code{why} {}             // NOLINT(google-explicit-constructor)
  Failure(Errc why) : code{make_error_code(why)} {}  // NOLINT(google-explicit-constructor)
  Failure(Errc why, std::string words) : code{make_error_code(why)}, text{std::move(words)} {}
  Failure(error_code why, std::string words) : code{why}, text{std::move(words)} {}

  /// One line: the words, or those of the code if there are none.
  [[nodiscard]] std::string message() const { return text.empty() ? code.message() : text; }

  error_code code;
  std::string text;
  std::string field;  ///< of an object: `spec.ports[0].port`; "" if none is to blame
  std::optional<std::chrono::seconds> retry_after;  ///< the server's wish, with 429, 503 and 504
};

/// What `Result::value` does with a failure that nobody has tested for. Found by Boost through its
/// argument.
[[noreturn]] void throw_exception_from_error(const Failure& failure,
                                             const boost::source_location& where);

/// Errors as values. They carry words (which file, which field, what the server said), since each
/// of them ends in front of an operator.
template <class T>
using Result = boost::system::result<T, Failure>;

}  // namespace k8s_client

template <>
struct boost::system::is_error_code_enum<k8s_client::Errc> : std::true_type {};
