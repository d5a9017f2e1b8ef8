// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster.hpp"
#include "router/exchange/exchange.hpp"
#include "tests/router/virtual_loop.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/make_shared.hpp>

namespace test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

/// A client's stream that records what it is told, and pulls only when the test says so.
class ScriptedClient final : public router::ClientStream {
 public:
  [[nodiscard]] const boost::asio::ip::address& peer() const noexcept override { return address; }
  void send_informational(const router::ReplyHead& reply) override {
    informational.push_back(reply.status);
  }
  void want_body() override { body_is_wanted = true; }
  void send_head(router::ReplyHead reply, bool end) override {
    head = std::move(reply);
    is_head_whole = end;
  }
  void resume() override { ++resumed; }
  [[nodiscard]] bool takes_trailers() const noexcept override { return has_trailers; }
  void consumed(std::size_t n_bytes) override { credited += n_bytes; }
  void reset(router::Reset how) override { was_reset = how; }

  [[nodiscard]] std::string header(std::string_view name) const {
    return std::string{head->fields.find(name).value_or("")};
  }

  boost::asio::ip::address address = boost::asio::ip::address_v4::loopback();
  std::vector<int> informational;
  std::optional<router::ReplyHead> head;
  bool is_head_whole = false;
  bool has_trailers = true;
  bool body_is_wanted = false;
  int resumed = 0;
  std::size_t credited = 0;
  std::optional<router::Reset> was_reset;
};

/// A connection to an endpoint that the test speaks for. Holds one stream at a time.
class ScriptedConnection final : public router::UpstreamConnection, public router::UpstreamStream {
 public:
  ScriptedConnection(const router::ConnectOptions& options, router::UpstreamConnectionEvents& pool)
      : port{options.endpoint.port()}, pool_{pool} {}

  [[nodiscard]] bool takes_tunnels() const noexcept override { return has_tunnels; }
  [[nodiscard]] std::size_t free_streams() const noexcept override {
    return is_connected && stream == nullptr ? 1 : 0;
  }
  [[nodiscard]] std::size_t open_streams() const noexcept override {
    return stream == nullptr ? 0 : 1;
  }
  router::UpstreamStream& open(router::UpstreamEvents& events,
                               const router::RequestHead& head,
                               bool end) override {
    stream = &events;
    request_path = head.path;
    request_timeout = head.fields.find("grpc-timeout").value_or("");
    previous_attempts = head.fields.find("grpc-previous-rpc-attempts").value_or("");
    is_request_whole = end;
    request_state = router::BodyState::open;
    ++n_opened;
    return *this;
  }
  void drain() override {
    ++n_drains;
    if (ends_when_drained) {
      fail_to_connect(router::Errc::connect_failed);
    }
  }
  void resume() override { ++resumed; }
  void consumed(std::size_t n_bytes) override { credited += n_bytes; }
  void reset(router::Reset how) override {
    was_reset = how;
    stream = nullptr;
  }

  void connect() {
    is_connected = true;
    pool_.on_connected(*this);
  }
  /// No new streams from here on: GOAWAY.
  void go_away() {
    is_connected = false;
    pool_.on_draining(*this);
  }
  /// What was asked for in the stream is granted.
  void become_tunnel() {
    is_connected = false;
    pool_.on_tunnel(*this);
  }
  /// The connection ends, and what was open on it.
  void close() {
    if (router::UpstreamEvents* const open = std::exchange(stream, nullptr)) {
      open->on_attempt_failed({router::Errc::upstream_reset, router::Sent::maybe});
    }
    pool_.on_disconnected(*this, true, router::Errc::upstream_reset);
  }
  void fail_to_connect(router::Errc reason) { pool_.on_disconnected(*this, false, reason); }
  void fail_stream(router::AttemptFailure failure) {
    std::exchange(stream, nullptr)->on_attempt_failed(failure);
  }
  /// The endpoint takes what there is of the request's body.
  std::string pull(std::size_t n_bytes = 1 << 20) {
    std::string text(n_bytes, '\0');
    const router::Pulled pulled = stream->pull_request(std::as_writable_bytes(std::span{text}));
    request_state = pulled.state;
    text.resize(pulled.n_bytes);
    return text;
  }

  const std::uint16_t port;
  bool is_connected = false;
  bool has_tunnels = true;
  bool ends_when_drained = false;  ///< as one does that is being connected
  router::UpstreamEvents* stream = nullptr;
  std::string request_path;
  std::string request_timeout;
  std::string previous_attempts;
  bool is_request_whole = false;
  int n_opened = 0;
  int n_drains = 0;
  router::BodyState request_state = router::BodyState::open;
  int resumed = 0;
  std::size_t credited = 0;
  std::optional<router::Reset> was_reset;

 private:
  router::UpstreamConnectionEvents& pool_;
};

/// A core without sockets: Service `cart.shop`, port 80, with as many endpoints as the test wants.
class ScriptedHost final : public router::ExchangeHost, public router::ConnectionFactory {
 public:
  explicit ScriptedHost(std::size_t n_endpoints, const router::Policy& policy = {}) {
    router::ServicePort port;
    port.number = 80;
    port.policy = policy;
    port.policy.balancer = router::BalancerKind::round_robin;  // so that tests know who is next
    for (std::size_t i = 0; i < n_endpoints; ++i) {
      port.endpoints.push_back(endpoint_at(static_cast<std::uint16_t>(1001 + i)));
    }
    auto service = boost::make_shared<router::Service>();
    service->namespace_ = "shop";
    service->name = "cart";
    service->ports.push_back(port);
    auto snapshot = boost::make_shared<router::Snapshot>();
    snapshot->services.put(service);
    snapshot_ = router::LocalSnapshotPtr{router::SnapshotPtr{snapshot}};
    const router::PoolContext context{
        *loop_, *this, metrics.add_service("shop", "cart", "80"), on_unreachable};
    cluster_ = std::make_unique<router::Cluster>(context, service->ports[0], shared_, 1U);
  }

  [[nodiscard]] router::Loop& loop() override { return *loop_; }
  [[nodiscard]] router::LocalSnapshotPtr snapshot() override { return snapshot_; }
  [[nodiscard]] router::Cluster& cluster_of(const router::Service& /*service*/,
                                            const router::ServicePort& /*port*/) override {
    return *cluster_;
  }
  [[nodiscard]] router::telemetry::ServiceMetrics& unresolved_metrics() override {
    return unresolved_;
  }
  [[nodiscard]] std::string_view via_entry() override { return "2 nodeway-00000001"; }
  void wait_for_snapshot(router::Exchange& exchange) override { waiting = &exchange; }
  void on_exchange_over(router::Exchange& exchange) override {
    is_over = true;
    loop_->destroy_later(std::unique_ptr<router::Disposable>{&exchange});
  }

  [[nodiscard]] std::unique_ptr<router::UpstreamConnection> connect(
      const router::ConnectOptions& options, router::UpstreamConnectionEvents& events) override {
    auto connection = std::make_unique<ScriptedConnection>(options, events);
    connections.push_back(connection.get());
    return connection;
  }

  /// From here on these are the callers; what waits for a snapshot hears of it.
  void adopt(router::Callers callers) {
    auto next = boost::make_shared<router::Snapshot>(*snapshot_);
    next->callers = boost::make_shared<const router::Callers>(std::move(callers));
    snapshot_ = router::LocalSnapshotPtr{router::SnapshotPtr{next}};
    if (router::Exchange* const woken = std::exchange(waiting, nullptr)) {
      woken->on_snapshot();
    }
  }

  /// The Service is gone.
  void remove_service() { cluster_->adopt(nullptr); }

  /// From here on the Service has this endpoint and no other.
  void replace_endpoints(std::uint16_t number) {
    router::ServicePort port = snapshot_->services.find("cart.shop")->ports[0];
    port.endpoints = {endpoint_at(number)};
    cluster_->adopt(&port);
  }

  /// From here on slices have a pod at that address, which is not selected.
  void add_pod(const boost::asio::ip::tcp::endpoint& pod) {
    auto next = boost::make_shared<router::Snapshot>(*snapshot_);
    const auto address = router::pod_address(pod.address());
    const auto pods = boost::make_shared<router::PodPorts>();
    pods->shards[router::PodPorts::shard_of(address)] =
        boost::make_shared<const router::PodPorts::Shard>(1,
                                                          router::PodPort{address, pod.port(), 0});
    next->pod_ports = pods;
    snapshot_ = router::LocalSnapshotPtr{router::SnapshotPtr{next}};
  }

  /// Begins a request; it is owned by itself until `is_over`.
  router::Exchange& begin(ScriptedClient& client, router::RequestHead head, bool end) {
    auto* const exchange = new router::Exchange(
        *this, client, loop_->buffers(), std::move(head), end, router::CallerProtocol::h2);
    exchange->begin();
    return *exchange;
  }

  /// Lets the turn end: what is over is destroyed.
  void end_turn() { loop_.turn(); }
  /// Lets time pass, or do so until something holds. It stands still otherwise.
  [[nodiscard]] test::VirtualLoop& time() { return loop_; }

  [[nodiscard]] router::Cluster& cluster() { return *cluster_; }
  [[nodiscard]] router::telemetry::ServiceMetrics& service_metrics() { return cluster_->metrics(); }

  router::telemetry::CoreMetrics metrics;
  router::UnreachableListener on_unreachable;
  std::vector<ScriptedConnection*> connections;  ///< in the order they were asked for
  bool is_over = false;
  router::Exchange* waiting = nullptr;  ///< for the next snapshot

 private:
  static router::Endpoint endpoint_at(std::uint16_t number) {
    return {.address = {boost::asio::ip::address_v4::loopback(), number}, .pod = ""};
  }

  test::VirtualLoop loop_{metrics};
  router::telemetry::ServiceMetrics& unresolved_ = metrics.add_service({}, {}, {});
  router::LocalSnapshotPtr snapshot_;
  router::SharedPort shared_{1};
  std::unique_ptr<router::Cluster> cluster_;
};

}  // namespace test
