// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/wire.hpp"

#include "tests/k8s_client/result_text.hpp"

#include <chrono>
#include <list>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;
namespace asio = boost::asio;
using asio::ip::tcp;
using Wire = ApiConnection::Wire;

namespace {

const tcp::endpoint kAnyPort{asio::ip::address_v4::loopback(), 0};

/// A listener whose queue is full: what else is sent to it is swallowed.
class Swallowing {
 public:
  explicit Swallowing(asio::io_context& loop) : acceptor_{loop} {
    acceptor_.open(tcp::v4());
    acceptor_.bind(kAnyPort);
    acceptor_.listen(0);
    for (int i = 0; i < 4; ++i) {
      waiting_.emplace_back(loop).async_connect(endpoint(), [](const error_code&) {});
    }
    loop.run_for(100ms);  // those that get in are in
  }

  [[nodiscard]] tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  tcp::acceptor acceptor_;
  std::list<tcp::socket> waiting_;
};

Wire make_wire(asio::io_context& loop) {
  return Wire{loop.get_executor(), asio::ssl::context{asio::ssl::context::tls_client}, false};
}

Result<void> connect(Wire& wire,
                     asio::io_context& loop,
                     Clock& clock,
                     const Wire::Endpoints& endpoints) {
  std::optional<Result<void>> result;
  asio::co_spawn(loop,
                 wire.connect_tcp(clock, 300ms, endpoints),
                 [&result](const std::exception_ptr& /*thrown*/, Result<void> done) {
                   result = std::move(done);
                 });
  loop.restart();
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!result && std::chrono::steady_clock::now() < deadline) {
    loop.run_one_for(50ms);
  }
  REQUIRE(result);
  return *std::move(result);
}

Result<void> connect(asio::io_context& loop, Clock& clock, const Wire::Endpoints& endpoints) {
  Wire wire = make_wire(loop);
  return connect(wire, loop, clock, endpoints);
}

/// This process's socket that is connected to `server`; -1 if it has none.
int socket_to(const tcp::endpoint& server) {
  constexpr int kMaxFd = 1024;
  for (int fd = 0; fd < kMaxFd; ++fd) {
    tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    if (::getpeername(fd, peer.data(), &size) == 0 && peer == server) {
      return fd;
    }
  }
  return -1;
}

std::chrono::milliseconds tcp_option(int fd, int option, std::chrono::milliseconds unit) {
  int value = 0;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(fd, IPPROTO_TCP, option, &value, &size) == 0);
  return value * unit;
}

}  // namespace

TEST_CASE("Wire: an address that swallows what it is sent does not keep it from the next",
          "[k8s_client]") {
  asio::io_context loop;
  SteadyClock clock;
  const Swallowing first{loop};
  const tcp::acceptor second{loop, kAnyPort};

  CHECK(connect(loop, clock, {first.endpoint(), second.local_endpoint()}));
}

TEST_CASE("Wire: if no address accepts, the last one says why", "[k8s_client]") {
  asio::io_context loop;
  SteadyClock clock;
  const Swallowing swallowing{loop};
  tcp::endpoint refusing;
  {
    const tcp::acceptor closed{loop, kAnyPort};
    refusing = closed.local_endpoint();
  }

  const auto refused = connect(loop, clock, {swallowing.endpoint(), refusing});
  const auto swallowed = connect(loop, clock, {refusing, swallowing.endpoint()});

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == asio::error::connection_refused);
  REQUIRE_FALSE(swallowed);
  CHECK(swallowed.error().code == Errc::connect_timeout);
}

TEST_CASE("Wire: a server that vanished without a word is noticed after 40 s of silence",
          "[k8s_client]") {
  asio::io_context loop;
  SteadyClock clock;
  const tcp::acceptor server{loop, kAnyPort};
  Wire wire = make_wire(loop);

  REQUIRE(connect(wire, loop, clock, {server.local_endpoint()}));

  // The kernel gives up at the first probe that finds the user timeout over: tcp(7).
  const int fd = socket_to(server.local_endpoint());
  int is_probed = 0;
  socklen_t size = sizeof is_probed;
  REQUIRE(::getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &is_probed, &size) == 0);
  CHECK(is_probed == 1);
  const auto second_probe = tcp_option(fd, TCP_KEEPIDLE, 1s) + tcp_option(fd, TCP_KEEPINTVL, 1s);
  CHECK(second_probe == 40s);
  CHECK(tcp_option(fd, TCP_USER_TIMEOUT, 1ms) == 30s);
}
