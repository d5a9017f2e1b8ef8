// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/limits/client_quota.hpp"
#include "router/tls/server_context.hpp"
#include "router/tls/session.hpp"
#include "router/worker/loop.hpp"
#include "router/worker/socket.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <unordered_map>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// What the first bytes of a connection, or ALPN, say.
enum class WireProtocol : std::uint8_t { http1, h2 };

/// A connection whose protocol is known.
struct AcceptedConnection {
  Socket socket;
  ClientQuota::Place place;           ///< to be held for as long as the connection is
  std::unique_ptr<tls::Session> tls;  ///< its handshake done; null if the connection is plain
  WireProtocol protocol = WireProtocol::http1;
  /// What was read, and decrypted, until then: the first bytes of the connection. Valid during the
  /// call.
  std::span<const std::byte> already_read;
};

/// Takes the connections that a listener accepts.
class ListenerEvents {
 public:
  virtual void on_accepted(AcceptedConnection connection) = 0;
  /// A connection whose protocol was not known yet is gone, or has been handed over.
  virtual void on_greeting_over() = 0;

 protected:
  ~ListenerEvents() = default;
};

/// One listening socket of one core, shared with the other cores by SO_REUSEPORT: the kernel
/// spreads connections over them.
///
/// Tells HTTP/2 from HTTP/1.1 by the connection preface: no HTTP/1.1 method begins with `PRI` (RFC
/// 9113 section 3.4). With TLS, ALPN tells it (section 3.2).
class Listener final : private Pollable {
 public:
  /// A connection that sends nothing for so long is closed; the same as an idle HTTP/1.1 one.
  static constexpr std::chrono::seconds kFirstByteTimeout{60};
  /// The same once the listener is closed: what was accepted last had its first bytes under way.
  /// So has a connection that is to be told that its caller has too many.
  static constexpr std::chrono::seconds kClosingTimeout{1};
  /// For a TLS handshake, which takes two round trips; as long as a head may take.
  static constexpr std::chrono::seconds kHandshakeTimeout{10};
  /// What a client may send before its handshake is done; a ClientHello with its extensions is a
  /// tenth of it.
  static constexpr std::size_t kMaxHandshakeBytes = 64 * std::size_t{1024};
  /// Between two lines that name a caller with too many connections: one tells whom to ask.
  static constexpr std::chrono::minutes kLogPause{1};

  /// With `tls`, connections are encrypted: each begins with what `*tls` is at that time.
  Listener(Loop& loop,
           ClientQuota& quota,
           ListenerEvents& events,
           const tls::ServerContextPtr* tls = nullptr);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  /// Binds and listens. Returns the address, with the port that the kernel chose for port 0.
  Result<boost::asio::ip::tcp::endpoint> open(const boost::asio::ip::tcp::endpoint& address);
  void start() { watch(true); }
  /// A connection of this core has ended: accepts again, if that had paused.
  void resume();
  /// Takes what the kernel has accepted already, then listens no more.
  void close();
  /// How many connections there are whose protocol is not known yet.
  [[nodiscard]] std::size_t n_greetings() const noexcept { return greetings_.size(); }

 private:
  class Greeting;
  class PlainGreeting;
  class TlsGreeting;

  void watch(bool to_accept) { loop_.poller().watch(socket_.number(), *this, to_accept, false); }
  /// One connection in each turn: those that are there already are served in between.
  void on_ready(bool /*readable*/, bool /*writable*/) override { accept_one(); }
  /// False if none is waiting, or none can be taken now.
  bool accept_one();
  void admit(Socket socket, ClientQuota::Place place);
  void log_excess(const boost::asio::ip::address& caller);
  void pause(telemetry::Limit limit);
  void on_pause_over() { watch(true); }

  Loop& loop_;
  ClientQuota& quota_;
  ListenerEvents& events_;
  const tls::ServerContextPtr* tls_;
  Socket socket_;
  std::unordered_map<Greeting*, std::unique_ptr<Greeting>> greetings_;
  bool is_paused_ = false;
  TimePoint next_log_at_{};
  Timer pause_timer_{on_timer<&Listener::on_pause_over>, this};
};

}  // namespace router
