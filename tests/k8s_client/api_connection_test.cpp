// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/api_connection.hpp"

#include "k8s_client/create_event.hpp"
#include "k8s_client/http_list_watch.hpp"
#include "tests/k8s_client/certificates.hpp"
#include "tests/k8s_client/gzip_text.hpp"
#include "tests/k8s_client/result_text.hpp"
#include "tests/k8s_client/tls_server.hpp"
#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;
namespace asio = boost::asio;

namespace {

/// Made once: each key takes a while.
const test::Certificates& certificates() {
  static const test::Certificates made;
  return made;
}

struct Rig {
  explicit Rig(const std::string& certificate = "server", const std::string& client_ca = "")
      : listener{loop,
                 {.certificate = certificates().file(certificate + ".pem"),
                  .key = certificates().file(certificate + ".key"),
                  .client_ca = client_ca.empty() ? "" : certificates().file(client_ca)}} {
    server.host = "127.0.0.1";
    server.port = listener.port();
    server.ca.file = certificates().file("ca.pem");
  }

  /// Runs the loop until the work is done.
  template <class T>
  Result<T> run(asio::awaitable<Result<T>> work) {
    std::optional<Result<T>> result;
    asio::co_spawn(loop, std::move(work), [&result](const std::exception_ptr& thrown, Result<T> r) {
      if (!thrown) {
        result = std::move(r);
      }
    });
    run_until([&result] { return result.has_value(); });
    return *std::move(result);
  }

  /// Runs the loop until `condition` holds. The deadline only keeps a mistake from hanging.
  template <class Condition>
  void run_until(const Condition& condition) {
    loop.restart();
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop.run_one_for(100ms);
    }
    REQUIRE(condition());
  }

  Result<void> get(ApiConnection& connection, std::string path = "/version") {
    const ApiRequest request{.path = std::move(path), .body = {}};
    return run(connection.send(request));
  }

  asio::io_context loop;
  test::SimClock clock{loop};
  test::TlsServer listener;
  ApiServer server;
};

std::string chunked(const std::string& text) {
  std::ostringstream size;
  size << std::hex << text.size();
  return size.str() + "\r\n" + text + "\r\n";
}

constexpr const char* kChunkedHead = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
constexpr const char* kGzipHead =
    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("ApiConnection: speaks to a server that its CA has signed, and reads the body",
          "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back(test::reply("200 OK", R"({"major":"1"})"));
  ApiConnection connection{rig.server, rig.clock};

  REQUIRE(rig.get(connection));

  CHECK(rig.run(connection.read_some()).value() == R"({"major":"1"})");
  CHECK(rig.run(connection.read_some()).value().empty());
  REQUIRE(rig.listener.requests.size() == 1);
  CHECK(rig.listener.requests[0].target == "/version");
  CHECK(rig.listener.requests[0].host == "127.0.0.1:" + std::to_string(rig.listener.port()));
  CHECK(rig.listener.requests[0].authorization.empty());
}

TEST_CASE("ApiConnection: refuses a server that another CA has signed", "[k8s_client]") {
  Rig rig;
  rig.server.ca.file = certificates().file("other-ca.pem");
  ApiConnection connection{rig.server, rig.clock};

  const auto sent = rig.get(connection);

  REQUIRE_FALSE(sent);
  CHECK(sent.error().message().find("certificate verify failed") != std::string::npos);
  CHECK(rig.listener.connections == 1);
  CHECK(rig.listener.requests.empty());
}

TEST_CASE("ApiConnection: refuses a server with the certificate of another address",
          "[k8s_client]") {
  Rig rig{"elsewhere"};
  ApiConnection connection{rig.server, rig.clock};

  const auto sent = rig.get(connection);

  REQUIRE_FALSE(sent);
  CHECK(sent.error().message().find("certificate verify failed") != std::string::npos);
  CHECK(rig.listener.requests.empty());
}

TEST_CASE("ApiConnection: tls-server-name says which name the certificate must bear",
          "[k8s_client]") {
  const auto [name, is_good] =
      GENERATE(table<std::string, bool>({{"kubernetes.test", true}, {"elsewhere.test", false}}));
  Rig rig;
  rig.server.server_name = name;
  rig.listener.replies.push_back(test::reply("200 OK", "{}"));
  ApiConnection connection{rig.server, rig.clock};

  CHECK(rig.get(connection).has_value() == is_good);
}

TEST_CASE("ApiConnection: without verification it speaks to any server", "[k8s_client]") {
  Rig rig{"elsewhere"};
  rig.server.verify_peer = false;
  rig.server.ca = {};
  rig.listener.replies.push_back(test::reply("200 OK", "{}"));
  ApiConnection connection{rig.server, rig.clock};

  CHECK(rig.get(connection));
}

TEST_CASE("ApiConnection: sends the token, and reads its file again after 401", "[k8s_client]") {
  const test::ScratchFolder mount;
  mount.write("token", "old\n");
  Rig rig;
  rig.server.token.file = mount.path() / "token";
  rig.listener.replies.push_back(test::reply("401 Unauthorized", R"({"message":"Unauthorized"})"));
  rig.listener.replies.push_back(test::reply("200 OK", "{}"));
  ApiConnection connection{rig.server, rig.clock};

  const auto refused = rig.get(connection);
  mount.write("token", "new\n");
  const auto accepted = rig.get(connection);

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::unauthorized);
  CHECK(refused.error().message() == "HTTP 401: Unauthorized");
  CHECK(accepted);
  REQUIRE(rig.listener.requests.size() == 2);
  CHECK(rig.listener.requests[0].authorization == "Bearer old");
  CHECK(rig.listener.requests[1].authorization == "Bearer new");
}

TEST_CASE("ApiConnection: a CA file that is replaced counts from the next connect on",
          "[k8s_client]") {
  const test::ScratchFolder mount;
  const auto ca = mount.path() / "ca.crt";
  std::filesystem::copy_file(certificates().file("ca.pem"), ca);
  Rig rig;
  rig.server.ca.file = ca;
  for (int i = 0; i < 2; ++i) {
    rig.listener.replies.push_back(test::reply("200 OK", ""));
  }
  test::TlsServer renewed{rig.loop,
                          {.certificate = certificates().file("renewed.pem"),
                           .key = certificates().file("renewed.key"),
                           .client_ca = {}}};
  renewed.replies.push_back(test::reply("200 OK", ""));
  ApiServer moved = rig.server;
  moved.port = renewed.port();
  ApiConnection old_one{rig.server, rig.clock};
  ApiConnection next{moved, rig.clock};
  REQUIRE(rig.get(old_one));
  REQUIRE(rig.run(old_one.read_some()).value().empty());
  REQUIRE_FALSE(rig.get(next));  // its CA is not known yet

  std::filesystem::remove(ca);
  std::filesystem::copy_file(certificates().file("other-ca.pem"), ca);

  CHECK(rig.get(old_one));
  CHECK(rig.listener.connections == 1);
  CHECK(rig.get(next));
  CHECK(renewed.requests.size() == 1);
  ApiConnection late{rig.server, rig.clock};
  CHECK_FALSE(rig.get(late));  // the server that the old CA has signed
}

TEST_CASE("ApiConnection: shows its client certificate", "[k8s_client]") {
  Rig rig{"server", "ca.pem"};
  rig.server.client_certificate.file = certificates().file("client.pem");
  rig.server.client_key.file = certificates().file("client.key");
  rig.listener.replies.push_back(test::reply("200 OK", "{}"));
  ApiConnection connection{rig.server, rig.clock};

  REQUIRE(rig.get(connection));

  REQUIRE(rig.listener.requests.size() == 1);
  CHECK(rig.listener.requests[0].client_subject == "/CN=me");
}

TEST_CASE("ApiConnection: without the client certificate that is demanded it fails",
          "[k8s_client]") {
  Rig rig{"server", "ca.pem"};
  ApiConnection connection{rig.server, rig.clock};

  CHECK_FALSE(rig.get(connection));
  CHECK(rig.listener.requests.empty());
}

TEST_CASE("ApiConnection: a missing or unusable certificate file is named", "[k8s_client]") {
  Rig rig;
  const auto file = GENERATE(as<std::string>{}, "nothing.pem", "server.key");
  rig.server.ca.file = certificates().file(file);
  ApiConnection connection{rig.server, rig.clock};

  const auto sent = rig.get(connection);

  REQUIRE_FALSE(sent);
  CHECK(sent.error().message().find(rig.server.ca.file.string()) != std::string::npos);
  CHECK(rig.listener.connections == 0);
}

TEST_CASE("ApiConnection: keeps a connection for the next request, and opens another if it is gone",
          "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back(test::reply("200 OK", "{}"));
  rig.listener.replies.push_back(test::reply("200 OK", "{}"));
  rig.listener.replies.back().emplace_back("close");
  rig.listener.replies.push_back(test::reply("200 OK", "{}"));
  ApiConnection connection{rig.server, rig.clock};

  for (int i = 0; i < 3; ++i) {
    REQUIRE(rig.get(connection));
    while (!rig.run(connection.read_some()).value().empty()) {
    }
  }

  REQUIRE(rig.listener.requests.size() == 3);
  CHECK(rig.listener.requests[1].connection == 1);
  CHECK(rig.listener.requests[2].connection == 2);
}

TEST_CASE("ApiConnection: a server that does not answer is given up after a minute",
          "[k8s_client]") {
  Rig rig;
  ApiConnection connection{rig.server, rig.clock};
  std::optional<Result<void>> result;
  const ApiRequest request{.path = "/version", .body = {}};
  asio::co_spawn(rig.loop,
                 connection.send(request),
                 [&result](const std::exception_ptr&, Result<void> r) { result = std::move(r); });
  rig.run_until([&rig] { return !rig.listener.requests.empty(); });
  REQUIRE_FALSE(result);

  rig.clock.advance(ApiConnection::kReplyTimeout);

  REQUIRE(result);
  REQUIRE_FALSE(*result);
  CHECK(result->error().code == Errc::reply_timeout);
}

TEST_CASE("ApiConnection: a head above its limit is refused", "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back(
      {"HTTP/1.1 200 OK\r\nx: " + std::string(20'000, 'x') + "\r\n\r\n"});
  ApiConnection connection{rig.server, rig.clock};

  CHECK_FALSE(rig.get(connection));
}

TEST_CASE("ApiConnection: 429 carries the server's Retry-After", "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back(
      {"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\n"
       "content-length: 4\r\n\r\nslow"});
  ApiConnection connection{rig.server, rig.clock};

  const auto sent = rig.get(connection);

  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == Errc::too_many_requests);
  CHECK(sent.error().retry_after == 7s);
  CHECK(sent.error().message() == "HTTP 429: slow");
}

TEST_CASE("ApiConnection: nobody listening is an error that names the address", "[k8s_client]") {
  Rig rig;
  rig.server.port = 1;
  ApiConnection connection{rig.server, rig.clock};

  const auto sent = rig.get(connection);

  REQUIRE_FALSE(sent);
  CHECK(sent.error().message() == "connect to 127.0.0.1 port 1: Connection refused");
}

TEST_CASE("HttpListWatch: lists and watches, however the bytes are cut", "[k8s_client]") {
  Rig rig;
  const std::string list =
      R"({"kind":"ServiceList","metadata":{"resourceVersion":"7"},"items":[{"a":1},{"b":2}]})";
  const std::string events = R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"8"}}})"
                             "\n"
                             R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}})"
                             "\n";
  const auto cut_at = GENERATE(range<std::size_t>(1, 60));
  rig.listener.replies.push_back(
      {kChunkedHead, chunked(list.substr(0, cut_at)), chunked(list.substr(cut_at)), "0\r\n\r\n"});
  rig.listener.replies.push_back({kChunkedHead,
                                  chunked(events.substr(0, cut_at)),
                                  chunked(events.substr(cut_at)),
                                  "0\r\n\r\n"});
  ApiConnection connection{rig.server, rig.clock};
  HttpListWatch source{"/api/v1/services", connection};

  std::vector<nlohmann::json> items;
  const ListRequest request{.version = "0", .page_limit = 500, .continue_token = {}};
  const ListWatch::ItemSink on_item = [&items](const auto& item) { items.push_back(item); };
  const auto page = rig.run(source.list(request, on_item));
  const WatchRequest watch{.version = "7", .timeout = 300s};
  REQUIRE(rig.run(source.open_watch(watch)));
  const auto first = rig.run(source.next_event());
  const auto second = rig.run(source.next_event());
  const auto end = rig.run(source.next_event());

  REQUIRE(page);
  CHECK(page->version == "7");
  CHECK(items == std::vector<nlohmann::json>{{{"a", 1}}, {{"b", 2}}});
  REQUIRE((first && *first && second && *second && end));
  CHECK((*first)->version == "8");
  CHECK((*second)->type == WatchEvent::Type::bookmark);
  CHECK_FALSE(*end);
  CHECK(rig.listener.connections == 1);
  CHECK(rig.listener.requests[0].target == "/api/v1/services?limit=500&resourceVersion=0");
}

TEST_CASE("HttpListWatch: a compressed list is read as it is, wherever it is cut", "[k8s_client]") {
  Rig rig;
  const std::string list = test::gzip(
      R"({"kind":"ServiceList","metadata":{"resourceVersion":"7"},"items":[{"a":1},{"b":2}]})");
  const auto cut_at = GENERATE_COPY(range(std::size_t{1}, list.size()));
  rig.listener.replies.push_back(
      {kGzipHead, chunked(list.substr(0, cut_at)), chunked(list.substr(cut_at)), "0\r\n\r\n"});
  rig.listener.replies.push_back({kChunkedHead, "0\r\n\r\n"});
  ApiConnection connection{rig.server, rig.clock};
  HttpListWatch source{"/api/v1/services", connection};
  std::vector<nlohmann::json> items;
  const ListRequest request{.version = "0", .page_limit = 500, .continue_token = {}};
  const ListWatch::ItemSink on_item = [&items](const auto& item) { items.push_back(item); };

  const auto page = rig.run(source.list(request, on_item));
  const WatchRequest watch{.version = "7", .timeout = 300s};
  const auto opened = rig.run(source.open_watch(watch));

  REQUIRE(page);
  CHECK(page->version == "7");
  CHECK(items == std::vector<nlohmann::json>{{{"a", 1}}, {{"b", 2}}});
  REQUIRE(opened);
  CHECK(rig.listener.connections == 1);
  CHECK(rig.listener.requests[0].accept_encoding == "gzip");
  CHECK(rig.listener.requests[1].accept_encoding.empty());
}

TEST_CASE("HttpListWatch: a compressed list that ends in its midst is an error", "[k8s_client]") {
  Rig rig;
  const std::string list = test::gzip(R"({"metadata":{"resourceVersion":"7"},"items":[]})");
  rig.listener.replies.push_back(
      {kGzipHead, chunked(list.substr(0, list.size() - 1)), "0\r\n\r\n"});
  ApiConnection connection{rig.server, rig.clock};
  HttpListWatch source{"/api/v1/services", connection};
  const ListRequest request;
  const ListWatch::ItemSink ignore = [](const auto&) {};

  const auto page = rig.run(source.list(request, ignore));

  REQUIRE_FALSE(page);
  CHECK(page.error().message() == "reply: gzip ends in its midst");
}

TEST_CASE("HttpListWatch: lists for audits ask for metadata, and leave no connection open",
          "[k8s_client]") {
  Rig rig;
  for (int i = 0; i < 2; ++i) {
    rig.listener.replies.push_back(
        test::reply("200 OK", R"({"metadata":{"resourceVersion":"7"},"items":[]})"));
  }
  ApiConnection connection{rig.server, rig.clock};
  HttpListWatch source{"/x", connection, HttpListWatch::Form::audit};
  const ListRequest request{.version = "7", .page_limit = 0, .continue_token = {}};
  const ListWatch::ItemSink on_item = [](const auto& /*item*/) {};

  REQUIRE(rig.run(source.list(request, on_item)));
  REQUIRE(rig.run(source.list(request, on_item)));

  CHECK(rig.listener.connections == 2);
  CHECK(rig.listener.requests[0].target == "/x?resourceVersion=7");
  CHECK(rig.listener.requests[0].accept ==
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
  CHECK(rig.listener.requests[0].user_agent == "nodeway-audit");
}

TEST_CASE("HttpListWatch: a list for an audit that is cancelled leaves no connection open",
          "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back({kChunkedHead, chunked(R"({"items":[)")});
  ApiConnection connection{rig.server, rig.clock};
  HttpListWatch source{"/x", connection, HttpListWatch::Form::audit};
  const ListRequest request;
  const ListWatch::ItemSink ignore = [](const auto& /*item*/) {};
  asio::cancellation_signal cancel;
  auto on_end = [](const std::exception_ptr& /*cancelled*/, const Result<ListPage>& /*page*/) {};
  asio::co_spawn(rig.loop,
                 source.list(request, ignore),
                 asio::bind_cancellation_slot(cancel.slot(), std::move(on_end)));
  rig.run_until([&rig] { return !rig.listener.requests.empty(); });
  REQUIRE(rig.listener.closed == 0);

  cancel.emit(asio::cancellation_type::terminal);

  rig.run_until([&rig] { return rig.listener.closed == 1; });
}

TEST_CASE("HttpListWatch: a watch that is cut is an error, not its end", "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back({kChunkedHead, "close"});
  ApiConnection connection{rig.server, rig.clock};
  HttpListWatch source{"/api/v1/services", connection};
  const WatchRequest watch{.version = "7", .timeout = 300s};
  REQUIRE(rig.run(source.open_watch(watch)));

  CHECK_FALSE(rig.run(source.next_event()));
}

TEST_CASE("HttpListWatch: a list that is cut is an error, though its items look well",
          "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back(
      {kChunkedHead,
       chunked(R"({"metadata":{"resourceVersion":"7"},"items":[{"a":1})"),
       "0\r\n\r\n"});
  ApiConnection connection{rig.server, rig.clock};
  HttpListWatch source{"/api/v1/services", connection};
  const ListRequest request;
  const ListWatch::ItemSink ignore = [](const auto&) {};

  const auto page = rig.run(source.list(request, ignore));

  REQUIRE_FALSE(page);
  CHECK(page.error().code == Errc::malformed_reply);
}

TEST_CASE("create_event: posts an Event about the object", "[k8s_client]") {
  Rig rig;
  rig.listener.replies.push_back(test::reply("201 Created", "{}"));
  ApiConnection connection{rig.server, rig.clock};
  const EventNote note{.about = {.key = {.ns = "nodeway-system", .name = "nodeway"},
                                 .uid = "u",
                                 .resource_version = "7"},
                       .reason = "InvalidConfiguration",
                       .message = "line 3: not \xff UTF-8",
                       .reporter = "node-a"};

  REQUIRE(rig.run(create_event(connection, note, Clock::UtcTime{})));

  REQUIRE(rig.listener.requests.size() == 1);
  CHECK(rig.listener.requests[0].method == "POST");
  CHECK(rig.listener.requests[0].target == "/api/v1/namespaces/nodeway-system/events");
  CHECK(nlohmann::json::parse(rig.listener.requests[0].body)["reason"] == "InvalidConfiguration");
}
