// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/edit.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace router {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

RequestHead request(const Fields& fields) {
  RequestHead head;
  for (const auto& [name, value] : fields) {
    head.fields.add_copy(name, value);
  }
  return head;
}

Fields fields_of(const HeaderList& list) {
  Fields fields;
  for (const HeaderField& field : list) {
    fields.emplace_back(field.name(), field.value());
  }
  return fields;
}

}  // namespace

TEST_CASE("edit_request: leaves what it does not know, in its order, and adds via", "[exchange]") {
  RequestHead head = request({{"x-b", "1"}, {"x-a", "2"}, {"traceparent", "00-1"}, {"x-b", "3"}});

  edit_request(head, "2 nodeway-00000001");

  CHECK(fields_of(head.fields) == Fields{{"x-b", "1"},
                                         {"x-a", "2"},
                                         {"traceparent", "00-1"},
                                         {"x-b", "3"},
                                         {"via", "2 nodeway-00000001"}});
}

TEST_CASE("edit_request: what Connection names is for this hop only", "[exchange]") {
  RequestHead head = request({{"connection", "keep-alive, X-Private"},
                              {"x-private", "1"},
                              {"keep-alive", "timeout=5"},
                              {"upgrade", "websocket"},
                              {"proxy-connection", "keep-alive"},
                              {"transfer-encoding", "chunked"},
                              {"x-public", "2"}});

  edit_request(head, "v");

  CHECK(fields_of(head.fields) == Fields{{"x-public", "2"}, {"via", "v"}});
}

TEST_CASE("edit_request: of te only trailers is passed on", "[exchange]") {
  RequestHead with = request({{"te", "gzip, trailers"}});
  RequestHead without = request({{"te", "gzip"}});

  edit_request(with, "v");
  edit_request(without, "v");

  CHECK(with.fields.find("te") == "trailers");
  CHECK_FALSE(without.fields.find("te").has_value());
}

TEST_CASE("edit_reply: an endpoint cannot speak as nodeway", "[exchange]") {
  HeaderList fields;
  fields.add({"nodeway-error", "overloaded"});
  fields.add({"connection", "close"});
  fields.add({"server", "x"});

  edit_reply(fields);

  CHECK(fields_of(fields) == Fields{{"server", "x"}});
}

TEST_CASE("has_looped: our own entry is found among others, in any via field", "[exchange]") {
  const RequestHead through =
      request({{"via", "1.1 other"}, {"via", "2 nodeway-aaaaaaaa, 2 nodeway-12345678"}});

  CHECK(has_looped(through.fields, "nodeway-12345678"));
  CHECK_FALSE(has_looped(through.fields, "nodeway-00000000"));
}

}  // namespace router
