// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/metrics.hpp"
#include "router/worker/loop.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>

namespace test {

using boost::asio::ip::tcp;

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A core's loop with a listening socket on loopback. Runs only when the test says so, on the
/// test's own thread.
class Loopback {
 public:
  [[nodiscard]] router::Loop& loop() { return loop_; }
  [[nodiscard]] tcp::endpoint endpoint() const { return listener_.local_endpoint(); }

  [[nodiscard]] tcp::socket accept() { return listener_.accept(); }
  /// The same, for what is to be tested.
  [[nodiscard]] router::Socket accept_for_router() {
    tcp::socket socket = listener_.accept();
    socket.non_blocking(true);
    return router::Socket{socket.release()};
  }
  [[nodiscard]] tcp::socket connect() {
    tcp::socket socket{io_};
    socket.connect(endpoint());
    return socket;
  }

  /// Runs the loop until `holds()`; fails the test if that takes five seconds.
  template <class Predicate>
  void run_until(Predicate holds) {
    const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds{5};
    while (!holds()) {
      REQUIRE(std::chrono::steady_clock::now() < give_up_at);
      loop_.turn(std::chrono::milliseconds{1});
    }
  }

  /// Lets everything run that is ready.
  void settle() {
    for (int i = 0; i < 20; ++i) {
      loop_.turn(std::chrono::milliseconds{0});
    }
  }

 private:
  boost::asio::io_context io_;
  router::telemetry::CoreMetrics metrics_;
  router::Loop loop_{metrics_};
  tcp::acceptor listener_{io_, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
};

/// The other end of a connection: what a client or an endpoint writes and reads.
class Peer {
 public:
  Peer(Loopback& loopback, tcp::socket socket) : loopback_{loopback}, socket_{std::move(socket)} {
    socket_.non_blocking(true);
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      boost::system::error_code error;
      const std::size_t n_bytes = socket_.write_some(boost::asio::buffer(text), error);
      REQUIRE((!error || error == boost::asio::error::would_block));
      text.remove_prefix(n_bytes);
      loopback_.settle();
    }
  }

  /// Sends without letting the loop run.
  void send_unseen(std::string_view text) {
    REQUIRE(socket_.write_some(boost::asio::buffer(text)) == text.size());
  }

  /// Everything received so far.
  const std::string& received() {
    for (;;) {
      std::array<char, 4096> buffer;
      boost::system::error_code error;
      const std::size_t n_bytes = socket_.read_some(boost::asio::buffer(buffer), error);
      received_.append(buffer.data(), n_bytes);
      if (error) {
        is_closed_ = error != boost::asio::error::would_block;
        return received_;
      }
    }
  }

  /// Waits until `text` has been received, then forgets everything received.
  std::string read_until(std::string_view text) {
    loopback_.run_until([&] { return received().find(text) != std::string::npos; });
    return std::exchange(received_, {});
  }

  /// Waits until the router has closed the connection; returns what was received before.
  std::string read_to_end() {
    loopback_.run_until([&] {
      received();
      return is_closed_;
    });
    return std::exchange(received_, {});
  }

  [[nodiscard]] bool is_closed() {
    received();
    return is_closed_;
  }

  void close() { socket_.close(); }
  /// Ends the connection by a reset, as the kernel does for who dies with bytes unread.
  void reset() {
    socket_.set_option(boost::asio::socket_base::linger{true, 0});
    socket_.close();
  }
  /// Says that no more will be sent.
  void end() { socket_.shutdown(tcp::socket::shutdown_send); }

 private:
  Loopback& loopback_;
  tcp::socket socket_;
  std::string received_;
  bool is_closed_ = false;
};

}  // namespace test
