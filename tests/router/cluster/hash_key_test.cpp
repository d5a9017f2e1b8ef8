// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/hash_key.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace router {
namespace {

using Part = HashOn::Part;

const auto kPeer = boost::asio::ip::make_address("10.1.0.7");

RequestHead request_with(const std::vector<std::pair<std::string_view, std::string_view>>& fields,
                         std::string_view path = "/") {
  RequestHead head;
  head.method = "GET";
  head.path = path;
  for (const auto& [name, value] : fields) {
    head.fields.add_copy(name, value);
  }
  return head;
}

Policy ring_on(Part part, std::string name = {}) {
  Policy policy;
  policy.balancer = BalancerKind::ring_hash;
  policy.hash_on = {.part = part, .name = std::move(name)};
  return policy;
}

std::optional<std::uint64_t> key(const Policy& policy, const RequestHead& request) {
  return hash_key_of(policy, request, {}, kPeer);
}

}  // namespace

TEST_CASE("hash_key_of: a header field counts by its value alone", "[cluster]") {
  const Policy on_user = ring_on(Part::header, "x-user-id");

  const auto anna = key(on_user, request_with({{"x-user-id", "anna"}, {"accept", "a"}}, "/1"));

  REQUIRE(anna.has_value());
  CHECK(key(on_user, request_with({{"x-user-id", "anna"}}, "/2")) == anna);
  CHECK(key(on_user, request_with({{"x-user-id", "otto"}})) != anna);
  CHECK_FALSE(key(on_user, request_with({{"x-user", "anna"}})).has_value());
}

TEST_CASE("hash_key_of: a cookie is found among others, in one field or in several", "[cluster]") {
  const Policy on_session = ring_on(Part::cookie, "session");
  const auto alone = key(on_session, request_with({{"cookie", "session=abc"}}));
  REQUIRE(alone.has_value());

  CHECK(key(on_session, request_with({{"cookie", "a=1; session=abc; b=2"}})) == alone);
  CHECK(key(on_session, request_with({{"cookie", "a=1;session=abc"}})) == alone);
  CHECK(key(on_session, request_with({{"cookie", "a=1"}, {"cookie", "session=abc"}})) == alone);
  CHECK(key(on_session, request_with({{"cookie", "session=abd"}})) != alone);
  CHECK_FALSE(key(on_session, request_with({{"cookie", "mysession=abc; session"}})).has_value());
  CHECK_FALSE(key(on_session, request_with({{"cookie", "; ;"}})).has_value());
  CHECK_FALSE(key(on_session, request_with({})).has_value());
}

TEST_CASE("hash_key_of: the path counts without its query", "[cluster]") {
  const Policy on_path = ring_on(Part::path);
  const auto cart = key(on_path, request_with({}, "/cart"));

  CHECK(key(on_path, request_with({}, "/cart?item=1")) == cart);
  CHECK(key(on_path, request_with({}, "/cart/1")) != cart);
}

TEST_CASE("hash_key_of: a caller counts by its pod, and by its address if it is none",
          "[cluster]") {
  const RequestHead request = request_with({});
  const auto other = boost::asio::ip::make_address("10.1.0.8");
  const CallerPod pod{.namespace_ = "shop", .name = "web-1", .service_account = {}, .workload = {}};
  const Caller caller{.pod = &pod, .is_allowed = true};

  const Policy on_ip = ring_on(Part::caller_ip);
  CHECK(hash_key_of(on_ip, request, caller, kPeer) == hash_key_of(on_ip, request, {}, kPeer));
  CHECK(hash_key_of(on_ip, request, caller, kPeer) != hash_key_of(on_ip, request, caller, other));

  const Policy on_pod = ring_on(Part::caller_pod);
  CHECK(hash_key_of(on_pod, request, caller, kPeer) == hash_key_of(on_pod, request, caller, other));
  CHECK(hash_key_of(on_pod, request, {}, kPeer) == hash_key_of(on_ip, request, {}, kPeer));
}

TEST_CASE("hash_key_of: other policies ask for none", "[cluster]") {
  CHECK_FALSE(key(Policy{}, request_with({})).has_value());
}

}  // namespace router
