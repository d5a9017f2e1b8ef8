// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/stream.hpp"
#include "router/pool/unreachable_endpoint.hpp"
#include "router/route/policy.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/fair_queue.hpp"
#include "router/worker/loop.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// Somebody who wants to open one stream to the pool's endpoint. Leaves the queue when destroyed.
class PoolWaiter : public FairWaiter<class PoolWaiters> {
 public:
  /// `connection` has a free stream, which must be opened now. May come from inside
  /// `Pool::acquire`.
  virtual void on_connection(UpstreamConnection& connection) = 0;
  /// No connection can be had. Nothing of the request was sent.
  virtual void on_no_connection(Errc reason) = 0;

 protected:
  ~PoolWaiter() = default;
};

/// What a pool tells the owner of the endpoint.
class PoolEvents {
 public:
  virtual void on_connect_failed(Errc reason) = 0;
  virtual void on_connect_succeeded() = 0;

 protected:
  ~PoolEvents() = default;
};

/// Where an endpoint is and how it is spoken to.
struct ConnectOptions {
  boost::asio::ip::tcp::endpoint endpoint;
  bool is_http1 = false;
  std::chrono::nanoseconds timeout{};  ///< TCP and, for HTTP/2, the peer's first SETTINGS
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds{60};
  std::chrono::nanoseconds max_age{0};  ///< then it takes no new streams; 0: it never ages
};

/// Makes the connections of all pools of a core. A test makes scripted ones.
class ConnectionFactory {
 public:
  /// Begins to connect. No event comes before it returns; `events` must outlive the connection.
  [[nodiscard]] virtual std::unique_ptr<UpstreamConnection> connect(
      const ConnectOptions& options, UpstreamConnectionEvents& events) = 0;

 protected:
  ~ConnectionFactory() = default;
};

/// What a pool needs of its core and its Service port. All of it outlives the pool.
struct PoolContext {
  Loop& loop;
  ConnectionFactory& connections;
  telemetry::ServiceMetrics& service_metrics;
  const UnreachableListener& on_unreachable;  ///< may be empty
};

/// The connections of one core to one endpoint in one protocol.
///
/// Opens one when the streams of those that it has run short, up to `kMaxH2Connections` or
/// `kMaxHttp1Connections` beside those that drain; closes what was idle for
/// `ConnectOptions::idle_timeout`, and what is `max_age` old when its streams have ended. While
/// connections are being opened or full, requests wait, and their callers are served in turn
/// (`FairQueue`).
class Pool final : private UpstreamConnectionEvents {
 public:
  /// HTTP/2: a peer that allows one stream each still gets 32 at a time. HTTP/1.1: one request
  /// each, so as many as a burst.
  static constexpr std::size_t kMaxH2Connections = 32;
  static constexpr std::size_t kMaxHttp1Connections = 256;
  /// Beside those: connections of HTTP/1.1 that have become tunnels, each for good. With 4 workers
  /// they take at most 16,384 of the 28,232 local ports that Linux has toward one endpoint.
  static constexpr std::size_t kMaxTunnels = 4096;
  /// After a connect that failed while other connections are open, but full: until the next one, if
  /// requests still wait. They are not sent away, since the Service may have no other endpoint, and
  /// a stream of those may end; nor do they wait for that alone, since it may take hours.
  static constexpr std::chrono::milliseconds kReopenPause{100};
  /// Connections of one age must not all be opened anew at once, so each is up to so much of its
  /// `max_age` younger or older. Source: grpc-go's MaxConnectionAge.
  static constexpr double kAgeJitter = 0.1;
  /// Streams expected of an HTTP/2 connection whose SETTINGS have not come: what RFC 9113, 6.5.2
  /// recommends as a minimum.
  static constexpr std::size_t kExpectedStreams = 100;

  /// `events` must outlive the pool.
  Pool(const PoolContext& context, const ConnectOptions& options, PoolEvents& events);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  /// Gives `waiter` a connection, now or later. It leaves the queue by `unlink` or its own
  /// destruction, which it does when its wait ends.
  void acquire(PoolWaiter& waiter, const QueuePlace& place);
  /// The endpoint is no longer used: waiters are sent away, connections close when their streams
  /// have ended.
  void retire();
  /// Of connections to come.
  void set_times(std::chrono::nanoseconds connect_timeout,
                 std::chrono::nanoseconds max_age) noexcept {
    options_.timeout = connect_timeout;
    options_.max_age = max_age;
  }

  [[nodiscard]] bool is_empty() noexcept { return n_connections() == 0 && waiters_.empty(); }
  /// With tunnels.
  [[nodiscard]] std::size_t n_connections() const noexcept {
    return connections_.size() + tunnels_.size();
  }
  /// Whether a connection is there that takes streams, now or when one of its own has ended.
  [[nodiscard]] bool is_connected() const noexcept {
    return count(telemetry::UpstreamState::open) > 0;
  }
  /// Whether one more tunnel may be asked for. Those that are being asked for are not counted.
  [[nodiscard]] bool has_room_for_tunnel() const noexcept { return tunnels_.size() < kMaxTunnels; }

 private:
  struct Entry {
    std::unique_ptr<UpstreamConnection> connection;
    telemetry::UpstreamState state = telemetry::UpstreamState::connecting;
    /// Counts while no stream is open; max until one could be.
    TimePoint idle_since = TimePoint::max();
    TimePoint old_at = TimePoint::max();
  };

  void on_connected(UpstreamConnection& connection) override;
  void on_capacity(UpstreamConnection& connection) override;
  void on_draining(UpstreamConnection& connection) override;
  void on_tunnel(UpstreamConnection& connection) override;
  void on_disconnected(UpstreamConnection& connection, bool connected, Errc reason) override;

  /// One with a stream free; null if there is none.
  [[nodiscard]] UpstreamConnection* take_connection();
  void serve_waiters();
  void open_if_short();
  void open_connection();
  void fail_waiters(Errc reason);
  /// Drains connections that are idle for too long, or too old.
  void tend();
  void tend_by(TimePoint at);
  [[nodiscard]] TimePoint old_at() const noexcept;
  void remove(UpstreamConnection& connection);
  void set_state(Entry& entry, telemetry::UpstreamState state);
  [[nodiscard]] std::size_t count(telemetry::UpstreamState state) const noexcept;
  [[nodiscard]] telemetry::Cell& gauge(telemetry::UpstreamState state) noexcept {
    return context_.service_metrics.upstream_connections[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] static std::vector<Entry>::iterator find(std::vector<Entry>& entries,
                                                         const UpstreamConnection& connection);

  PoolContext context_;
  ConnectOptions options_;
  PoolEvents& events_;
  std::size_t streams_each_;  ///< what one connection is expected to carry: as the last one did
  std::vector<Entry> connections_;
  std::vector<Entry> tunnels_;  ///< apart, so that thousands of them make no search longer
  FairQueue<PoolWaiter, PoolWaiters> waiters_;
  bool is_retiring_ = false;                ///< inside of `retire`
  TimePoint tended_at_ = TimePoint::max();  ///< next
  Timer tend_timer_{on_timer<&Pool::tend>, this};
  Timer reopen_timer_{on_timer<&Pool::serve_waiters>, this};
};

}  // namespace router
