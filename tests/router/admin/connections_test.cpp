// SPDX-License-Identifier: Apache-2.0
#include "router/admin/connections.hpp"

#include <array>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using router::admin::Connections;

namespace {

/// A connection whose other end tells whether it was shut down.
class Pair {
 public:
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) == 0); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  [[nodiscard]] int socket() const { return ends_[0]; }
  [[nodiscard]] bool is_shut_down() const {
    pollfd other{.fd = ends_[1], .events = POLLIN, .revents = 0};
    return ::poll(&other, 1, 0) == 1;
  }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace

TEST_CASE("Connections: one too many shuts down the oldest", "[admin]") {
  Connections connections{{.connections = 2, .pending_bytes = 100}};
  const std::array<Pair, 4> pairs;

  for (const Pair& pair : pairs) {
    static_cast<void>(connections.enter(pair.socket()));
  }

  CHECK(pairs[0].is_shut_down());
  CHECK(pairs[1].is_shut_down());
  CHECK_FALSE(pairs[2].is_shut_down());
  CHECK_FALSE(pairs[3].is_shut_down());
  CHECK(connections.evicted() == 2);
}

TEST_CASE("Connections: those that ended make room", "[admin]") {
  Connections connections{{.connections = 2, .pending_bytes = 100}};
  const std::array<Pair, 3> pairs;
  const auto first = connections.enter(pairs[0].socket());
  static_cast<void>(connections.enter(pairs[1].socket()));

  connections.leave(first);
  static_cast<void>(connections.enter(pairs[2].socket()));

  CHECK(connections.evicted() == 0);
}

TEST_CASE("Connections: too much waiting to be written shuts down the oldest that waits",
          "[admin]") {
  Connections connections{{.connections = 10, .pending_bytes = 100}};
  const std::array<Pair, 3> pairs;
  static_cast<void>(connections.enter(pairs[0].socket()));
  const auto slow = connections.enter(pairs[1].socket());
  const auto newest = connections.enter(pairs[2].socket());
  connections.set_pending(slow, 90);
  REQUIRE(connections.evicted() == 0);

  connections.set_pending(newest, 20);

  CHECK_FALSE(pairs[0].is_shut_down());  // nothing waits on it
  CHECK(pairs[1].is_shut_down());
  CHECK_FALSE(pairs[2].is_shut_down());
}

TEST_CASE("Connections: what has been written waits no more", "[admin]") {
  Connections connections{{.connections = 10, .pending_bytes = 100}};
  const std::array<Pair, 2> pairs;
  const auto one = connections.enter(pairs[0].socket());
  const auto other = connections.enter(pairs[1].socket());

  connections.set_pending(one, 90);
  connections.set_pending(one, 10);
  connections.set_pending(other, 90);

  CHECK(connections.evicted() == 0);
}

TEST_CASE("Connections: an answer above the bound is written all the same", "[admin]") {
  Connections connections{{.connections = 10, .pending_bytes = 100}};
  const Pair pair;

  connections.set_pending(connections.enter(pair.socket()), 1'000);

  CHECK_FALSE(pair.is_shut_down());
}

TEST_CASE("Connections: the oldest can be made to go, one after the other", "[admin]") {
  Connections connections{{.connections = 10, .pending_bytes = 100}};
  const std::array<Pair, 2> pairs;
  for (const Pair& pair : pairs) {
    static_cast<void>(connections.enter(pair.socket()));
  }

  connections.evict_oldest();
  CHECK(pairs[0].is_shut_down());
  CHECK_FALSE(pairs[1].is_shut_down());

  connections.evict_oldest();
  CHECK(pairs[1].is_shut_down());
  CHECK(connections.evicted() == 2);
}

TEST_CASE("Connections: where all have been made to go, the next one has to", "[admin]") {
  Connections connections{{.connections = 10, .pending_bytes = 100}};
  const std::array<Pair, 3> pairs;
  static_cast<void>(connections.enter(pairs[0].socket()));
  connections.evict_oldest();
  connections.evict_oldest();

  static_cast<void>(connections.enter(pairs[1].socket()));
  static_cast<void>(connections.enter(pairs[2].socket()));

  CHECK(pairs[0].is_shut_down());
  CHECK(pairs[1].is_shut_down());
  CHECK_FALSE(pairs[2].is_shut_down());
}

TEST_CASE("Connections: one that comes after the end is shut down, too", "[admin]") {
  Connections connections{{.connections = 10, .pending_bytes = 100}};
  const std::array<Pair, 2> pairs;
  static_cast<void>(connections.enter(pairs[0].socket()));

  connections.shut_down_all();
  connections.leave(connections.enter(pairs[1].socket()));

  CHECK(pairs[0].is_shut_down());
  CHECK(pairs[1].is_shut_down());
  CHECK(connections.evicted() == 0);
}
