// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/reflector.hpp"

#include "k8s_client/auditor.hpp"
#include "k8s_client/list_watch.hpp"
#include "k8s_client/store_sink.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace k8s_client {

namespace asio = boost::asio;

namespace {

/// After these a watch from the same version would meet the same end, so the objects are listed
/// again.
bool makes_history_useless(const error_code& why) {
  return why == Errc::version_expired || why == Errc::unexpected_status ||
         why == Errc::malformed_reply || why == Errc::too_large || why == Errc::audit_difference;
}

/// The server was reached and will not. Not 429, which asks for patience and nothing else.
bool is_refusal(const error_code& why) {
  return why == Errc::unauthorized || why == Errc::forbidden || why == Errc::not_found ||
         why == Errc::server_error;
}

/// A list in pages would have met the same: the network, or a server that asks for patience, for
/// another token or another version.
bool is_no_fault_of_streaming(const error_code& why, bool was_opened) {
  if (why == Errc::version_expired || why == Errc::version_too_large) {
    return true;
  }
  const bool is_network = why == Errc::connect_timeout ||
                          why.category() != make_error_code(Errc::connect_timeout).category();
  return !was_opened && (is_network || why == Errc::too_many_requests || why == Errc::unauthorized);
}

}  // namespace

Reflector::Reflector(std::string resource,
                     ListWatch& source,
                     ObjectSink& sink,
                     Clock& clock,
                     std::uint64_t seed,
                     NoticeSink notices,
                     Auditor* auditor)
    : source_{source},
      sink_{sink},
      clock_{clock},
      rng_{seed},
      notices_{std::move(notices)},
      auditor_{auditor} {
  status_.resource = std::move(resource);
}

asio::awaitable<void> Reflector::run() {
  while (!is_stopped_) {
    const bool is_continued = need_ == Need::nothing;
    was_opened_ = false;
    watched_for_ = {};
    has_told_ = false;
    const Failure ended = co_await list_then_watch(is_continued);
    source_.close_watch();
    watching_since_.reset();
    if (is_stopped_) {
      co_return;
    }
    learn_from(ended);
    const bool was_long = watched_for_ >= kHealthyWatch;
    // Lists are dear, so that a watch that leads to one must have been long.
    if (was_long || (has_told_ && need_ == Need::nothing)) {
      backoff_ = kMinBackoff;
      refusals_ = 0;
    }
    // What an outage made expire is listed soon after it: the pauses of the outage have set the
    // nodes apart. A list that expires at once gets the whole pause.
    const bool ends_outage = is_continued && ended.code == Errc::version_expired;
    // A short watch is followed by a pause even if it ended in good order: a proxy that accepts and
    // closes must not make this loop spin.
    if (ended.code || !was_long) {
      co_await clock_.sleep_for(next_pause(ended, ends_outage ? kMinBackoff : backoff_));
    }
  }
}

WatchStatus Reflector::status() const {
  WatchStatus status = status_;
  status.watching = watching_since_.has_value();
  status.synced = sink_.is_synced();
  status.audits = auditor_ == nullptr ? 0 : auditor_->audits();
  status.rechecks = auditor_ == nullptr ? 0 : auditor_->rechecks();
  status.rechecks_dropped = auditor_ == nullptr ? 0 : auditor_->rechecks_dropped();
  status.audit_differences = auditor_ == nullptr ? 0 : auditor_->differences();
  return status;
}

asio::awaitable<Failure> Reflector::list_then_watch(bool is_continued) {
  if (!is_continued && wants_streaming_list()) {
    Failure ended = co_await watch(is_continued);
    const bool was_taken_over = need_ == Need::nothing;
    sink_.discard_staged();
    if (was_taken_over || is_stopped_ || !falls_back_at_once(ended)) {
      co_return ended;
    }
  }
  if (!is_continued) {
    const Result<void> listed = co_await list();
    if (!listed) {
      co_return listed.error();
    }
  }
  co_return co_await watch(is_continued);
}

bool Reflector::wants_streaming_list() {
  if (streaming_ == Streaming::left_out) {
    streaming_ = Streaming::wanted;
    return false;
  }
  return streaming_ == Streaming::wanted;
}

// At once only where the server has said that it will not, and that for no want of capacity: one
// that is busy must not get two requests for each that it turns away.
bool Reflector::falls_back_at_once(const Failure& ended) {
  if (!was_opened_ && ended.code == Errc::unexpected_status) {  // 400 or 422, Invalid
    streaming_ = Streaming::unknown_to_server;
    return true;
  }
  if (!was_opened_ && ended.code == Errc::forbidden) {
    return true;  // whoever may not watch may still list
  }
  if (!is_no_fault_of_streaming(ended.code, was_opened_) && streaming_ == Streaming::wanted) {
    streaming_ = Streaming::left_out;
  }
  return false;
}

ResourceVersion Reflector::version_to_list() const {
  // "0" only for the very first list: later it might be answered by a server that is behind what we
  // have seen.
  switch (need_) {
    case Need::first_list:
      return "0";
    case Need::list:
      return status_.resource_version;
    default:
      return {};
  }
}

asio::awaitable<Result<void>> Reflector::list() {
  // From our version without a limit, for then it is answered from the server's cache, and etcd is
  // spared.
  ListRequest request{.version = version_to_list(),
                      .page_limit = need_ == Need::list ? 0 : kPageLimit,
                      .continue_token = {}};
  Result<void> listed = co_await list_pages(request);
  if (!listed && listed.error().code == Errc::version_expired) {
    // Either the version is gone, or the pages took so long that their token has expired.
    request = {};
    listed = co_await list_pages(request);
  }
  co_return listed;
}

asio::awaitable<Result<void>> Reflector::list_pages(ListRequest request) {
  sink_.discard_staged();
  bad_item_.reset();
  const ListWatch::ItemSink on_item = [this](const nlohmann::json& item) {
    if (!is_stopped_) {
      stage(item);
    }
  };
  for (;;) {
    Result<ListPage> page = co_await source_.list(request, on_item);
    if (!page) {
      sink_.discard_staged();
      co_return page.error();
    }
    if (is_stopped_) {
      co_return Failure{asio::error::operation_aborted};
    }
    request.continue_token = page->continue_token;
    if (request.continue_token.empty()) {
      see_sign_of_life();
      take_over_list(page->version);
      co_return Result<void>{};
    }
  }
}

asio::awaitable<Failure> Reflector::audit_now_and_then() {
  while (auditor_ == nullptr) {
    co_await clock_.sleep_for(2 * kMaxWatchTimeout);
  }
  for (;;) {
    const Clock::Duration due = auditor_->time_until_due();
    if (due > Clock::Duration::zero()) {
      // Not all of it at once: a recheck may come up, or the collection have grown.
      co_await clock_.sleep_for(std::min<Clock::Duration>(due, Auditor::kLookInterval));
      continue;
    }
    if (need_ != Need::nothing) {
      auditor_->put_off();  // the list that is under way mends whatever an audit could find
      continue;
    }
    Result<void> audited = co_await auditor_->audit(status_.resource_version);
    if (!audited) {
      co_return audited.error();
    }
  }
}

void Reflector::see_sign_of_life() {
  alive_at_ = clock_.now();
  status_.last_contact_at = alive_at_;
}

void Reflector::stage(const nlohmann::json& item) {
  const Result<void> staged = sink_.stage(item);
  if (!staged && !bad_item_) {
    bad_item_ = staged.error();
  }
}

void Reflector::take_over_list(const ResourceVersion& version) {
  status_.resource_version = version;
  need_ = Need::nothing;
  refusals_ = 0;
  ++status_.lists;
  sink_.commit_staged();
  report_recovery();
  if (bad_item_) {
    report(*bad_item_);
  }
}

asio::awaitable<Failure> Reflector::watch(bool is_continued) {
  std::uniform_int_distribution<std::chrono::seconds::rep> anywhere{kMinWatchTimeout.count(),
                                                                    kMaxWatchTimeout.count() - 1};
  const bool is_list = need_ != Need::nothing;
  const WatchRequest request{.version = is_list ? version_to_list() : status_.resource_version,
                             .timeout = std::chrono::seconds{anywhere(rng_)},
                             .sends_initial_events = is_list};
  bad_item_.reset();
  const Result<void> opened = co_await source_.open_watch(request);
  was_opened_ = opened.has_value();
  if (!opened || is_stopped_) {
    co_return opened.error();
  }
  see_sign_of_life();
  ++status_.watches;
  if (is_continued) {
    ++status_.reconnects;
    report_recovery();
  }
  if (!is_list) {
    watching_since_ = alive_at_;
  }
  using boost::asio::experimental::awaitable_operators::operator||;
  std::variant<Failure, std::monostate, Failure> first =
      co_await (follow_events() || sleep_until_stalled() || audit_now_and_then());
  watched_for_ = watching_since_ ? clock_.now() - *watching_since_ : Clock::Duration{};
  if (Failure* ended = std::get_if<0>(&first)) {
    co_return std::move(*ended);
  }
  if (Failure* differs = std::get_if<2>(&first)) {
    co_return std::move(*differs);
  }
  co_return need_ == Need::nothing
      ? Failure{Errc::watch_stalled, "watch: neither event nor bookmark for 150 s"}
      : Failure{Errc::reply_timeout, "streaming list: nothing for 60 s"};
}

asio::awaitable<Failure> Reflector::follow_events() {
  for (;;) {
    const Result<std::optional<WatchEvent>> event = co_await source_.next_event();
    if (!event || is_stopped_) {
      co_return event.error();
    }
    if (!*event) {
      co_return need_ == Need::nothing
          ? Failure{}
          : Failure{Errc::malformed_reply, "streaming list: ended in its midst"};
    }
    see_sign_of_life();
    if (need_ == Need::nothing) {
      has_told_ = true;
      apply(**event);
      continue;
    }
    const Result<void> taken = take_initial(**event);
    if (!taken) {
      co_return taken.error();
    }
  }
}

asio::awaitable<void> Reflector::sleep_until_stalled() {
  for (;;) {
    const Clock::TimePoint limit =
        alive_at_ + (need_ == Need::nothing ? kStalledWatch : kStalledList);
    if (clock_.now() >= limit) {
      co_return;
    }
    co_await clock_.sleep_for(limit - clock_.now());
  }
}

Result<void> Reflector::take_initial(const WatchEvent& event) {
  if (event.type == WatchEvent::Type::deleted) {
    return sink_.unstage(event.object);
  }
  if (event.type != WatchEvent::Type::bookmark) {
    stage(event.object);
    return {};
  }
  if (!event.ends_initial_events) {
    // A server or proxy that has overlooked what was asked for, and watches only.
    streaming_ = Streaming::unknown_to_server;
    return Failure{Errc::malformed_reply, "streaming list: a bookmark that does not end it"};
  }
  status_.last_bookmark_at = alive_at_;
  watching_since_ = alive_at_;
  take_over_list(event.version);
  return {};
}

void Reflector::apply(const WatchEvent& event) {
  status_.resource_version = event.version;
  if (event.type == WatchEvent::Type::bookmark) {
    status_.last_bookmark_at = alive_at_;
    return;
  }
  if (auditor_ != nullptr) {
    if (const Result<ObjectMeta> meta = ObjectMeta::from_json(event.object)) {
      auditor_->see_event(meta->key);
    }
  }
  status_.last_event_at = alive_at_;
  ++status_.events;
  const Result<void> applied =
      event.type == WatchEvent::Type::deleted ? sink_.erase(event.object) : sink_.put(event.object);
  if (!applied) {
    report(applied.error());
  }
}

void Reflector::learn_from(const Failure& ended) {
  if (!ended.code) {
    return;
  }
  report(ended);
  const bool came_from_watch = need_ == Need::nothing;
  if (ended.code == Errc::version_too_large ||
      (ended.code == Errc::version_expired && !came_from_watch)) {
    // A server that is behind may catch up during the pause. If it never does, its history is
    // another one (etcd came back from a backup), and the newest state it has is the truth.
    need_ = Need::newest_list;
  } else if (came_from_watch) {
    refusals_ += is_refusal(ended.code) ? 1 : 0;
    if (makes_history_useless(ended.code) || refusals_ >= kMaxRefusals) {
      need_ = Need::list;
    }
  }
}

void Reflector::report(const Failure& failure) {
  ++status_.errors;
  status_.last_error_at = clock_.now();
  // Told once while it stays the same: an outage is one line in the log, not one every 30 s.
  if (std::exchange(status_.last_error, failure.message()) != status_.last_error && notices_) {
    notices_(
        {.level = Notice::Level::warning, .text = status_.resource + ": " + status_.last_error});
  }
}

void Reflector::report_recovery() {
  if (!std::exchange(status_.last_error, {}).empty() && notices_) {
    notices_({.level = Notice::Level::info,
              .text = status_.resource + ": in touch with the API server again"});
  }
}

Clock::Duration Reflector::next_pause(const Failure& ended, Clock::Duration at_most) {
  // Full jitter: a restarted API server must not meet every node of the cluster at once.
  std::uniform_int_distribution<Clock::Duration::rep> anywhere{1, at_most.count()};
  backoff_ = std::min<Clock::Duration>(backoff_ * 2, kMaxBackoff);
  const Clock::Duration at_least =
      std::min(ended.retry_after.value_or(std::chrono::seconds{0}), kMaxRetryAfter);
  return at_least + Clock::Duration{anywhere(rng_)};
}

}  // namespace k8s_client
