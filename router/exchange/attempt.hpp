// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster.hpp"
#include "router/control/snapshot.hpp"
#include "router/exchange/stream.hpp"
#include "router/pool/pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/container/static_vector.hpp>

namespace router {

/// Of re-picks (docs/life-of-a-request.md): attempts at further endpoints, after the first, of a
/// request that provably reached no application.
inline constexpr std::size_t kMaxRepicks = 5;

/// A request that has waited for so long for a connection goes to another endpoint that has one, if
/// there is any, once: ten times what a connect takes within a cluster, and so little that a pod
/// whose node is gone does not show, where `timeout.connect` would.
inline constexpr std::chrono::milliseconds kConnectionPatience{20};

/// The first, re-picks, the one for want of patience, retries, and a hedge, which does not count as
/// a retry if its connect failed. One may be among them twice.
inline constexpr std::size_t kMaxEndpointsTried = 1 + kMaxRepicks + 1 + kMaxRetries + 1;

/// What is decided of a request before its first attempt, and what its attempts share.
struct Plan {
  Cluster* cluster = nullptr;  ///< null until the request's Service is found
  const ServicePort* port = nullptr;
  bool to_http1 = false;  ///< the protocol spoken to the endpoint
  bool asks_for_tunnel = false;
  bool needs_tunnel = false;  ///< CONNECT: not to an endpoint that takes none
  /// The only one that the caller wants; nothing: any.
  std::optional<boost::asio::ip::tcp::endpoint> named_endpoint = std::nullopt;
  /// What the balancer goes by; nothing: no hash.
  std::optional<std::uint64_t> hash_key = std::nullopt;
  std::optional<TimePoint> deadline = std::nullopt;
  const void* caller = nullptr;  ///< whose turn it is where requests wait; compared only
  std::uint32_t n_repicks = 0;
  /// Ids of the endpoints that had the request.
  boost::container::static_vector<std::uint64_t, kMaxEndpointsTried> tried;
};

class Attempt;

/// What an attempt tells the exchange, and asks of it. `AttemptEvents` may start the attempt again,
/// or another one, from inside each of these calls.
class AttemptEvents {
 public:
  /// It is over, and nothing came of it.
  virtual void on_attempt_lost(Attempt& attempt, AttemptFailure failure) = 0;
  /// No endpoint can take the request now: `Attempt::give_up` is due.
  virtual void on_no_endpoint(Attempt& attempt, Errc reason, std::string_view detail) = 0;
  virtual void on_informational(Attempt& attempt, ReplyHead head) = 0;
  /// `Attempt::commit` is due, now or before the turn ends; or `Attempt::give_up`.
  virtual void on_reply_head(Attempt& attempt, ReplyHead head, bool end) = 0;
  virtual void on_reply_data(std::span<const std::byte> bytes) = 0;
  virtual void on_reply_trailers(Attempt& attempt, HeaderList trailers) = 0;
  virtual void on_reply_end() = 0;
  /// The reply is complete, and the endpoint wants no more of the request: `Attempt::end` is due.
  virtual void on_reply_complete(Attempt& attempt) = 0;
  /// The head for an attempt that begins now; it must live until the attempt is over.
  [[nodiscard]] virtual const RequestHead& request_head(Attempt& attempt) = 0;
  /// Whether that head is the whole request.
  [[nodiscard]] virtual bool is_request_whole() const = 0;
  /// As `Body::take`, of the request's body.
  [[nodiscard]] virtual Pulled take_request(Attempt& attempt,
                                            std::uint64_t& position,
                                            std::span<std::byte> into) = 0;
  [[nodiscard]] virtual const HeaderList& request_trailers() const = 0;

 protected:
  ~AttemptEvents() = default;
};

enum class AttemptState : std::uint8_t { none, pausing, queued, sent, committed, done, stranded };

/// Why an attempt is started.
enum class AttemptKind : std::uint8_t {
  first,
  repick,  ///< the one before provably reached no application: to no endpoint that was tried, but
           ///< for one whose connection did not take the request, if it is the only one left
  retry,   ///< it may have: to an endpoint that had the request only if there is no other
  hedge,   ///< beside one that is under way: to one in service that has not had the request
};

/// One try of a request at one endpoint: chooses it, waits for a connection, sends, and hands on
/// what comes back. When it is over it may be started again, and is the next try then.
///
/// It is `queued` from the choice of its endpoint until a connection has a stream free, `sent`
/// until the reply's head, `committed` from then on. It is `stranded` while every endpoint that is
/// known was tried in vain, and another may come, or a limit leaves no room; before a retry it is
/// `pausing`.
/// docs/life-of-a-request.md draws this.
class Attempt final : private UpstreamEvents,
                      private PoolWaiter,
                      private EndpointWaiter,
                      private QueuedRequest {
 public:
  /// All must outlive the attempt.
  Attempt(Loop& loop, Plan& plan, AttemptEvents& events)
      : loop_{loop}, plan_{plan}, events_{events} {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() = default;

  /// Begins with an endpoint that the request has not tried, if `kind` does not say otherwise.
  /// Where there is none, re-picks and retries wait for others; where a limit leaves no room, all
  /// but a hedge wait for it.
  void start(AttemptKind kind);
  /// Begins a retry after so long.
  void start_retry(Nanoseconds pause);
  /// There is more of the request to take.
  void resume();
  /// The client has taken so many bytes of the reply.
  void consumed(std::size_t n_bytes);
  /// The reply's head is here, and will go to the client or not before the turn ends.
  void hold() { timer_.cancel(); }
  /// The reply goes to the client: this attempt is the last one.
  void commit();
  /// The endpoint asks to be spared for so long if its reply is a failure.
  void note_asked_pause(std::optional<Nanoseconds> pause) {
    asked_pause_ = std::max(asked_pause_, pause);
  }
  /// Tells the balancer how it went.
  void end(AttemptOutcome::Kind how);
  /// Resets what is under way, as far as anything is. An endpoint that has not replied is told of
  /// to the balancer as `unanswered`, one that has as `answered`.
  void give_up(AttemptOutcome::Kind unanswered, AttemptOutcome::Kind answered);

  [[nodiscard]] bool is_under_way() const noexcept {
    return state_ != AttemptState::none && state_ != AttemptState::done;
  }
  /// Since the endpoint was chosen, or since the head was sent to it.
  [[nodiscard]] TimePoint began_at() const noexcept { return began_at_; }
  /// What the endpoint has taken so far, without the time that it waited for more of the request.
  [[nodiscard]] Nanoseconds took() const noexcept {
    return head_at_.value_or(loop_.now()) - asked_at_;
  }
  [[nodiscard]] ClusterEndpoint& endpoint() const noexcept { return *endpoint_; }
  /// How much of the request's body it has taken.
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

 private:
  void on_connection(UpstreamConnection& connection) override;
  void on_no_connection(Errc reason) override;
  void on_new_endpoints() override;
  void on_crowded_out() override;
  void on_informational(ReplyHead head) override {
    events_.on_informational(*this, std::move(head));
  }
  void on_reply_head(ReplyHead head, bool end) override {
    events_.on_reply_head(*this, std::move(head), end);
  }
  void on_reply_data(std::span<const std::byte> bytes) override { events_.on_reply_data(bytes); }
  void on_reply_trailers(HeaderList trailers) override {
    events_.on_reply_trailers(*this, std::move(trailers));
  }
  void on_reply_end() override { events_.on_reply_end(); }
  void on_attempt_failed(AttemptFailure failure) override;
  void on_upstream_closed() override;
  [[nodiscard]] Pulled pull_request(std::span<std::byte> into) override;
  [[nodiscard]] const HeaderList& request_trailers() const override {
    return events_.request_trailers();
  }

  [[nodiscard]] ClusterEndpoint* choose_endpoint(AttemptKind kind);
  void wait_for_endpoint(AttemptKind kind);
  void wait_for_room();
  void be_stranded() noexcept;
  void bound_wait();
  void bound_silence();
  void stop_waiting();
  void suspend_wait();
  [[nodiscard]] QueuePlace place_in_queue() const noexcept;
  [[nodiscard]] bool is_too_late() const;
  void refuse_as_too_late();
  [[nodiscard]] bool may_move_on() const;
  void move_on();
  [[nodiscard]] TimePoint wait_end() const noexcept;  ///< by the queue's timeout
  void on_timer_due();

  Loop& loop_;
  Plan& plan_;
  AttemptEvents& events_;
  AttemptState state_ = AttemptState::none;
  AttemptKind waits_as_ = AttemptKind::first;  ///< of one that is stranded
  bool has_moved_on_ = false;                  ///< for want of a connection
  bool is_repetition_ = false;                 ///< since it was started as one: re-picks too
  ClusterEndpoint* endpoint_ = nullptr;
  UpstreamStream* upstream_ = nullptr;
  TimePoint began_at_{};
  TimePoint asked_at_{};              ///< when the endpoint got the last of the request so far
  std::optional<TimePoint> head_at_;  ///< the reply's, once it is the client's
  std::optional<Nanoseconds> asked_pause_;
  std::optional<std::uint64_t> returns_to_;  ///< id of the endpoint (`AttemptFailure::may_return`)
  Nanoseconds queued_for_{0};                ///< by earlier starts
  std::uint64_t position_ = 0;               ///< in the request's body
  Errc last_failure_ = Errc::no_endpoints;   ///< of the start before
  /// For an endpoint, for its reply's head, or for a retry's turn.
  Timer timer_{on_timer<&Attempt::on_timer_due>, this};
};

}  // namespace router
