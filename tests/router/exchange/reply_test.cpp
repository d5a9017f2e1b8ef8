// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/reply.hpp"

#include <catch2/catch.hpp>

namespace router {

TEST_CASE("make_local_reply: a gRPC caller gets a trailers-only response that names the cause",
          "[exchange]") {
  const LocalReply reply = make_local_reply(Errc::unknown_service, "\"cart.shop\"", true);

  CHECK(reply.head.status == 200);
  CHECK(reply.body.empty());
  CHECK(reply.head.fields.find("content-type") == "application/grpc");
  CHECK(reply.head.fields.find("grpc-status") == "12");
  CHECK(reply.head.fields.find("grpc-message") == "nodeway: no such Service: \"cart.shop\"");
  CHECK(reply.head.fields.find("nodeway-error") == "unknown_service");
}

TEST_CASE("make_local_reply: others get the HTTP status and one line of text", "[exchange]") {
  const LocalReply reply = make_local_reply(Errc::no_endpoints, "cart.shop:80", false);

  CHECK(reply.head.status == 503);
  CHECK(reply.body == "nodeway: the Service has no ready endpoint: cart.shop:80\n");
  CHECK(reply.head.fields.find("content-length") == std::to_string(reply.body.size()));
  CHECK(reply.head.fields.find("nodeway-error") == "no_endpoints");
}

TEST_CASE("make_local_reply: what a peer sent cannot break out of its line", "[exchange]") {
  const LocalReply plain = make_local_reply(Errc::bad_authority, "a\r\nset-cookie: b", false);
  const LocalReply grpc = make_local_reply(Errc::bad_authority, "a\r\nb%\xff", true);

  CHECK(plain.body.find('\r') == std::string::npos);
  CHECK(plain.body.find('\n') == plain.body.size() - 1);
  CHECK(grpc.head.fields.find("grpc-message") ==
        "nodeway: the authority names no service: a%0D%0Ab%25%FF");
}

TEST_CASE("verdict_of: every error has a reason of its own and meaningful statuses", "[exchange]") {
  for (std::size_t code = 1; code <= kErrcCount; ++code) {
    const Verdict& verdict = verdict_of(static_cast<Errc>(code));
    CAPTURE(verdict.reason);
    CHECK(verdict.http_status >= 400);
    CHECK(verdict.http_status < 600);
    CHECK(verdict.grpc_status <= 16);
    CHECK_FALSE(verdict.text.empty());
    for (std::size_t other = 1; other < code; ++other) {
      CHECK(verdict.reason != verdict_of(static_cast<Errc>(other)).reason);
    }
  }
}

}  // namespace router
