// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/errc.hpp"
#include "k8s_client/source.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

namespace k8s_client {

class Auditor;
class ListWatch;
class ObjectSink;
struct ListRequest;
struct WatchEvent;

/// Keeps a store equal to the server's objects of one resource, for ever.
///
///            +--- 410, a reply without sense, an audit ---+
///            v                                            |
///   start -> list -> store := list -> watch from version -+- event, bookmark: version moves, watch
///   goes on
///            ^  |                       ^                 |
///            +--+ failed: pause         +---- ended, cut, stalled, refused: pause
///            ^                                            |
///            +-------- refused five times in a row -------+
///
/// A list is a streaming one, whose connection goes on as the watch, or where that fails one in
/// pages. The store keeps its last state through all of it. Control thread.
/// Source: client-go `tools/cache/reflector.go`, whose figures these are, but for `kHealthyWatch`
/// (1 s there) and `kMaxRefusals` (no list there).
class Reflector {
 public:
  static constexpr std::chrono::milliseconds kMinBackoff{800};
  static constexpr std::chrono::seconds kMaxBackoff{30};
  /// A watch that lived this long, or told something, was no failure: the backoff begins anew. Well
  /// below the minute after which many load balancers cut a silent connection.
  static constexpr std::chrono::seconds kHealthyWatch{10};
  /// So many refusals by HTTP status, with no such watch between them, and the objects are listed:
  /// whoever may not watch may still list, and one that fails costs the server little.
  static constexpr std::uint32_t kMaxRefusals = 5;
  /// Bookmarks come each minute, so that more than two were missed: a connection that died without
  /// a word.
  static constexpr std::chrono::seconds kStalledWatch = WatchStatus::kFreshFor;
  /// Such a silence before the end of a streaming list ends it: what a list in pages may take for
  /// one of its parts (`ApiConnection::kReplyTimeout`).
  static constexpr std::chrono::seconds kStalledList{60};
  static constexpr std::chrono::seconds kMinWatchTimeout{5 * 60};
  static constexpr std::chrono::seconds kMaxWatchTimeout{10 * 60};  ///< not reached
  /// A wish for longer than this is taken for a mistake.
  static constexpr std::chrono::seconds kMaxRetryAfter{120};
  static constexpr std::uint32_t kPageLimit = 500;

  /// `resource` names it in status and notices. `auditor`: null for none. What is referred to must
  /// outlive the reflector, and the reflector its `run`.
  Reflector(std::string resource,
            ListWatch& source,
            ObjectSink& sink,
            Clock& clock,
            std::uint64_t seed,
            NoticeSink notices = {},
            Auditor* auditor = nullptr);

  /// Ends only after `stop`, and then at the latest when it is cancelled.
  [[nodiscard]] boost::asio::awaitable<void> run();

  /// From here on the sink and the notices are left alone.
  void stop() noexcept { is_stopped_ = true; }

  [[nodiscard]] WatchStatus status() const;

 private:
  /// What has to be done next, if not simply to watch on from `status_.resource_version`.
  enum class Need : std::uint8_t { first_list, list, newest_list, nothing };
  /// Streaming lists: asked for, left out once, or never asked for again.
  enum class Streaming : std::uint8_t { wanted, left_out, unknown_to_server };

  [[nodiscard]] boost::asio::awaitable<Failure> list_then_watch(bool is_continued);
  [[nodiscard]] bool wants_streaming_list();
  [[nodiscard]] bool falls_back_at_once(const Failure& ended);
  [[nodiscard]] ResourceVersion version_to_list() const;
  [[nodiscard]] boost::asio::awaitable<Result<void>> list();
  [[nodiscard]] boost::asio::awaitable<Result<void>> list_pages(ListRequest request);
  [[nodiscard]] boost::asio::awaitable<Failure> watch(bool is_continued);
  [[nodiscard]] boost::asio::awaitable<Failure> follow_events();
  [[nodiscard]] boost::asio::awaitable<void> sleep_until_stalled();
  [[nodiscard]] boost::asio::awaitable<Failure> audit_now_and_then();
  void see_sign_of_life();
  void stage(const nlohmann::json& item);
  [[nodiscard]] Result<void> take_initial(const WatchEvent& event);
  void take_over_list(const ResourceVersion& version);
  void apply(const WatchEvent& event);
  void learn_from(const Failure& ended);
  void report(const Failure& failure);
  void report_recovery();
  [[nodiscard]] Clock::Duration next_pause(const Failure& ended, Clock::Duration at_most);

  ListWatch& source_;
  ObjectSink& sink_;
  Clock& clock_;
  std::mt19937_64 rng_;
  NoticeSink notices_;
  Auditor* auditor_;  // may be null
  WatchStatus status_;
  Need need_ = Need::first_list;
  Streaming streaming_ = Streaming::wanted;
  std::optional<Failure> bad_item_;  // the first one of the list that is under way
  Clock::Duration backoff_ = kMinBackoff;
  bool was_opened_ = false;                         // the watch, in the last round
  std::optional<Clock::TimePoint> watching_since_;  // in the last round, without a streaming list
  Clock::Duration watched_for_{};                   // so long, in the last round
  bool has_told_ = false;       // an event or bookmark after it, in the last round
  std::uint32_t refusals_ = 0;  // of watches, since the last list or healthy watch
  Clock::TimePoint alive_at_;
  bool is_stopped_ = false;
};

}  // namespace k8s_client
