// SPDX-License-Identifier: Apache-2.0
#include "router/errc.hpp"

#include <array>
#include <cstddef>
#include <string>

namespace router {
namespace {

// The single place where an error's outward meaning is decided; docs/errors.md shows this table.
constexpr std::array kVerdicts{
    // code, reason, HTTP, gRPC, sent, text
    Verdict{Errc::bad_request, "bad_request", 400, 13, Sent::no, "the request is malformed"},
    Verdict{
        Errc::bad_authority, "bad_authority", 400, 3, Sent::no, "the authority names no service"},
    Verdict{Errc::headers_too_large,
            "headers_too_large",
            431,
            8,
            Sent::no,
            "the header fields are too large"},
    Verdict{Errc::header_timeout,
            "header_timeout",
            408,
            4,
            Sent::no,
            "the header fields came too slowly"},
    Verdict{
        Errc::method_not_allowed, "method_not_allowed", 405, 12, Sent::no, "CONNECT is not served"},
    Verdict{Errc::unknown_service, "unknown_service", 404, 12, Sent::no, "no such Service"},
    Verdict{Errc::unknown_port, "unknown_port", 404, 12, Sent::no, "the Service has no such port"},
    Verdict{
        Errc::loop, "loop", 508, 10, Sent::no, "the request has been through this router already"},
    Verdict{
        Errc::not_ready, "not_ready", 503, 14, Sent::no, "the router has not seen the cluster yet"},
    Verdict{Errc::draining, "draining", 503, 14, Sent::no, "the router is shutting down"},
    Verdict{Errc::upstream_reset,
            "upstream_reset",
            502,
            14,
            Sent::maybe,
            "the endpoint ended the request early"},
    Verdict{Errc::upstream_protocol_error,
            "upstream_protocol_error",
            502,
            13,
            Sent::maybe,
            "the endpoint broke the protocol"},
    Verdict{Errc::connect_failed,
            "connect_failed",
            503,
            14,
            Sent::no,
            "no endpoint could be connected"},
    Verdict{Errc::connect_timeout,
            "connect_timeout",
            503,
            14,
            Sent::no,
            "no endpoint answered in time"},
    Verdict{Errc::stream_refused,
            "stream_refused",
            503,
            14,
            Sent::no,
            "every endpoint tried refused the stream"},
    Verdict{
        Errc::no_endpoints, "no_endpoints", 503, 14, Sent::no, "the Service has no ready endpoint"},
    Verdict{Errc::overloaded,
            "overloaded",
            503,
            14,
            Sent::no,
            "the Service has more calls than it can take"},
    Verdict{Errc::queue_timeout,
            "queue_timeout",
            503,
            14,
            Sent::no,
            "no endpoint became usable in time"},
    Verdict{Errc::deadline_exceeded,
            "deadline_exceeded",
            504,
            4,
            Sent::maybe,
            "the deadline has passed"},
    Verdict{
        Errc::client_cancelled, "client_cancelled", 499, 1, Sent::maybe, "the client went away"},
    Verdict{Errc::internal, "internal", 500, 13, Sent::maybe, "the router failed"},
    Verdict{Errc::denied, "denied", 403, 7, Sent::no, "the caller may not call here"},
    Verdict{Errc::all_ejected,
            "all_ejected",
            503,
            14,
            Sent::no,
            "every endpoint of the Service has been ejected"},
    Verdict{Errc::response_timeout,
            "response_timeout",
            504,
            4,
            Sent::maybe,
            "the reply took longer than is allowed"},
    Verdict{Errc::caller_limit,
            "caller_limit",
            429,
            8,
            Sent::no,
            "the caller has too many connections or requests open"},
};

constexpr std::size_t row_of(Errc code) {
  return static_cast<std::size_t>(code) - 1;
}

constexpr bool rows_are_in_enum_order() {
  for (std::size_t i = 0; i < kVerdicts.size(); ++i) {
    if (row_of(kVerdicts[i].code) != i) {
      return false;
    }
  }
  return true;
}
static_assert(rows_are_in_enum_order());
static_assert(kVerdicts.size() == kErrcCount);

class Category final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "nodeway"; }
  [[nodiscard]] std::string message(int value) const override {
    return std::string{verdict_of(static_cast<Errc>(value)).text};
  }
};

}  // namespace

const Verdict& verdict_of(Errc code) noexcept {
  return kVerdicts[row_of(code)];
}

error_code make_error_code(Errc code) noexcept {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace router
