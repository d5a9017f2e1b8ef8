// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/identifier.hpp"

#include "tests/router/resolve/allocations.hpp"

#include <optional>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using namespace router;

namespace {

RequestHead request(std::string_view path, bool is_grpc = false) {
  RequestHead head;
  head.method = "POST";
  head.authority = "node:4140";
  head.path = path;
  head.is_grpc = is_grpc;
  return head;
}

std::string name_of(const Identifiers& identifiers, const RequestHead& head) {
  IdentifiedName identified;
  return std::string{identified.find(identifiers, head).value_or("(none)")};
}

/// The path that an endpoint gets.
std::string path_after(const Identifiers& identifiers, std::string_view path) {
  RequestHead head = request(path);
  IdentifiedName identified;
  REQUIRE(identified.find(identifiers, head));
  remove_identification(identifiers, identified.consumed_bytes(), head);
  return std::string{head.path};
}

}  // namespace

TEST_CASE("IdentifiedName: the first identifier that applies decides", "[resolve]") {
  RequestHead with_header = request("/");
  with_header.fields.add_copy("l5d-dst-override", "cart.shop");

  CHECK(name_of(default_identifiers(), with_header) == "cart.shop");
  CHECK(name_of(default_identifiers(), request("/")) == "node:4140");
  CHECK(name_of({AuthorityIdentifier{}, HeaderIdentifier{}}, with_header) == "node:4140");
  CHECK(name_of({HeaderIdentifier{"x-to"}}, with_header) == "(none)");
  CHECK(name_of({PathIdentifier{}, AuthorityIdentifier{}}, request("/")) == "node:4140");
}

TEST_CASE("IdentifiedName: a header that is there decides, even if it is empty", "[resolve]") {
  RequestHead head = request("/");
  head.fields.add_copy("l5d-dst-override", "");

  CHECK(name_of(default_identifiers(), head).empty());
}

TEST_CASE("IdentifiedName: a gRPC service is looked up, else put into the template", "[resolve]") {
  const Identifiers both{GrpcPathIdentifier{{{"shop.v1.Cart", "cart.shop:50051"}, {"Till", "t.u"}},
                                            "{service}-svc.{package}"}};
  const Identifiers table{GrpcPathIdentifier{{{"shop.v1.Cart", "cart.shop:50051"}}, ""}};

  CHECK(name_of(both, request("/shop.v1.Cart/Add", true)) == "cart.shop:50051");
  CHECK(name_of(both, request("/Till/Open", true)) == "t.u");
  CHECK(name_of(both, request("/shop.v1.Users/Get", true)) == "Users-svc.shop-v1");
  CHECK(name_of(both, request("/Users/Get", true)) == "Users-svc.");
  CHECK(name_of(table, request("/shop.v1.Users/Get", true)) == "(none)");
  CHECK(name_of(both, request("/shop.v1.Cart/Add", false)) == "(none)");
  CHECK(name_of(both, request("/shop.v1.Cart", true)) == "(none)");
  CHECK(name_of(both, request("*", true)) == "(none)");
}

TEST_CASE("IdentifiedName: the first segments of a path make a name", "[resolve]") {
  const Identifiers one{PathIdentifier{}};
  const Identifiers two{PathIdentifier{.segments = 2}};

  CHECK(name_of(one, request("/cart.shop/items")) == "cart.shop");
  CHECK(name_of(one, request("/cart.shop")) == "cart.shop");
  CHECK(name_of(one, request("/cart?a=/b")) == "cart");
  CHECK(name_of(two, request("/cart/shop/items?x")) == "cart.shop");
  for (const char* const path : {"/", "*", "//cart", "/?cart"}) {
    CAPTURE(path);
    CHECK(name_of(one, request(path)) == "(none)");
  }
  CHECK(name_of(two, request("/cart")) == "(none)");
  CHECK(name_of(two, request("/cart/")) == "(none)");
  CHECK(name_of(two, request("/cart/?shop")) == "(none)");
}

TEST_CASE("remove_identification: consumed segments do not reach the endpoint", "[resolve]") {
  const Identifiers consuming{PathIdentifier{.segments = 1, .consume = true}};

  CHECK(path_after(consuming, "/cart.shop/items?a=1") == "/items?a=1");
  CHECK(path_after(consuming, "/cart.shop/") == "/");
  CHECK(path_after(consuming, "/cart.shop") == "/");
  CHECK(path_after(consuming, "/cart.shop?a=1") == "/?a=1");
  CHECK(path_after({PathIdentifier{}}, "/cart.shop/items") == "/cart.shop/items");
}

TEST_CASE("remove_identification: fields that identify are for us alone", "[resolve]") {
  RequestHead head = request("/");
  head.fields.add_copy("x-to", "cart.shop");
  head.fields.add_copy("l5d-dst-override", "till.shop");

  remove_identification({AuthorityIdentifier{}, HeaderIdentifier{"x-to"}}, 0, head);

  CHECK_FALSE(head.fields.find("x-to"));
  CHECK(head.fields.find("l5d-dst-override"));  // means nothing here, and passes like any other
}

TEST_CASE("IdentifiedName: allocates nothing, and overlong names are cut", "[resolve]") {
  const Identifiers identifiers{GrpcPathIdentifier{{{"a.B", "a.b"}}, "{service}.{package}"},
                                PathIdentifier{.segments = 3}};
  const std::string long_path = "/" + std::string(400, 'a') + "/" + std::string(400, 'b') + "/c";
  const RequestHead plain = request(long_path);
  const RequestHead grpc = request("/shop.v1.Cart/Add", true);
  IdentifiedName identified;
  std::size_t n_bytes = 0;

  const std::size_t before = test::allocations();
  n_bytes += identified.find(identifiers, plain).value_or("").size();
  n_bytes += identified.find(identifiers, grpc).value_or("").size();
  const std::size_t after = test::allocations();

  CHECK(after == before);
  CHECK(n_bytes == 512 + std::string_view{"Cart.shop-v1"}.size());
}
