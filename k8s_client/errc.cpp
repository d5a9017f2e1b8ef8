// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/errc.hpp"

#include <string>

#include <boost/system/system_error.hpp>
#include <boost/throw_exception.hpp>

namespace k8s_client {
namespace {

const char* text_of(Errc code) noexcept {
  switch (code) {
    case Errc::version_expired:
      return "resource version expired";
    case Errc::version_too_large:
      return "resource version is ahead of the server";
    case Errc::unauthorized:
      return "unauthorized";
    case Errc::forbidden:
      return "forbidden";
    case Errc::not_found:
      return "not found";
    case Errc::too_many_requests:
      return "too many requests";
    case Errc::server_error:
      return "API server error";
    case Errc::unexpected_status:
      return "unexpected HTTP status";
    case Errc::malformed_reply:
      return "malformed reply";
    case Errc::too_large:
      return "too large";
    case Errc::connect_timeout:
      return "connect timed out";
    case Errc::reply_timeout:
      return "reply timed out";
    case Errc::watch_stalled:
      return "watch stalled";
    case Errc::audit_difference:
      return "audit found differences";
    case Errc::missing_field:
      return "missing field";
    case Errc::wrong_type:
      return "wrong type or value";
    case Errc::bad_file:
      return "bad file";
    case Errc::not_in_cluster:
      return "not in a cluster";
  }
  return "unknown error";
}

class Category final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "k8s_client"; }

  [[nodiscard]] std::string message(int value) const override {
    return text_of(static_cast<Errc>(value));
  }
};

}  // namespace

void throw_exception_from_error(const Failure& failure, const boost::source_location& where) {
  boost::throw_exception(boost::system::system_error{failure.code, failure.text}, where);
}

error_code make_error_code(Errc code) noexcept {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace k8s_client
