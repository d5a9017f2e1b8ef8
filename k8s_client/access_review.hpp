// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_connection.hpp"
#include "k8s_client/errc.hpp"

#include <string>

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

namespace k8s_client {

/// Something that RBAC may allow or not.
struct Access {
  std::string verb;        ///< `list`, `watch`, `create`, …
  std::string group = {};  ///< API group; "" is the core
  std::string resource;    ///< plural
  std::string ns = {};     ///< "" for all namespaces
  std::string name = {};   ///< of the only object meant; "" for all of them
};

/// The SelfSubjectAccessReview that asks for it. Source: kubernetes
/// `staging/src/k8s.io/api/authorization/v1` ResourceAttributes.
[[nodiscard]] nlohmann::json access_review_object(const Access& access);

/// What the server made of it. `malformed_reply`: it says nothing.
[[nodiscard]] Result<bool> decode_access_review(const nlohmann::json& review);

/// Whether we may do that. Everybody who is known to the server may ask.
[[nodiscard]] boost::asio::awaitable<Result<bool>> ask_for_access(ApiConnection& connection,
                                                                  const Access& access);

}  // namespace k8s_client
