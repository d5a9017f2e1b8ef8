// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/wire.hpp"

#include "tests/k8s_client/result_text.hpp"

#include <chrono>
#include <list>
#include <optional>

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

Result<void> connect(asio::io_context& loop, Clock& clock, const Wire::Endpoints& endpoints) {
  Wire wire{loop.get_executor(), asio::ssl::context{asio::ssl::context::tls_client}, false};
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
