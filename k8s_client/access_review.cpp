// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/access_review.hpp"

#include "k8s_client/api_call.hpp"

#include <utility>

#include <nlohmann/json.hpp>

namespace k8s_client {

namespace asio = boost::asio;

nlohmann::json access_review_object(const Access& access) {
  nlohmann::json attributes = {
      {"verb", access.verb}, {"group", access.group}, {"resource", access.resource}};
  if (!access.ns.empty()) {
    attributes["namespace"] = access.ns;
  }
  if (!access.name.empty()) {
    attributes["name"] = access.name;
  }
  return {{"apiVersion", "authorization.k8s.io/v1"},
          {"kind", "SelfSubjectAccessReview"},
          {"spec", {{"resourceAttributes", std::move(attributes)}}}};
}

Result<bool> decode_access_review(const nlohmann::json& review) {
  const auto allowed = nlohmann::json::json_pointer{"/status/allowed"};
  if (!review.contains(allowed) || !review.at(allowed).is_boolean()) {
    return Failure{Errc::malformed_reply, "access review: no verdict in the reply"};
  }
  return review.at(allowed).get<bool>();
}

asio::awaitable<Result<bool>> ask_for_access(ApiConnection& connection, const Access& access) {
  const ApiRequest request{.path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                           .body = access_review_object(access).dump()};
  const Result<std::string> reply = co_await call_api(connection, request);
  if (!reply) {
    co_return reply.error();
  }
  co_return decode_access_review(
      nlohmann::json::parse(*reply, nullptr, /*allow_exceptions=*/false));
}

}  // namespace k8s_client
