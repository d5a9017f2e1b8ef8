// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/stream.hpp"
#include "router/h2/session.hpp"
#include "router/worker/connector.hpp"
#include "router/worker/transport.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <span>

#include <boost/asio/ip/tcp.hpp>

namespace router::h2 {

/// An HTTP/2 connection to an endpoint, by prior knowledge (RFC 9113 section 3.3). Owned by its
/// pool.
///
/// It takes no stream before the endpoint's SETTINGS have come, so that its limits hold from the
/// first frame on.
///
///     connecting --TCP--> greeting --SETTINGS--> open --GOAWAY, drain()--> draining --last
///     stream--> over
class ClientConnection final : public UpstreamConnection,
                               private ConnectorEvents,
                               private TransportEvents,
                               private SessionEvents {
 public:
  /// Our own bound on an endpoint that allows any number; as many as one client may open to us.
  static constexpr std::size_t kMaxStreams = 1000;

  /// `connect_timeout` covers TCP and the SETTINGS. `events` must outlive the connection.
  ClientConnection(Loop& loop,
                   const boost::asio::ip::tcp::endpoint& endpoint,
                   std::chrono::nanoseconds connect_timeout,
                   const SessionLimits& limits,
                   UpstreamConnectionEvents& events);
  ~ClientConnection() override;

  [[nodiscard]] std::size_t free_streams() const noexcept override;
  [[nodiscard]] std::size_t open_streams() const noexcept override { return streams_.size(); }
  [[nodiscard]] bool takes_tunnels() const noexcept override {
    return session_.peer_takes_tunnels();
  }
  UpstreamStream& open(UpstreamEvents& events, const RequestHead& head, bool end) override;
  void drain() override;

 private:
  class Stream;
  enum class State : std::uint8_t { connecting, greeting, open, draining, over };

  void on_connect(Socket socket) override;
  void on_connect_failed(Errc reason) override { end(reason); }

  void on_bytes(std::span<const std::byte> bytes) override;
  void on_eof() override { end_by_peer(); }
  void on_room(OutputBuffer& out) override;
  void on_closed(error_code /*error*/) override { end_by_peer(); }

  [[nodiscard]] StreamEvents* on_new_stream(StreamId id) override;
  void on_settings() override;
  void on_goaway() override;
  void on_ping_ack() override {}
  void on_invalid_frame() override {}
  void on_limit_hit(telemetry::Limit limit) override { loop_.metrics().hit(limit); }

  void on_greeting_late() { end(Errc::connect_timeout); }
  void on_stream_over(std::list<Stream>::iterator stream);
  void end_by_peer() {
    end(session_.has_peer_failed() ? Errc::upstream_protocol_error : Errc::upstream_reset);
  }
  void end(Errc reason);

  Loop& loop_;
  SessionLimits limits_;
  UpstreamConnectionEvents& events_;
  State state_ = State::connecting;
  bool was_connected_ = false;
  Session session_;
  std::list<Stream> streams_;
  CountedBytes counted_copies_{loop_.buffers()};  ///< of trailers, in the session
  std::optional<Connector> connector_;
  std::optional<Transport> transport_;
  Timer greeting_timer_{on_timer<&ClientConnection::on_greeting_late>, this};
};

}  // namespace router::h2
