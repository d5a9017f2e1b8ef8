// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster.hpp"
#include "router/control/snapshot.hpp"
#include "router/exchange/body.hpp"
#include "router/exchange/reply.hpp"
#include "router/exchange/stream.hpp"
#include "router/pool/pool.hpp"
#include "router/resolve/resolve.hpp"
#include "router/telemetry/metrics.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/container/static_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/local_shared_ptr.hpp>

namespace router {

class Exchange;

/// One core's own reference to the snapshot: copying it is a plain increment, shared with no other
/// core.
using LocalSnapshotPtr = boost::local_shared_ptr<const Snapshot>;

/// What an exchange needs of its core.
class ExchangeHost {
 public:
  [[nodiscard]] virtual Loop& loop() = 0;
  [[nodiscard]] virtual LocalSnapshotPtr snapshot() = 0;  ///< null before the first
  [[nodiscard]] virtual Cluster& cluster_of(const Service& service, const ServicePort& port) = 0;
  [[nodiscard]] virtual telemetry::ServiceMetrics&
  unresolved_metrics() = 0;                                ///< of requests that named no Service
  [[nodiscard]] virtual std::string_view via_entry() = 0;  ///< `2 nodeway-1a2b3c4d`
  /// Calls `on_snapshot` once there is another one, unless the exchange unlinks its
  /// `SnapshotWaiter` before.
  virtual void wait_for_snapshot(Exchange& exchange) = 0;
  virtual void on_exchange_over(Exchange& exchange) = 0;  ///< destroys it at the end of the turn

 protected:
  ~ExchangeHost() = default;
};

/// The place of an exchange in its core's list of those that wait for the next snapshot.
using SnapshotWaiter =
    boost::intrusive::list_base_hook<boost::intrusive::tag<class SnapshotWaiters>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// One request with its reply: from the complete head to the last byte, over as many attempts as it
/// takes.
///
/// Three states run side by side (docs/life-of-a-request.md draws them):
///
///     request side  head -> body -> trailers -> done | reset     what the client has sent
///     reply side    idle -> head -> body -> trailers -> done | reset     what the client has been
///     sent attempt       queued -> sent -> committed -> done     the current one
///
/// An attempt is `queued` from the choice of its endpoint until a connection has a stream free,
/// `sent` until the reply's head, `committed` from then on: the reply has begun, and nothing can be
/// repeated. After it the exchange is `stranded` while every endpoint that is known was tried in
/// vain. `Body` holds what one side has sent and the other has not taken yet.
///
/// Ends itself: when the reply has been sent or the client is gone, it lets go of whatever is left
/// and tells its host.
class Exchange final : public Disposable,
                       public ClientEvents,
                       private UpstreamEvents,
                       private PoolWaiter,
                       private EndpointWaiter,
                       public SnapshotWaiter,
                       public boost::intrusive::list_base_hook<
                           boost::intrusive::tag<class CoreList>,
                           boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  /// product.md, "Re-picks": attempts at further endpoints, after the first.
  static constexpr std::size_t kMaxRepicks = 5;
  /// For error trailers to be taken by a client that still has body bytes before it; then it gets
  /// a reset.
  static constexpr std::chrono::seconds kTrailersGrace{1};

  Exchange(ExchangeHost& host,
           ClientStream& client,
           RequestHead head,
           bool end,
           CallerProtocol protocol);
  ~Exchange() override;

  /// Takes the ten steps of docs/life-of-a-request.md as far as they go at once.
  void begin();
  /// The cluster has changed while the exchange waited for that.
  void on_snapshot();

  void on_request_data(std::span<const std::byte> bytes) override;
  void on_request_trailers(HeaderList trailers) override;
  void on_request_end() override;
  void on_client_gone(Reset how) override;
  void on_reply_sent() override;
  [[nodiscard]] Pulled pull_reply(std::span<std::byte> into) override;
  [[nodiscard]] const HeaderList& reply_trailers() const override { return reply_trailers_; }

 private:
  enum class AttemptState : std::uint8_t { none, queued, sent, committed, done, stranded };

  // The way to an endpoint (exchange.cpp).
  bool refuse_at_once();
  void find_way();
  [[nodiscard]] bool must_wait_for(const Caller& caller,
                                   std::optional<std::string_view> name) const;
  bool find_service(const Caller& caller, std::optional<std::string_view> name);
  void count_request();
  void arm_deadline();
  /// False if the request is answered, since the endpoints are overloaded.
  bool enter_cluster();
  void leave_cluster();
  /// Begins an attempt; waits for another endpoint if every one was tried.
  void try_endpoint();
  void wait_for_endpoint();
  void bound_wait();
  [[nodiscard]] TimePoint wait_end() const noexcept;  ///< by the queue's timeout
  [[nodiscard]] ClusterEndpoint* choose_endpoint();
  void on_deadline();
  void on_wait_over();

  // The attempt (attempt.cpp).
  void on_connection(UpstreamConnection& connection) override;
  void on_no_connection(Errc reason) override;
  void on_new_endpoints() override;
  void on_informational(ReplyHead head) override;
  void on_reply_head(ReplyHead head, bool end) override;
  void on_reply_data(std::span<const std::byte> bytes) override;
  void on_reply_trailers(HeaderList trailers) override;
  void on_reply_end() override;
  void on_attempt_failed(AttemptFailure failure) override;
  void on_upstream_closed() override;
  [[nodiscard]] Pulled pull_request(std::span<std::byte> into) override;
  [[nodiscard]] const HeaderList& request_trailers() const override { return request_trailers_; }
  void end_reply(BodyState how);
  void lower_grpc_timeout();
  void stop_waiting();
  void repick_or_fail(AttemptFailure failure);
  [[nodiscard]] bool speaks_against_endpoint() const noexcept;
  void end_attempt(AttemptOutcome::Kind how);
  void give_up_attempt();

  // The end (exchange.cpp).
  void fail(Errc reason, std::string_view detail);
  void reply_locally(Errc reason, std::string_view detail);
  void break_reply(Errc reason, std::string_view detail);
  void cut_reply();
  void stop_taking_request();
  void finish();

  ExchangeHost& host_;
  ClientStream* client_;  ///< null once the reply is sent or the client is gone
  CallerProtocol protocol_;
  LocalSnapshotPtr snapshot_;  ///< what the request began with; keeps `service_` and `port_` alive
  const ServicePort* port_ = nullptr;
  std::optional<boost::asio::ip::tcp::endpoint>
      named_endpoint_;                     ///< the only one that the caller wants; nothing: any
  std::optional<std::uint64_t> hash_key_;  ///< what the balancer goes by; nothing: no hash
  Cluster* cluster_ = nullptr;
  telemetry::ServiceMetrics* metrics_;
  TimePoint began_at_;

  RequestHead request_;
  Body request_body_;
  HeaderList request_trailers_;
  bool request_is_wanted_ = true;  ///< false: what still comes of it is credited and dropped

  Body reply_body_;
  HeaderList reply_trailers_;
  GrpcFraming reply_framing_;
  bool reply_has_begun_ = false;  ///< the head has gone to the client
  std::uint16_t reply_status_ = 0;
  std::optional<std::uint8_t> grpc_status_;
  std::optional<Nanoseconds> asked_pause_;  ///< what the endpoint asks for if it has failed
  std::optional<TimePoint> head_at_;
  std::optional<Errc> reason_;  ///< why the router ended the request, if it did

  AttemptState attempt_ = AttemptState::none;
  ClusterEndpoint* endpoint_ = nullptr;  ///< of the current attempt
  UpstreamStream* upstream_ = nullptr;
  TimePoint attempt_at_;
  Errc last_failure_ = Errc::no_endpoints;                                 ///< of an attempt
  Nanoseconds queued_for_{0};                                              ///< by earlier attempts
  boost::container::static_vector<std::uint64_t, kMaxRepicks + 1> tried_;  ///< ids of endpoints

  std::optional<TimePoint> deadline_;
  std::optional<TimePoint> admitted_at_;  ///< while it counts for the cluster's adaptive limit
  Timer deadline_timer_{on_timer<&Exchange::on_deadline>, this};
  Timer wait_timer_{on_timer<&Exchange::on_wait_over>, this};  ///< for its caller, or an endpoint
  bool has_waited_for_caller_ = false;
  bool is_counted_ = false;
  bool is_over_ = false;
};

}  // namespace router
