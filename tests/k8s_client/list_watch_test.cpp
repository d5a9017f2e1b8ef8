// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/list_watch.hpp"

#include "k8s_client/http_list_watch.hpp"
#include "tests/k8s_client/result_text.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;

TEST_CASE("decode_event: reads the four kinds of event with their version", "[k8s_client]") {
  using Type = WatchEvent::Type;
  const auto [name, type] = GENERATE(table<std::string, Type>({{"ADDED", Type::added},
                                                               {"MODIFIED", Type::modified},
                                                               {"DELETED", Type::deleted},
                                                               {"BOOKMARK", Type::bookmark}}));

  const auto event =
      decode_event(R"({"type":")" + name + R"(","object":{"metadata":{"resourceVersion":"42"}}})");

  REQUIRE(event);
  CHECK(event->type == type);
  CHECK(event->version == "42");
}

TEST_CASE("decode_event: only a bookmark with the mark ends a streaming list", "[k8s_client]") {
  const auto event = [](const std::string& type, const std::string& annotations) {
    return decode_event(R"({"type":")" + type +
                        R"(","object":{"metadata":{"resourceVersion":"42",)" +
                        R"("annotations":{)" + annotations + "}}}}");
  };

  CHECK(event("BOOKMARK", R"("k8s.io/initial-events-end":"true")")->ends_initial_events);
  CHECK_FALSE(event("BOOKMARK", R"("k8s.io/initial-events-end":"false")")->ends_initial_events);
  CHECK_FALSE(event("BOOKMARK", "")->ends_initial_events);
  // Anybody may annotate an object.
  CHECK_FALSE(event("ADDED", R"("k8s.io/initial-events-end":"true")")->ends_initial_events);
}

TEST_CASE("decode_event: 410 as an event means that the version has expired", "[k8s_client]") {
  const auto event = decode_event(
      R"json({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired",)json"
      R"json("message":"too old resource version: 1 (2)"}})json");

  REQUIRE_FALSE(event);
  CHECK(event.error().code == Errc::version_expired);
  CHECK(event.error().message() == "HTTP 410: too old resource version: 1 (2)");
}

TEST_CASE("decode_event: what is no event is a malformed reply", "[k8s_client]") {
  const std::string line =
      GENERATE(as<std::string>{},
               "",
               "<html>",
               "[]",
               "{}",
               R"({"type":"ADDED"})",
               R"({"type":"ADDED","object":7})",
               R"({"type":"ADDED","object":{"metadata":{}}})",
               R"({"type":7,"object":{"metadata":{"resourceVersion":"1"}}})",
               R"({"type":"WINK","object":{"metadata":{"resourceVersion":"1"}}})");

  const auto event = decode_event(line);

  REQUIRE_FALSE(event);
  CHECK(event.error().code == Errc::malformed_reply);
}

TEST_CASE("failure_of_status: a status has one meaning", "[k8s_client]") {
  const auto [status, code] = GENERATE(table<unsigned, Errc>({{400, Errc::unexpected_status},
                                                              {401, Errc::unauthorized},
                                                              {403, Errc::forbidden},
                                                              {404, Errc::not_found},
                                                              {410, Errc::version_expired},
                                                              {429, Errc::too_many_requests},
                                                              {500, Errc::server_error},
                                                              {503, Errc::server_error},
                                                              {302, Errc::unexpected_status}}));

  CHECK(failure_of_status(status, "", "").code == code);
}

TEST_CASE("failure_of_status: says what the server said, in one line and not at any length",
          "[k8s_client]") {
  CHECK(failure_of_status(403, "", R"({"message":"services is forbidden"})").message() ==
        "HTTP 403: services is forbidden");
  CHECK(failure_of_status(502, "", "<html>\nBad\tGateway").message() ==
        "HTTP 502: <html> Bad Gateway");
  CHECK(failure_of_status(500, "", std::string(100'000, 'x')).message().size() < 400);
}

TEST_CASE("failure_of_status: a version ahead of the server is told by its cause", "[k8s_client]") {
  const Failure failure = failure_of_status(
      504,
      "",
      R"({"kind":"Status","reason":"Timeout","code":504,"details":{"retryAfterSeconds":1,)"
      R"("causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}]}})");

  CHECK(failure.code == Errc::version_too_large);
  CHECK(failure.retry_after == 1s);
}

TEST_CASE("failure_of_status: Retry-After is read in seconds, and anything else is left out",
          "[k8s_client]") {
  CHECK(failure_of_status(429, "7", "").retry_after == 7s);
  CHECK_FALSE(failure_of_status(429, "", "").retry_after);
  CHECK_FALSE(failure_of_status(429, "Wed, 21 Oct 2015 07:28:00 GMT", "").retry_after);
}

TEST_CASE("decode_list_envelope: reads version and continue token", "[k8s_client]") {
  const auto page = decode_list_envelope(
      R"({"kind":"ServiceList","metadata":{"resourceVersion":"7","continue":"abc"},"items":[]})");

  REQUIRE(page);
  CHECK(page->version == "7");
  CHECK(page->continue_token == "abc");
  CHECK_FALSE(decode_list_envelope(R"({"kind":"ServiceList","metadata":{}})"));
  CHECK_FALSE(decode_list_envelope("<html>"));
}

TEST_CASE("list_path: asks for limit and version, or for limit and continue", "[k8s_client]") {
  CHECK(list_path("/api/v1/services", {.version = "0", .page_limit = 500, .continue_token = ""}) ==
        "/api/v1/services?limit=500&resourceVersion=0");
  CHECK(
      list_path("/x?fieldSelector=a%3Db", {.version = "", .page_limit = 0, .continue_token = ""}) ==
      "/x?fieldSelector=a%3Db");
  CHECK(list_path("/x", {.version = "0", .page_limit = 500, .continue_token = "a/b=&c"}) ==
        "/x?limit=500&continue=a%2Fb%3D%26c");
}

TEST_CASE("list_path: one object is looked for in its namespace, by its name", "[k8s_client]") {
  const ListRequest one{.version = {},
                        .page_limit = 0,
                        .continue_token = {},
                        .only = ObjectKey{.ns = "shop", .name = "cart-1"}};
  const ListRequest node{.version = {},
                         .page_limit = 0,
                         .continue_token = {},
                         .only = ObjectKey{.ns = "", .name = "n"}};

  CHECK(list_path("/apis/discovery.k8s.io/v1/endpointslices", one) ==
        "/apis/discovery.k8s.io/v1/namespaces/shop/"
        "endpointslices?fieldSelector=metadata.name%3Dcart-1");
  CHECK(list_path("/api/v1/nodes", node) == "/api/v1/nodes?fieldSelector=metadata.name%3Dn");
}

TEST_CASE("watch_path: asks for bookmarks and an end", "[k8s_client]") {
  CHECK(watch_path("/x", {.version = "42", .timeout = 301s}) ==
        "/x?watch=true&allowWatchBookmarks=true&resourceVersion=42&timeoutSeconds=301");
}

TEST_CASE("watch_path: a streaming list is a watch with all objects at its beginning",
          "[k8s_client]") {
  WatchRequest request{.version = "0", .timeout = 301s, .sends_initial_events = true};
  CHECK(watch_path("/x", request) ==
        "/x?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
        "&resourceVersionMatch=NotOlderThan&resourceVersion=0&timeoutSeconds=301");
  request.version.clear();  // the newest state
  CHECK(watch_path("/x", request) ==
        "/x?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
        "&resourceVersionMatch=NotOlderThan&timeoutSeconds=301");
}
