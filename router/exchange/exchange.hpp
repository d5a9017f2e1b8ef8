// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster.hpp"
#include "router/control/snapshot.hpp"
#include "router/exchange/asked_pause.hpp"
#include "router/exchange/attempt.hpp"
#include "router/exchange/body.hpp"
#include "router/exchange/reply.hpp"
#include "router/exchange/stream.hpp"
#include "router/resolve/resolve.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/caller_share.hpp"
#include "router/worker/linked_list.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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
using SnapshotWaiter = ListPlace<class SnapshotWaiters>;

/// One request with its reply: from the complete head to the last byte, over as many attempts as it
/// takes.
///
/// Two states run side by side (docs/life-of-a-request.md draws them), beside that of the attempt:
///
///     request side  head -> body -> trailers -> done | reset     what the client has sent
///     reply side    idle -> head -> body -> trailers -> done | reset     what the client has been
///     sent
///
/// `Body` holds what one side has sent and the other has not taken yet.
///
/// Ends itself: when the reply has been sent or the client is gone, it lets go of whatever is left
/// and tells its host.
class Exchange final : public Disposable,
                       public ClientEvents,
                       private AttemptEvents,
                       private Flushable,
                       public SnapshotWaiter,
                       public CallerRequest,
                       public ListPlace<class CoreList> {
 public:
  /// For error trailers to be taken by a client that still has body bytes before it; then it gets
  /// a reset.
  static constexpr std::chrono::seconds kTrailersGrace{1};
  /// For the endpoint to take the last bytes of a tunnel whose client has ended.
  static constexpr std::chrono::seconds kTunnelGrace{30};

  /// Its request's head, its bodies and their trailers count in `buffers`, which outlives it.
  Exchange(ExchangeHost& host,
           ClientStream& client,
           BufferShare& buffers,
           RequestHead head,
           bool end,
           CallerProtocol protocol);
  ~Exchange() override;

  /// Takes the ten steps of docs/life-of-a-request.md as far as they go at once.
  void begin();
  /// The same, once its caller's share has room for it.
  void on_turn() override { begin(); }
  /// Instead: answers without looking for a way.
  void refuse(Errc reason, std::string_view detail);
  /// The cluster has changed while the exchange waited for that.
  void on_snapshot();

  void on_request_data(std::span<const std::byte> bytes) override;
  void on_request_trailers(HeaderList trailers) override;
  void on_request_end() override;
  void on_client_gone(Reset how) override;
  void on_reply_sent() override;
  [[nodiscard]] Pulled pull_reply(std::span<std::byte> into) override;
  [[nodiscard]] bool has_reply_to_pull() const noexcept override {
    return reply_body_.size() > 0 || reply_body_.is_finished();
  }
  [[nodiscard]] const HeaderList& reply_trailers() const override { return reply_trailers_; }

 private:
  // The way to an endpoint.
  bool refuse_at_once();
  void find_way();
  [[nodiscard]] bool must_wait_for(const Caller& caller,
                                   std::optional<std::string_view> name) const;
  bool find_service(const Caller& caller, std::optional<std::string_view> name);
  void count_request();
  void find_deadline();
  /// When a reply that has not begun is given up.
  [[nodiscard]] TimePoint reply_due() const noexcept;
  /// For whatever comes first of the times that bound the request.
  void arm_timer();
  /// False if the request is answered, since the endpoints are overloaded.
  bool enter_cluster();
  void leave_cluster();
  /// Whether it is the deadline that ends the request: a caller's own clock may be a little ahead
  /// of ours, so the last twentieth of the time is enough.
  [[nodiscard]] bool is_deadline_reached() const noexcept;
  void resume_attempts();
  void on_timer_due();

  // The endpoint's side (endpoint_side.cpp).
  void on_informational(Attempt& attempt, ReplyHead head) override;
  void on_reply_head(Attempt& attempt, ReplyHead head, bool end) override;
  void on_reply_data(std::span<const std::byte> bytes) override;
  void on_reply_trailers(Attempt& attempt, HeaderList trailers) override;
  void on_reply_end() override;
  void on_reply_complete(Attempt& attempt) override;
  [[nodiscard]] const RequestHead& request_head(Attempt& attempt) override;
  [[nodiscard]] bool is_request_whole() const override;
  [[nodiscard]] Pulled take_request(Attempt& attempt,
                                    std::uint64_t& position,
                                    std::span<std::byte> into) override;
  [[nodiscard]] const HeaderList& request_trailers() const override { return request_trailers_; }
  /// The reply that begins with this head is the client's.
  void begin_reply(Attempt& attempt,
                   ReplyHead head,
                   std::optional<std::uint8_t> grpc_status,
                   bool end);
  void begin_held_reply();
  void flush() override { begin_held_reply(); }
  void tell_load(Attempt& attempt, const HeaderList& fields);
  void end_reply(BodyState how);
  [[nodiscard]] bool speaks_against_endpoint() const noexcept;
  void give_up_attempts();
  [[nodiscard]] AttemptOutcome::Kind blame_for_silence(const Attempt& attempt) const;

  // What is sent again (repetition.cpp).
  void on_attempt_lost(Attempt& attempt, AttemptFailure failure) override;
  void on_no_endpoint(Attempt& attempt, Errc reason, std::string_view detail) override;
  [[nodiscard]] bool may_retry(RetryCondition why) const;
  [[nodiscard]] bool may_repeat_by_trailers(const Attempt& attempt);
  bool repick(Attempt& attempt);
  bool retry(Attempt& attempt, RetryCondition why);
  /// How long to wait for its turn; nothing if there is none to be. `asked`: for how long the
  /// endpoint that failed wants to be spared.
  [[nodiscard]] std::optional<Nanoseconds> take_retry(const Pushback& pushback,
                                                      std::optional<Nanoseconds> asked);
  /// Instead of passing on this reply; true if it was given up for that, or for the attempt beside
  /// it.
  bool retry_instead(Attempt& attempt,
                     std::uint16_t status,
                     std::optional<std::uint8_t> grpc_status,
                     const HeaderList& fields);
  /// Counts why not, if not.
  bool may_repeat_now(Nanoseconds pause);
  /// Tells the endpoint how many had the request before.
  void count_attempts_in(RequestHead& head);
  void plan_hedge();
  void hedge();
  void give_up(Attempt& attempt, AttemptOutcome::Kind unanswered);
  void drop_held_head_of(const Attempt& attempt);
  /// The attempt beside this one, if it is under way.
  [[nodiscard]] Attempt* rival_of(const Attempt& attempt);

  // The end.
  void fail(Errc reason, std::string_view detail);
  void reply_locally(Errc reason, std::string_view detail);
  void break_reply(Errc reason, std::string_view detail);
  void cut_reply();
  void stop_taking_request();
  void finish();

  ExchangeHost& host_;
  ClientStream* client_;  ///< null once the reply is sent or the client is gone
  CallerProtocol protocol_;
  LocalSnapshotPtr snapshot_;  ///< what the request began with; keeps what `plan_` points at alive
  Plan plan_;
  telemetry::ServiceMetrics* metrics_;
  TimePoint began_at_;

  RequestHead request_;
  CountedBytes counted_fields_;  ///< of the request's head, and of trailers
  Body request_body_;
  HeaderList request_trailers_;
  bool request_is_wanted_ = true;  ///< false: what still comes of it is credited and dropped

  Body reply_body_;
  std::uint64_t reply_position_ = 0;  ///< how much of it the client has taken
  HeaderList reply_trailers_;
  GrpcFraming reply_framing_;
  bool reply_has_begun_ = false;  ///< the head has gone to the client
  bool is_tunnel_ = false;  ///< what follows the heads is no HTTP: both ways end by themselves
  std::uint16_t reply_status_ = 0;
  std::optional<std::uint8_t> grpc_status_;
  std::optional<TimePoint> head_at_;
  std::optional<Errc> reason_;  ///< why the router ended the request, if it did

  Attempt attempt_;
  /// A second attempt beside it, with a head of its own.
  struct Hedge {
    Hedge(Loop& loop, Plan& plan, AttemptEvents& events) : attempt{loop, plan, events} {}
    RequestHead head;
    Attempt attempt;
  };
  std::unique_ptr<Hedge> hedge_;
  std::optional<TimePoint> hedge_at_;
  Attempt* replying_ = nullptr;  ///< whose reply the client gets
  /// A head that may be one of a reply that is not the client's: until the turn ends, or the reply
  /// goes on.
  struct HeldHead {
    ReplyHead head;
    Attempt* from;
  };
  std::optional<HeldHead> held_;
  std::uint32_t n_retries_ = 0;                   ///< with hedges
  std::optional<std::uint32_t> attempts_before_;  ///< the client's own
  bool is_repeating_forbidden_ = false;           ///< by what endpoints have asked for
  TimePoint active_at_{};                         ///< when a byte of either body came last
  std::optional<TimePoint> admitted_at_;  ///< while it counts for the cluster's adaptive limit
  /// For its caller to be known; then see `arm_timer`.
  Timer timer_{on_timer<&Exchange::on_timer_due>, this};
  bool has_waited_for_caller_ = false;
  bool is_counted_ = false;
  bool is_over_ = false;
};

}  // namespace router
