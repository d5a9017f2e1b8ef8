// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/h1/client_connection.hpp"
#include "tests/router/loopback.hpp"
#include "tests/router/scripted_pool.hpp"

#include <chrono>
#include <memory>

#include <catch2/catch.hpp>

namespace test {

/// A connected pool with the endpoint's end of its connection.
struct ScriptedEndpoint {
  ScriptedEndpoint() {
    loopback.run_until([this] { return pool.is_connected; });
  }

  void open(ScriptedAttempt& attempt, bool end = true) {
    REQUIRE(pool.connection->free_streams() == 1);
    attempt.stream = &pool.connection->open(attempt, attempt.head, end);
  }

  Loopback loopback;
  ScriptedPool pool{loopback};
  Peer peer{loopback, accept()};

 private:
  tcp::socket accept() {
    pool.connection = std::make_unique<router::h1::ClientConnection>(
        loopback.loop(), loopback.endpoint(), std::chrono::seconds{1}, pool);
    return loopback.accept();
  }
};

}  // namespace test
