// SPDX-License-Identifier: Apache-2.0
// After 101, or a successful extended CONNECT, bytes pass both ways and are no HTTP.
#include "tests/integration/one_service.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/http1_upstream.hpp"
#include "tests/support/socket.hpp"

#include <csignal>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <vector>

#include <catch2/catch.hpp>

namespace {

/// One end of a TCP connection, byte by byte.
class Raw {
 public:
  explicit Raw(test::Fd socket) : socket_{std::move(socket)} {}

  void send(std::string_view bytes) const {
    test::send_all(socket_, bytes, test::Deadline{"the router to take bytes"});
  }
  /// All up to and with `end`.
  std::string read_until(std::string_view end) {
    return read([&] { return buffer_.find(end); }, end.size(), "bytes up to " + std::string{end});
  }
  std::string read_bytes(std::size_t n) {
    return read([&] { return buffer_.size() < n ? std::string::npos : n; }, 0, "so many bytes");
  }
  /// What comes up to the end that the peer makes.
  std::string read_to_end() {
    const test::Deadline deadline{"the peer's end"};
    while (read_more(deadline)) {
    }
    return std::exchange(buffer_, {});
  }
  void wait_readable() const { test::wait_for(socket_, POLLIN, test::Deadline{"bytes"}); }
  void end_sending() const { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.close(); }
  /// Sends until nothing has been taken for `rest`; how many bytes that were.
  [[nodiscard]] std::size_t send_until_stalled(std::string_view bytes,
                                               test::Milliseconds rest) const {
    std::size_t n_sent = 0;
    test::TimePoint last = test::SteadyClock::now();
    while (n_sent < bytes.size() && test::SteadyClock::now() - last < rest) {
      const auto n = test::send_some(socket_, bytes.substr(n_sent));
      if (!n) {
        throw test::Failure{"the peer is gone"};
      }
      if (*n > 0) {
        n_sent += *n;
        last = test::SteadyClock::now();
      } else {
        pollfd wanted{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
        ::poll(&wanted, 1, 50);
      }
    }
    return n_sent;
  }

 private:
  template <class Find>
  std::string read(Find find, std::size_t more, const std::string& what) {
    const test::Deadline deadline{what};
    std::size_t at = find();
    while (at == std::string::npos) {
      if (!read_more(deadline)) {
        throw test::Failure{"the end came instead of " + what + ", behind: " + buffer_};
      }
      at = find();
    }
    std::string taken = buffer_.substr(0, at + more);
    buffer_.erase(0, taken.size());
    return taken;
  }
  bool read_more(const test::Deadline& deadline) {
    for (;;) {
      test::wait_for(socket_, POLLIN, deadline);
      const test::Received received = test::receive_some(socket_);
      buffer_ += received.bytes;
      if (!received.bytes.empty() || received.closed) {
        return !received.bytes.empty();
      }
    }
  }

  test::Fd socket_;
  std::string buffer_;
};

/// `cart.shop`, whose endpoint the test plays itself.
struct RawService {
  test::Fd listener = test::listen_on_loopback(0);
  test::ClusterFolder cluster{};
  test::RouterProcess router{written()};

  Raw call() const { return Raw{test::connect_to_loopback(router.listen_port())}; }
  Raw accept() const {
    test::wait_for(listener, POLLIN, test::Deadline{"a connection to the endpoint"});
    return Raw{test::accept_from(listener)};
  }

 private:
  test::RouterProcess::Options written() {
    cluster.add_service(
        "cart.shop", 80, {{.port = test::local_port(listener)}}, {.app_protocol = "http"});
    return {.source = cluster.path(), .args = {"--workers", "1"}};
  }
};

constexpr std::string_view kAsk =
    "GET /tunnel HTTP/1.1\r\nHost: cart.shop\r\nConnection: Upgrade\r\nUpgrade: bytes/1\r\n\r\n";
constexpr std::string_view kSwitch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bytes/1\r\nX-A: b\r\n\r\n";

test::Headers connect_headers(const std::string& path = "/tunnel") {
  return {{":method", "CONNECT"},
          {":protocol", "bytes/1"},
          {":scheme", "http"},
          {":authority", "cart.shop"},
          {":path", path}};
}

/// A tunnel through the router, open.
struct Tunnel {
  explicit Tunnel(const RawService& path) : client{path.call()}, pod{opened(path)} {
    client.read_until("\r\n\r\n");
  }
  Raw client;
  Raw pod;

 private:
  Raw opened(const RawService& path) const {
    client.send(kAsk);
    Raw accepted = path.accept();
    accepted.read_until("\r\n\r\n");
    accepted.send(kSwitch);
    return accepted;
  }
};

}  // namespace

TEST_CASE("nodeway: an upgrade is asked for and granted end to end, and then bytes pass both ways",
          "[integration][tunnel]") {
  RawService path;
  Raw client = path.call();

  client.send(kAsk);
  Raw pod = path.accept();
  const std::string asked = pod.read_until("\r\n\r\n");
  pod.send(std::string{kSwitch} + "first from the pod");
  const std::string granted = client.read_until("\r\n\r\n");
  CHECK(client.read_bytes(18) == "first from the pod");
  client.send(std::string{"\0\r\n\r\nGET / HTTP/1.1\r\n\r\n", 23});
  const std::string got = pod.read_bytes(23);
  pod.send("HTTP/1.1 500 no\r\n\r\n");

  CHECK_THAT(asked, Catch::StartsWith("GET /tunnel HTTP/1.1\r\n"));
  CHECK_THAT(asked, Catch::Contains("connection: upgrade\r\nupgrade: bytes/1\r\n"));
  CHECK_THAT(asked, !Catch::Contains("content-length") && !Catch::Contains("transfer-encoding"));
  CHECK(granted ==
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: bytes/1\r\nx-a: "
        "b\r\n\r\n");
  CHECK(got == std::string{"\0\r\n\r\nGET / HTTP/1.1\r\n\r\n", 23});
  CHECK(client.read_bytes(19) == "HTTP/1.1 500 no\r\n\r\n");
}

TEST_CASE("nodeway: bytes that a client sends right behind its request arrive once 101 has come",
          "[integration][tunnel]") {
  RawService path;
  Raw client = path.call();

  client.send(std::string{kAsk} + "early bytes");
  Raw pod = path.accept();
  const std::string asked = pod.read_until("\r\n\r\n");
  pod.send(kSwitch);

  CHECK(pod.read_bytes(11) == "early bytes");
  CHECK(asked.find("early") == std::string::npos);
}

TEST_CASE("nodeway: each side of a tunnel ends by itself, and nothing said before is lost",
          "[integration][tunnel]") {
  RawService path;
  const bool client_ends_first = GENERATE(true, false);
  CAPTURE(client_ends_first);
  Tunnel tunnel{path};
  Raw& first = client_ends_first ? tunnel.client : tunnel.pod;
  Raw& second = client_ends_first ? tunnel.pod : tunnel.client;
  const std::string large(1 << 20, 'x');

  first.send("last words");
  first.end_sending();
  CHECK(second.read_to_end() == "last words");
  CHECK(path.router.metric("nodeway_streams_open") == 1);
  second.send(large);
  second.end_sending();
  CHECK(first.read_to_end().size() == large.size());

  path.router.wait_metric("nodeway_streams_open", 0);
  path.router.wait_metric("nodeway_client_connections_open", 0);
  path.router.wait_metric("nodeway_upstream_connections", 0);
}

TEST_CASE("nodeway: what is lost of a tunnel on one side ends it on the other",
          "[integration][tunnel]") {
  RawService path;
  const bool client_goes = GENERATE(true, false);
  CAPTURE(client_goes);
  Tunnel tunnel{path};
  Raw& gone = client_goes ? tunnel.client : tunnel.pod;
  Raw& left = client_goes ? tunnel.pod : tunnel.client;

  left.send("unread, so that the close becomes a reset");
  gone.wait_readable();
  gone.close();

  CHECK(left.read_to_end().empty());
  left.close();
  path.router.wait_metric("nodeway_streams_open", 0);
}

TEST_CASE("nodeway: a side of a tunnel that does not read stops the other, and loses nothing",
          "[integration][tunnel]") {
  RawService path;
  const bool client_sends = GENERATE(true, false);
  CAPTURE(client_sends);
  Tunnel tunnel{path};
  Raw& sender = client_sends ? tunnel.client : tunnel.pod;
  Raw& reader = client_sends ? tunnel.pod : tunnel.client;
  std::string large;
  while (large.size() < (64 << 20)) {
    large += std::to_string(large.size()) + ' ';
  }
  const std::size_t rss_before = path.router.rss_bytes();

  const std::size_t n_taken = sender.send_until_stalled(large, test::Milliseconds{500});
  const std::size_t rss_after = path.router.rss_bytes();

  CHECK(n_taken < large.size());  // what the kernel's buffers of two connections hold
  CHECK(rss_after < rss_before + (16 << 20));
  CHECK(reader.read_bytes(n_taken) == large.substr(0, n_taken));
}

TEST_CASE("nodeway: an upgrade that is refused is an ordinary reply on a connection that stays",
          "[integration][tunnel]") {
  RawService path;
  Raw client = path.call();
  const std::string next = "GET /next HTTP/1.1\r\nHost: cart.shop\r\n\r\n";

  client.send(std::string{kAsk} + next);  // it may be a pipelined request just as well
  Raw pod = path.accept();
  pod.read_until("\r\n\r\n");
  pod.send("HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nno");
  const std::string refusal = client.read_until("\r\n\r\nno");
  const std::string behind = pod.read_until("\r\n\r\n");
  pod.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

  CHECK_THAT(refusal, Catch::StartsWith("HTTP/1.1 426"));
  CHECK_THAT(behind, Catch::StartsWith("GET /next HTTP/1.1\r\n"));
  CHECK_THAT(client.read_until("\r\n\r\nok"), Catch::StartsWith("HTTP/1.1 200"));
}

TEST_CASE("nodeway: an upgrade that cannot be meant is ignored", "[integration][tunnel]") {
  RawService path;
  const std::string request = GENERATE(
      "GET / HTTP/1.1\r\nHost: cart.shop\r\nUpgrade: bytes/1\r\n\r\n",
      "GET / HTTP/1.0\r\nHost: cart.shop\r\nConnection: upgrade\r\nUpgrade: bytes/1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: cart.shop\r\nConnection: upgrade\r\nUpgrade: a, b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: cart.shop\r\nConnection: upgrade\r\nUpgrade: a\r\nUpgrade: "
      "b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: cart.shop\r\nConnection: upgrade\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: cart.shop\r\nConnection: upgrade\r\nUpgrade: "
      "bytes/1\r\nContent-Length: 1\r\n\r\na");
  CAPTURE(request);
  Raw client = path.call();

  client.send(request);
  Raw pod = path.accept();
  const std::string seen = pod.read_until("\r\n\r\n");
  pod.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

  CHECK(seen.find("upgrade") == std::string::npos);
  CHECK_THAT(client.read_until("ok"), Catch::StartsWith("HTTP/1.1 200"));
}

TEST_CASE("nodeway: a switch to nothing, or one that nobody asked for, is a 502",
          "[integration][tunnel]") {
  RawService path;
  const std::string reply =
      GENERATE("HTTP/1.1 101 Switching Protocols\r\n\r\n",
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: bytes/1\r\n\r\n",
               "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n");
  Raw client = path.call();

  client.send(kAsk);
  Raw pod = path.accept();
  pod.read_until("\r\n\r\n");
  pod.send(reply + "x");

  CHECK_THAT(client.read_until("\r\n\r\n"), Catch::StartsWith("HTTP/1.1 502"));
}

TEST_CASE("nodeway: a request for a tunnel is never sent twice", "[integration][tunnel]") {
  RawService path;
  Raw client = path.call();

  client.send(kAsk);
  {
    Raw pod = path.accept();
    pod.read_until("\r\n\r\n");
  }

  CHECK_THAT(client.read_until("\r\n\r\n"), Catch::StartsWith("HTTP/1.1 502"));
  CHECK(path.router.metric("nodeway_upstream_connects_total") == 1);
}

TEST_CASE("nodeway: a draining router lets tunnels go on until they end", "[integration][tunnel]") {
  RawService path;
  Tunnel tunnel{path};

  path.router.signal(SIGTERM);
  test::eventually("the listener to close", [&] {
    try {
      path.call();
      return false;
    } catch (const test::Failure&) {
      return true;
    }
  });
  tunnel.client.send("still here");
  CHECK(tunnel.pod.read_bytes(10) == "still here");
  tunnel.pod.end_sending();
  tunnel.client.read_to_end();
  CHECK_FALSE(path.router.has_exited());
  tunnel.client.end_sending();

  CHECK(path.router.wait_exit() == 0);
}

TEST_CASE("nodeway: an extended CONNECT reaches an HTTP/1.1 endpoint as an upgrade",
          "[integration][tunnel]") {
  RawService path;
  test::H2Client client{path.router.listen_port()};
  const test::StreamId stream = client.open(connect_headers(), false);
  client.send(stream, "early ");
  client.pump_until("the endpoint to be called", [&] {
    pollfd wanted{.fd = path.listener.get(), .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1, 0) > 0;
  });
  Raw pod = path.accept();
  client.pump_for(test::Milliseconds{50});

  const std::string asked = pod.read_until("\r\n\r\n");
  pod.send(std::string{kSwitch} + "from the pod");
  CHECK(client.wait_head(stream).status == 200);
  CHECK(client.wait_body(stream, 12).body == "from the pod");
  client.send(stream, "late");
  client.end(stream);
  client.pump_for(test::Milliseconds{50});
  CHECK(pod.read_to_end() == "early late");
  pod.send("!");
  pod.close();
  const test::Reply reply = client.wait(stream);

  CHECK_THAT(asked, Catch::StartsWith("GET /tunnel HTTP/1.1\r\nhost: cart.shop\r\n"));
  CHECK_THAT(asked, Catch::Contains("connection: upgrade\r\nupgrade: bytes/1\r\n"));
  CHECK(reply.body == "from the pod!");
  CHECK(reply.ended);
  CHECK_FALSE(reply.header("upgrade"));
  path.router.wait_metric("nodeway_streams_open", 0);
}

TEST_CASE("nodeway: to CONNECT, an endpoint's success that is no 101 does not look like a tunnel",
          "[integration][tunnel]") {
  const auto [status, seen] = GENERATE(table<int, int>({{200, 502}, {404, 404}}));
  test::Http1Upstream upstream{test::http1_answer(status, "page")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()}, {.app_protocol = "http"});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const test::StreamId stream = client.open(connect_headers(), false);

  CHECK(client.wait(stream).status == seen);
}

TEST_CASE("nodeway: tunnels pass through HTTP/2 endpoints that announce them",
          "[integration][tunnel]") {
  test::Script script = test::always({.echo = true});
  script.takes_tunnels = true;
  test::OneService path{script};

  SECTION("of a client that speaks HTTP/2") {
    const test::StreamId stream = path.client.open(connect_headers(), false);
    path.client.send(stream, "ping");
    CHECK(path.client.wait_body(stream, 4).body == "ping");
    path.client.end(stream);
    CHECK(path.client.wait(stream).ended);
  }
  SECTION("of a client that speaks HTTP/1.1") {
    path.cluster.add_service(
        "web.shop", 80, {path.upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
    test::Http1Client http1{path.router.listen_port()};
    test::eventually("the other Service to be known", [&] {
      return http1.get("web.shop", "/").header("nodeway-error") != "unknown_service";
    });
    Raw client{test::connect_to_loopback(path.router.listen_port())};
    client.send(
        "GET /tunnel HTTP/1.1\r\nHost: web.shop\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    const std::string granted = client.read_until("\r\n\r\n");
    client.send("ping");
    CHECK(client.read_bytes(4) == "ping");
    client.end_sending();
    CHECK(client.read_to_end().empty());

    CHECK_THAT(granted, Catch::StartsWith("HTTP/1.1 101"));
    CHECK_THAT(granted, Catch::Contains("\r\nupgrade: websocket\r\n"));
    // The example of RFC 6455 section 1.3.
    CHECK_THAT(granted, Catch::Contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  }

  const test::SeenRequest seen = path.upstream.requests().back();
  CHECK(seen.header(":method") == "CONNECT");
  CHECK(seen.header(":path") == "/tunnel");
  path.router.wait_metric("nodeway_streams_open", 0);
  CHECK(path.upstream.complaints().empty());
}

TEST_CASE("nodeway: tunnels do not take the connections of other requests",
          "[integration][tunnel]") {
  constexpr std::size_t kMoreThanAPoolHas = 260;
  RawService service;
  std::vector<Raw> open;
  for (std::size_t i = 0; i < kMoreThanAPoolHas; ++i) {
    Raw& client = open.emplace_back(service.call());
    client.send(kAsk);
    Raw& endpoint = open.emplace_back(service.accept());
    endpoint.read_until("\r\n\r\n");
    endpoint.send(kSwitch);
    open[open.size() - 2].read_until("\r\n\r\n");
  }
  service.router.wait_metric(
      "nodeway_upstream_connections", kMoreThanAPoolHas, {{"state", "tunnel"}});

  const Raw client = service.call();
  client.send("GET / HTTP/1.1\r\nHost: cart.shop\r\n\r\n");
  Raw endpoint = service.accept();

  CHECK_THAT(endpoint.read_until("\r\n\r\n"), Catch::StartsWith("GET / HTTP/1.1\r\n"));
}

TEST_CASE("nodeway: HTTP/2 endpoints that announce no tunnels are not asked for one",
          "[integration][tunnel]") {
  test::OneService path{test::answer(200, "page")};

  SECTION("CONNECT, which can be nothing else, is refused") {
    const test::Reply reply = path.client.wait(path.client.open(connect_headers(), false));

    CHECK(reply.status == 405);
    CHECK(reply.header("nodeway-error") == "method_not_allowed");
    CHECK(path.upstream.requests_seen() == 0);
  }
  SECTION("a request with an upgrade goes without") {
    path.cluster.add_service(
        "web.shop", 80, {path.upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
    test::Http1Client client{path.router.listen_port()};
    const test::Headers upgrade{{"Connection", "upgrade"}, {"Upgrade", "websocket"}};
    test::eventually("the other Service to be known", [&] {
      return client.get("web.shop", "/", upgrade).header("nodeway-error") != "unknown_service";
    });

    const test::Reply reply = client.get("web.shop", "/", upgrade);

    CHECK(reply.status == 200);
    CHECK(reply.body == "page");
    const test::SeenRequest seen = path.upstream.requests().back();
    CHECK(seen.header(":method") == "GET");
    CHECK_FALSE(seen.header(":protocol"));
    CHECK(seen.ended);
  }
}
