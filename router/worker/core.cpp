// SPDX-License-Identifier: Apache-2.0
#include "router/worker/core.hpp"

#include "router/cluster/cluster.hpp"
#include "router/exchange/acceptor.hpp"
#include "router/exchange/edit.hpp"
#include "router/exchange/exchange.hpp"
#include "router/h1/client_connection.hpp"
#include "router/h1/server_connection.hpp"
#include "router/h2/client_connection.hpp"
#include "router/h2/server_connection.hpp"
#include "router/listen/listener.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace router {

using boost::asio::ip::tcp;
using telemetry::CoreFigure;

/// The core's own objects; all but the posts in `Core` runs on its thread.
class Core::State final : public ListenerEvents, public ExchangeHost, public ConnectionFactory {
 public:
  explicit State(Options options);
  ~State();

  Result<tcp::endpoint> listen(const tcp::endpoint& address, const tls::ServerContextPtr* tls);
  void run();
  void adopt(SnapshotPtr snapshot);
  void drain();
  [[nodiscard]] std::vector<EndpointView> describe_endpoints() const;

  [[nodiscard]] Loop& loop() override { return loop_; }

  telemetry::CoreMetrics metrics;
  tls::ServerContextPtr tls;  ///< null without a TLS listener

 private:
  /// A snapshot lets so many clusters forget the endpoints that are not used any more, all of them
  /// in turn: with many clusters in use, a look at each would be a turn of milliseconds.
  static constexpr std::size_t kTidiedClusters = 256;

  class Desk;
  /// A client's connection, by whom its requests are taken, and its place.
  struct Client {
    ClientQuota::Place place;
    std::unique_ptr<Desk> desk;
    std::unique_ptr<ClientConnection> connection;
  };

  void on_accepted(AcceptedConnection accepted) override;
  void on_greeting_over() override { on_fewer_connections(); }

  void on_unreadable_request(Errc reason);
  void on_switched_to_h2(Disposable& connection, SwitchedConnection switched);
  void on_connection_closed(Disposable& connection);

  [[nodiscard]] LocalSnapshotPtr snapshot() override { return snapshot_; }
  [[nodiscard]] Cluster& cluster_of(const Service& service, const ServicePort& port) override;
  [[nodiscard]] telemetry::ServiceMetrics& unresolved_metrics() override { return unresolved_; }
  [[nodiscard]] std::string_view via_entry() override { return via_entry_; }
  void wait_for_snapshot(Exchange& exchange) override;
  void on_exchange_over(Exchange& exchange) override;

  [[nodiscard]] std::unique_ptr<UpstreamConnection> connect(
      const ConnectOptions& options, UpstreamConnectionEvents& events) override;

  void adopt_into(ClusterId id);
  void tidy_clusters();
  void on_fewer_connections();
  void stop_if_drained();

  using ExchangeList = LinkedList<Exchange, CoreList>;
  using SnapshotWaiterList = LinkedList<Exchange, SnapshotWaiters>;

  Options options_;
  std::string via_entry_;
  telemetry::ServiceMetrics& unresolved_;
  Loop loop_{metrics};
  CallerShares caller_shares_;
  LocalSnapshotPtr snapshot_;
  /// By ClusterId; null: never asked for. As `snapshot_` has them.
  std::vector<std::unique_ptr<Cluster>> clusters_;
  std::size_t next_tidied_ = 0;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<Disposable*, Client> connections_;
  ExchangeList
      exchanges_;  ///< owned: `on_exchange_over` hands each to the loop for its destruction
  SnapshotWaiterList snapshot_waiters_;
  bool is_draining_ = false;
};

/// Takes the requests of one connection.
class Core::State::Desk final : public RequestAcceptor, public Disposable {
 public:
  /// `is_refusing`: its caller has too many connections.
  Desk(State& core, CallerSharePtr share, bool is_refusing)
      : core_{core}, share_{std::move(share)}, is_refusing_{is_refusing} {}

  ClientConnection* connection = nullptr;

 private:
  [[nodiscard]] ClientEvents& begin(ClientStream& stream,
                                    RequestHead head,
                                    bool end,
                                    CallerProtocol protocol) override {
    auto* const made =
        new Exchange(core_, stream, share_->buffers(), std::move(head), end, protocol);
    core_.exchanges_.push_back(*made);
    // Also one that is refused: its bodies count in the share, which it keeps alive.
    std::optional<telemetry::Limit> excess = share_->open(*made);
    if (is_refusing_) {
      excess = telemetry::Limit::caller_connections;
    }
    if (excess) {
      refuse(*made, *excess, stream.peer());
    } else {
      share_->begin(*made);
    }
    return *made;
  }

  void refuse(Exchange& exchange, telemetry::Limit excess, const boost::asio::ip::address& caller) {
    std::string what;
    if (excess == telemetry::Limit::caller_connections) {  // the listener has counted it
      connection->drain();                                 // its next attempt may find a place
      what = fmt::format("{} connections", ClientQuota::kMaxPerCaller);
    } else {
      core_.metrics.hit(excess);
      what = excess == telemetry::Limit::caller_requests
                 ? fmt::format("{} open requests", ClientQuota::kMaxRequestsPerCaller)
                 : "while memory is short, too many bytes of bodies and heads";
    }
    exchange.refuse(Errc::caller_limit, fmt::format("{} of {}", what, caller.to_string()));
  }

  [[nodiscard]] CallerShare* share() noexcept override { return share_.get(); }
  void on_unreadable_request(Errc reason) override { core_.on_unreadable_request(reason); }
  void on_switched_to_h2(Disposable& closing, SwitchedConnection switched) override {
    core_.on_switched_to_h2(closing, std::move(switched));
  }
  void on_connection_closed(Disposable& closed) override { core_.on_connection_closed(closed); }

  State& core_;
  CallerSharePtr share_;
  bool is_refusing_;
};

Core::State::State(Options options)
    : options_{std::move(options)},
      via_entry_{std::string{kViaProtocol} + options_.via},
      unresolved_{metrics.add_service({}, {}, {})},
      caller_shares_{loop_, options_.clients} {
  loop_.buffers().join(options_.buffers);
}

Core::State::~State() {
  // Exchanges refer to connections, pools and clusters, so they go first.
  exchanges_.clear_and_dispose([](Exchange* exchange) { delete exchange; });
  connections_.clear();
}

Result<tcp::endpoint> Core::State::listen(const tcp::endpoint& address,
                                          const tls::ServerContextPtr* with_tls) {
  auto listener = std::make_unique<Listener>(loop_, options_.clients, *this, with_tls);
  auto opened = listener->open(address);
  if (opened) {
    listeners_.push_back(std::move(listener));
  }
  return opened;
}

void Core::State::run() {
  for (const auto& listener : listeners_) {
    listener->start();
  }
  loop_.run();
}

void Core::State::on_accepted(AcceptedConnection accepted) {
  metrics.figure(CoreFigure::client_connections).add();
  metrics.figure(CoreFigure::client_connections_open).add();
  const bool is_refused = accepted.place.admission() == Admission::refused;
  auto desk = std::make_unique<Desk>(*this, caller_shares_.of(accepted.place.caller()), is_refused);
  RequestAcceptor& acceptor = *desk;
  const auto take = [&](auto connection) {
    auto& taken = *connection;
    desk->connection = &taken;
    connections_.emplace(&taken,
                         Client{.place = std::move(accepted.place),
                                .desk = std::move(desk),
                                .connection = std::move(connection)});
    taken.start(accepted.already_read);
    if (is_draining_) {
      taken.drain();
    }
  };
  if (accepted.protocol == WireProtocol::h2) {
    take(std::make_unique<h2::ServerConnection>(
        loop_, std::move(accepted.socket), acceptor, h2::SessionLimits{}, std::move(accepted.tls)));
  } else {
    take(std::make_unique<h1::ServerConnection>(loop_,
                                                std::move(accepted.socket),
                                                acceptor,
                                                h1::ServerTimeouts{},
                                                std::move(accepted.tls)));
  }
}

void Core::State::wait_for_snapshot(Exchange& exchange) {
  metrics.figure(CoreFigure::caller_waits).add();
  snapshot_waiters_.push_back(exchange);
}

void Core::State::on_exchange_over(Exchange& exchange) {
  exchanges_.erase(exchanges_.iterator_to(exchange));
  loop_.destroy_later(std::unique_ptr<Disposable>{&exchange});
}

void Core::State::on_unreadable_request(Errc reason) {
  const Verdict& verdict = verdict_of(reason);
  unresolved_.requests.add();
  telemetry::ResponseKey key;
  key.success = verdict.http_status < 500;
  key.http_class = static_cast<std::uint8_t>(verdict.http_status / 100);
  key.reason = static_cast<std::uint8_t>(reason);
  unresolved_.add_response(key, Nanoseconds{0}, Nanoseconds{0});
}

void Core::State::on_switched_to_h2(Disposable& connection, SwitchedConnection switched) {
  const auto found = connections_.find(&connection);
  Client client = std::move(found->second);
  loop_.destroy_later(std::move(client.connection));
  connections_.erase(found);
  auto successor = std::make_unique<h2::ServerConnection>(
      loop_, std::move(switched.socket), *client.desk, h2::SessionLimits{});
  h2::ServerConnection& taken = *successor;
  client.desk->connection = &taken;
  client.connection = std::move(successor);
  connections_.emplace(&taken, std::move(client));
  taken.start(std::move(switched));
}

void Core::State::on_connection_closed(Disposable& connection) {
  const auto found = connections_.find(&connection);
  metrics.figure(CoreFigure::client_connections_open).subtract();
  loop_.destroy_later(std::move(found->second.connection));
  loop_.destroy_later(std::move(found->second.desk));
  connections_.erase(found);
  on_fewer_connections();
}

void Core::State::on_fewer_connections() {
  stop_if_drained();
  for (const auto& listener : listeners_) {
    listener->resume();
  }
}

std::unique_ptr<UpstreamConnection> Core::State::connect(const ConnectOptions& options,
                                                         UpstreamConnectionEvents& events) {
  if (options.is_http1) {
    return std::make_unique<h1::ClientConnection>(loop_, options.endpoint, options.timeout, events);
  }
  return std::make_unique<h2::ClientConnection>(
      loop_, options.endpoint, options.timeout, h2::SessionLimits{}, events);
}

Cluster& Core::State::cluster_of(const Service& service, const ServicePort& port) {
  if (clusters_.size() <= port.id) {
    clusters_.resize(port.id + 1);
  }
  std::unique_ptr<Cluster>& cluster = clusters_[port.id];
  if (!cluster) {
    auto& figures =
        metrics.add_service(service.namespace_, service.name, std::to_string(port.number));
    cluster = std::make_unique<Cluster>(PoolContext{loop_, *this, figures, options_.on_unreachable},
                                        port,
                                        options_.shared.of(port.id),
                                        options_.seed + port.id);
    // A request that began with an older snapshot must not bring back its endpoints.
    if (snapshot_->services.with_port(port.id) != &service) {
      adopt_into(port.id);
    }
  }
  return *cluster;
}

void Core::State::adopt(SnapshotPtr snapshot) {
  const LocalSnapshotPtr old = std::exchange(snapshot_, LocalSnapshotPtr{std::move(snapshot)});
  snapshot_->services.for_each_changed_port(old ? old->services : ServiceTable{},
                                            [this](ClusterId id) {
                                              if (id < clusters_.size() && clusters_[id]) {
                                                adopt_into(id);
                                              }
                                            });
  tidy_clusters();
  SnapshotWaiterList waiters;
  waiters.swap(snapshot_waiters_);
  while (!waiters.empty()) {
    Exchange& waiter = waiters.front();
    waiters.pop_front();
    waiter.on_snapshot();
  }
}

void Core::State::adopt_into(ClusterId id) {
  const Service* const service = snapshot_->services.with_port(id);
  const ServicePort* port = nullptr;
  for (std::size_t i = 0; service != nullptr && i < service->ports.size(); ++i) {
    if (service->ports[i].id == id) {
      port = &service->ports[i];
    }
  }
  clusters_[id]->adopt(port);
}

void Core::State::tidy_clusters() {
  for (std::size_t i = 0; i < std::min(kTidiedClusters, clusters_.size()); ++i) {
    next_tidied_ = (next_tidied_ + 1) % clusters_.size();
    if (clusters_[next_tidied_]) {
      clusters_[next_tidied_]->forget_unused();
    }
  }
}

void Core::State::drain() {
  if (std::exchange(is_draining_, true)) {
    return;
  }
  for (const auto& listener : listeners_) {
    listener->close();
  }
  std::vector<ClientConnection*> connections;
  connections.reserve(connections_.size());
  for (const auto& [key, client] : connections_) {
    connections.push_back(client.connection.get());
  }
  for (ClientConnection* const connection : connections) {
    connection->drain();  // may end it at once; it is destroyed at the end of the turn
  }
  stop_if_drained();
}

void Core::State::stop_if_drained() {
  const bool is_greeting = std::any_of(listeners_.begin(), listeners_.end(), [](const auto& each) {
    return each->n_greetings() > 0;
  });
  if (is_draining_ && connections_.empty() && !is_greeting) {
    loop_.stop();
  }
}

std::vector<EndpointView> Core::State::describe_endpoints() const {
  std::vector<EndpointView> views;
  for (const std::unique_ptr<Cluster>& cluster : clusters_) {
    if (cluster) {
      cluster->describe(views);
    }
  }
  return views;
}

Core::Core(Options options) : state_{std::make_unique<State>(std::move(options))} {}

Core::~Core() = default;

Result<tcp::endpoint> Core::listen(const tcp::endpoint& address) {
  return state_->listen(address, nullptr);
}

Result<tcp::endpoint> Core::listen_tls(const tcp::endpoint& address) {
  return state_->listen(address, &state_->tls);
}

void Core::run() {
  state_->run();
}

void Core::adopt(SnapshotPtr snapshot) {
  state_->loop().post(
      [this, snapshot = std::move(snapshot)]() mutable { state_->adopt(std::move(snapshot)); });
}

void Core::adopt(tls::ServerContextPtr tls) {
  state_->loop().post([this, tls = std::move(tls)]() mutable { state_->tls = std::move(tls); });
}

void Core::drain() {
  state_->loop().post([this] { state_->drain(); });
}

void Core::stop() {
  state_->loop().stop();
}

void Core::inspect_endpoints(std::function<void(std::vector<EndpointView>)> visit) {
  state_->loop().post([this, visit = std::move(visit)] { visit(state_->describe_endpoints()); });
}

const telemetry::CoreMetrics& Core::metrics() const noexcept {
  return state_->metrics;
}

}  // namespace router
