// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/access_review.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace k8s_client;
using nlohmann::json;

TEST_CASE("access_review_object: names what is asked for, and leaves out what is not",
          "[k8s_client]") {
  const json everywhere = access_review_object(
      {.verb = "watch", .group = "discovery.k8s.io", .resource = "endpointslices"});
  const json one = access_review_object(
      {.verb = "list", .resource = "configmaps", .ns = "nodeway-system", .name = "nodeway"});

  CHECK(everywhere["kind"] == "SelfSubjectAccessReview");
  CHECK(everywhere["spec"]["resourceAttributes"] ==
        json{{"verb", "watch"}, {"group", "discovery.k8s.io"}, {"resource", "endpointslices"}});
  CHECK(one["spec"]["resourceAttributes"] == json{{"verb", "list"},
                                                  {"group", ""},
                                                  {"resource", "configmaps"},
                                                  {"namespace", "nodeway-system"},
                                                  {"name", "nodeway"}});
}

TEST_CASE("decode_access_review: tells the verdict, and a reply without one", "[k8s_client]") {
  const Result<bool> yes = decode_access_review(json{{"status", {{"allowed", true}}}});
  const Result<bool> no = decode_access_review(json{{"status", {{"allowed", false}}}});

  REQUIRE(yes.has_value());
  CHECK(*yes);
  REQUIRE(no.has_value());
  CHECK_FALSE(*no);
  for (const json& reply : {json::object(), json{{"status", "?"}}, json::array({1}), json{}}) {
    CAPTURE(reply.dump());
    CHECK(decode_access_review(reply).error().code == Errc::malformed_reply);
  }
}
