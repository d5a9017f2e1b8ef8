// SPDX-License-Identifier: Apache-2.0
#include "router/worker/transport.hpp"

#include "router/worker/caller_share.hpp"
#include "tests/support/socket.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <catch2/catch.hpp>

namespace router {
namespace {

/// Has more to say than any socket takes.
class Talker final : public TransportEvents {
 public:
  void on_bytes(std::span<const std::byte> /*bytes*/) override {}
  void on_eof() override {}
  void on_room(OutputBuffer& out) override {
    constexpr std::array<std::byte, 16'384> kText{};
    while (out.room() > 0) {
      out.append(kText);
      n_bytes += kText.size();
    }
  }
  void on_closed(error_code /*error*/) override {}

  std::size_t n_bytes = 0;
};

class Request final : public CallerRequest {
 public:
  void on_turn() override {}
};

/// A caller's connection, from both ends, with buffers of megabytes.
class Download {
 public:
  explicit Download(Loop& loop, CallerShare& share) : transport_{loop, accept(), talker_} {
    transport_.share_turns(&share);
    transport_.start_reading();
    transport_.want_write();
  }
  [[nodiscard]] std::size_t n_bytes() const { return talker_.n_bytes; }

 private:
  Socket accept() {
    const test::Fd listener = test::listen_on_loopback(0);
    const int size = 4 << 20;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    far_ = test::connect_to_loopback(test::local_port(listener));
    test::wait_for(listener, POLLIN, test::Deadline{"a connection"});
    return Socket{::dup(test::accept_from(listener).get())};
  }

  test::Fd far_;
  Talker talker_;
  Transport transport_;
};

struct Core {
  void turn() { loop.turn(std::chrono::milliseconds{0}); }

  telemetry::CoreMetrics metrics;
  Loop loop{metrics};
  ClientQuota quota{1'000'000};
  CallerShares shares{loop, quota};
  CallerSharePtr greedy = shares.of(boost::asio::ip::make_address("10.0.0.1"));
  CallerSharePtr polite = shares.of(boost::asio::ip::make_address("10.0.0.2"));
};

}  // namespace

TEST_CASE("Transport: what a caller takes of replies in a turn is bounded while others are active",
          "[transport]") {
  Core core;
  const bool is_another_active = GENERATE(false, true);
  CAPTURE(is_another_active);
  Request request;
  if (is_another_active) {
    core.polite->begin(request);
  }
  std::array<Download, 3> downloads{Download{core.loop, *core.greedy},
                                    Download{core.loop, *core.greedy},
                                    Download{core.loop, *core.greedy}};
  const auto n_bytes = [&] {
    return downloads[0].n_bytes() + downloads[1].n_bytes() + downloads[2].n_bytes();
  };

  core.turn();
  const std::size_t in_first_turn = n_bytes();
  core.turn();

  // Each has filled a buffer that it may not write yet.
  const std::size_t most = CallerShare::kWrittenPerTurn + 4 * OutputBuffer::kBytes;
  CHECK((in_first_turn <= most) == is_another_active);
  if (is_another_active) {
    CHECK(n_bytes() > in_first_turn);
    CHECK(n_bytes() <= 2 * most);
  }
}

}  // namespace router
