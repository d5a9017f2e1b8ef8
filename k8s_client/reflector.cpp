// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/reflector.hpp"

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
         why == Errc::malformed_reply || why == Errc::too_large;
}

/// The server was reached and will not. Not 429, which asks for patience and nothing else.
bool is_refusal(const error_code& why) {
  return why == Errc::unauthorized || why == Errc::forbidden || why == Errc::not_found ||
         why == Errc::server_error;
}

}  // namespace

Reflector::Reflector(std::string resource,
                     ListWatch& source,
                     ObjectSink& sink,
                     Clock& clock,
                     std::uint64_t seed,
                     NoticeSink notices)
    : source_{source}, sink_{sink}, clock_{clock}, rng_{seed}, notices_{std::move(notices)} {
  status_.resource = std::move(resource);
}

asio::awaitable<void> Reflector::run() {
  while (!is_stopped_) {
    const bool is_continued = need_ == Need::nothing;
    watched_for_ = {};
    has_told_ = false;
    const Failure ended = co_await list_then_watch();
    source_.close_watch();
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
  status.synced = sink_.is_synced();
  return status;
}

asio::awaitable<Failure> Reflector::list_then_watch() {
  const bool is_continued = need_ == Need::nothing;
  if (!is_continued) {
    const Result<void> listed = co_await list();
    if (!listed) {
      co_return listed.error();
    }
  }
  co_return co_await watch(is_continued);
}

asio::awaitable<Result<void>> Reflector::list() {
  // "0" only for the very first list: later it might be answered by a server that is behind what we
  // have seen.
  ListRequest request;
  if (need_ == Need::first_list) {
    request = {.version = "0", .page_limit = kPageLimit, .continue_token = {}};
  } else if (need_ == Need::list) {
    // Without a limit, for then it is answered from the server's cache, and etcd is spared.
    request = {.version = status_.resource_version, .page_limit = 0, .continue_token = {}};
  } else {
    request = {.version = {}, .page_limit = kPageLimit, .continue_token = {}};
  }
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
  std::optional<Failure> bad_item;
  const ListWatch::ItemSink on_item = [this, &bad_item](const nlohmann::json& item) {
    if (is_stopped_) {
      return;
    }
    const Result<void> staged = sink_.stage(item);
    if (!staged && !bad_item) {
      bad_item = staged.error();
    }
  };
  for (;;) {
    Result<ListPage> page = co_await source_.list(request, on_item);
    if (!page) {
      sink_.discard_staged();
      co_return page.error();
    }
    request.continue_token = page->continue_token;
    if (request.continue_token.empty()) {
      status_.resource_version = page->version;
      break;
    }
  }
  if (is_stopped_) {
    co_return Failure{asio::error::operation_aborted};
  }
  need_ = Need::nothing;
  refusals_ = 0;
  ++status_.lists;
  sink_.commit_staged();
  report_recovery();
  if (bad_item) {
    report(*bad_item);
  }
  co_return Result<void>{};
}

asio::awaitable<Failure> Reflector::watch(bool is_continued) {
  std::uniform_int_distribution<std::chrono::seconds::rep> anywhere{kMinWatchTimeout.count(),
                                                                    kMaxWatchTimeout.count() - 1};
  const WatchRequest request{.version = status_.resource_version,
                             .timeout = std::chrono::seconds{anywhere(rng_)}};
  const Result<void> opened = co_await source_.open_watch(request);
  if (!opened || is_stopped_) {
    co_return opened.error();
  }
  alive_at_ = clock_.now();
  ++status_.watches;
  if (is_continued) {
    ++status_.reconnects;
    report_recovery();
  }
  using boost::asio::experimental::awaitable_operators::operator||;
  const Clock::TimePoint opened_at = clock_.now();
  std::variant<Failure, std::monostate> first = co_await (follow_events() || sleep_until_stalled());
  watched_for_ = clock_.now() - opened_at;
  if (Failure* ended = std::get_if<Failure>(&first)) {
    co_return std::move(*ended);
  }
  co_return Failure{Errc::watch_stalled, "watch: neither event nor bookmark for 150 s"};
}

asio::awaitable<Failure> Reflector::follow_events() {
  for (;;) {
    const Result<std::optional<WatchEvent>> event = co_await source_.next_event();
    if (!event || is_stopped_) {
      co_return event.error();
    }
    if (!*event) {
      co_return Failure{};
    }
    alive_at_ = clock_.now();
    has_told_ = true;
    apply(**event);
  }
}

asio::awaitable<void> Reflector::sleep_until_stalled() {
  while (clock_.now() < alive_at_ + kStalledWatch) {
    co_await clock_.sleep_for(alive_at_ + kStalledWatch - clock_.now());
  }
}

void Reflector::apply(const WatchEvent& event) {
  status_.resource_version = event.version;
  if (event.type == WatchEvent::Type::bookmark) {
    status_.last_bookmark_at = alive_at_;
    return;
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
