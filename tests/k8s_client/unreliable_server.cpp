// SPDX-License-Identifier: Apache-2.0
#include "tests/k8s_client/unreliable_server.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/error.hpp>
#include <fmt/format.h>

namespace test {

using k8s_client::Errc;
using k8s_client::Failure;
using k8s_client::ListPage;
using k8s_client::ListRequest;
using k8s_client::ObjectKey;
using k8s_client::Result;
using k8s_client::WatchEvent;
using k8s_client::WatchRequest;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace asio = boost::asio;

UnreliableServer::UnreliableServer(SimClock& clock, unsigned seed)
    : clock_{clock},
      chance_{seed},
      knows_streaming_{!chance_.one_in(3)},
      overlooks_streaming_{chance_.one_in(4)} {}

k8s_client::ResourceVersion UnreliableServer::put(const ObjectKey& key, nlohmann::json object) {
  k8s_client::ResourceVersion version = next_version();
  object["metadata"]["resourceVersion"] = version;
  const bool is_known = state_at(position()).contains(key);
  history_.push_back({.type = is_known ? Type::modified : Type::added,
                      .key = key,
                      .object = std::make_shared<const nlohmann::json>(std::move(object)),
                      .version = version});
  return version;
}

void UnreliableServer::erase(const ObjectKey& key) {
  const auto state = state_at(position());
  const auto found = state.find(key);
  if (found == state.end()) {
    return;
  }
  nlohmann::json object = *found->second;
  const k8s_client::ResourceVersion version = next_version();
  object["metadata"]["resourceVersion"] = version;
  history_.push_back({.type = Type::deleted,
                      .key = key,
                      .object = std::make_shared<const nlohmann::json>(std::move(object)),
                      .version = version});
}

void UnreliableServer::compact() {
  compacted_ = anywhere(compacted_, position());
}

void UnreliableServer::restore(std::size_t position) {
  count(Deed::restored);
  history_.resize(position);
  // Nobody may watch on from before: `etcdutl snapshot restore --bump-revision --mark-compacted`.
  compacted_ = position;
  if (!history_.empty()) {
    history_.back().version = next_version();
  }
  watch_.is_broken = true;
}

asio::awaitable<Result<ListPage>> UnreliableServer::list(const ListRequest& request,
                                                         const ItemSink& on_item) {
  co_await clock_.sleep_for(milliseconds{chance_.below(2000)});
  if (Result<void> refused = refuse_or_not(); !refused) {
    co_return refused.error();
  }
  const Result<Place> place = place_of(request);
  if (!place) {
    co_return place.error();
  }
  const std::map<ObjectKey, Object> state = state_at(place->position);
  // A server may give fewer objects than the limit allows.
  const std::size_t limit = request.page_limit == 0 ? state.size() : anywhere(1, 4);
  const std::size_t end = std::min(state.size(), place->given + limit);
  const bool is_cut = happens(Deed::cut_list, 10);
  auto item = std::next(state.begin(), static_cast<std::ptrdiff_t>(place->given));
  for (std::size_t i = place->given; i < end; ++i, ++item) {
    if (is_cut && chance_.one_in(2)) {
      break;
    }
    on_item(*item->second);
  }
  if (is_cut) {
    co_return Failure{asio::error::connection_reset};
  }
  ListPage page{.version = version_at(place->position), .continue_token = {}};
  if (end < state.size()) {
    count(Deed::page);
    page.continue_token = fmt::format("{}:{}", end, page.version);
  }
  co_return page;
}

/// Where a list begins, or goes on: its token holds how many items were given, and its version.
Result<UnreliableServer::Place> UnreliableServer::place_of(const ListRequest& request) {
  if (request.continue_token.empty()) {
    const Result<std::size_t> position = position_for(request.version);
    return position ? Result<Place>{Place{.position = *position, .given = 0}} : position.error();
  }
  const std::size_t colon = request.continue_token.find(':');
  const auto position = position_of(request.continue_token.substr(colon + 1));
  if (!position || *position < compacted_ || happens(Deed::token_expired, 10)) {
    return Failure{Errc::version_expired, "the provided continue parameter is too old"};
  }
  return Place{.position = *position, .given = std::stoul(request.continue_token)};
}

asio::awaitable<Result<void>> UnreliableServer::open_watch(const WatchRequest& request) {
  co_await clock_.sleep_for(milliseconds{chance_.below(2000)});
  watch_ = {.ends_at = clock_.now() + request.timeout, .bookmark_at = clock_.now() + seconds{60}};
  if (Result<void> refused = refuse_or_not(); !refused) {
    co_return refused.error();
  }
  if (request.sends_initial_events && !knows_streaming_ && !overlooks_streaming_) {
    count(Deed::stream_unknown);
    co_return Failure{Errc::unexpected_status, "HTTP 422: sendInitialEvents is forbidden"};
  }
  const Result<std::size_t> position = position_for(request.version);
  if (!position) {
    co_return position.error();
  }
  watch_.cursor = *position;
  if (request.sends_initial_events && knows_streaming_) {
    for (const auto& [key, object] : state_at(*position)) {
      watch_.initial.insert(chance_.one_in(2) ? watch_.initial.begin() : watch_.initial.end(),
                            object);
    }
    watch_.initial_until = anywhere(*position, this->position());
    co_return Result<void>{};
  }
  if (request.sends_initial_events) {
    count(Deed::stream_overlooked);
  } else if (const auto exact = position_of(request.version)) {
    watch_.cursor = *exact;
  }
  if (watch_.cursor < compacted_ && !chance_.one_in(4)) {
    count(Deed::expired_status);
    co_return Failure{Errc::version_expired, "too old resource version"};
  }
  if (watch_.cursor > compacted_ && happens(Deed::repeated_event, 5)) {
    watch_.cursor = anywhere(compacted_, watch_.cursor - 1);
  }
  co_return Result<void>{};
}

asio::awaitable<UnreliableServer::Event> UnreliableServer::next_event() {
  if (happens(Deed::silent_watch, 60)) {
    co_await clock_.sleep_for(std::chrono::hours{24 * 365});
  }
  if (is_ill_) {
    co_await clock_.sleep_for(milliseconds{chance_.below(3000)});
  }
  for (;;) {
    if (watch_.is_broken) {
      co_return Failure{asio::error::connection_reset};
    }
    if (auto failed = misfortune()) {
      co_return *std::move(failed);
    }
    if (auto listed = next_of_list()) {
      co_return listed;
    }
    if (watch_.cursor < compacted_) {
      count(Deed::expired_event);
      co_return Failure{Errc::version_expired, "too old resource version"};
    }
    if (watch_.cursor > 0 && happens(Deed::repeated_event, 15)) {
      co_return std::optional{told(history_.at(watch_.cursor - 1))};
    }
    if (watch_.cursor < position()) {
      co_return std::optional{told(history_.at(watch_.cursor++))};
    }
    if (clock_.now() >= watch_.bookmark_at) {
      watch_.bookmark_at = clock_.now() + seconds{60};
      count(Deed::bookmark);
      co_return std::optional{bookmark(false)};
    }
    co_await clock_.sleep_for(milliseconds{500 + chance_.below(is_ill_ ? 10'000 : 2'000)});
  }
}

/// What a streaming list has to tell at this place, if anything.
std::optional<WatchEvent> UnreliableServer::next_of_list() {
  if (!watch_.initial.empty()) {
    const Object object = std::move(watch_.initial.front());
    watch_.initial.pop_front();
    return WatchEvent{.type = Type::added,
                      .version = object->at("metadata").at("resourceVersion"),
                      .object = *object};
  }
  if (watch_.initial_until && watch_.cursor >= *watch_.initial_until) {
    watch_.initial_until.reset();
    count(Deed::stream);
    return bookmark(true);
  }
  return std::nullopt;
}

/// How a watch ends, if it does.
std::optional<UnreliableServer::Event> UnreliableServer::misfortune() {
  if (clock_.now() >= watch_.ends_at && !watch_.initial_until) {
    return Event{std::optional<WatchEvent>{}};
  }
  if (happens(Deed::cut_watch, 25)) {
    return Event{Failure{asio::error::connection_reset}};
  }
  if (happens(Deed::ended_watch, 25)) {
    return Event{std::optional<WatchEvent>{}};
  }
  if (happens(Deed::expired_event, 40)) {
    return Event{Failure{Errc::version_expired, "too old resource version"}};
  }
  return std::nullopt;
}

bool UnreliableServer::happens(Deed deed, int one_in) {
  if (!is_ill_ || !chance_.one_in(one_in)) {
    return false;
  }
  count(deed);
  return true;
}

/// Before a request is looked at.
Result<void> UnreliableServer::refuse_or_not() {
  if (happens(Deed::busy, 12)) {
    Failure failure{Errc::too_many_requests, "HTTP 429"};
    failure.retry_after = seconds{chance_.one_in(10) ? 600 : 1 + chance_.below(5)};
    return failure;
  }
  if (happens(Deed::refused, 5)) {
    static const std::array<Failure, 8> failures{Failure{asio::error::connection_refused},
                                                 Failure{Errc::connect_timeout},
                                                 Failure{Errc::unauthorized},
                                                 Failure{Errc::forbidden},
                                                 Failure{Errc::server_error},
                                                 Failure{Errc::unexpected_status},
                                                 Failure{Errc::malformed_reply},
                                                 Failure{Errc::reply_timeout}};
    return chance_.any(failures);
  }
  return {};
}

/// The state to answer with; see `ListRequest::version`.
Result<std::size_t> UnreliableServer::position_for(const std::string& version) {
  if (version.empty()) {
    return position();
  }
  const std::size_t seen = is_ill_ && chance_.one_in(3) ? anywhere(0, position()) : position();
  if (version == "0") {
    return seen;
  }
  const std::optional<std::size_t> asked = position_of(version);
  if (!asked || *asked > seen) {
    count(Deed::behind);
    Failure failure{Errc::version_too_large, "Too large resource version"};
    failure.retry_after = seconds{1};
    return failure;
  }
  return is_ill_ ? anywhere(*asked, seen) : seen;
}

std::size_t UnreliableServer::anywhere(std::size_t from, std::size_t to) {
  return from + static_cast<std::size_t>(chance_.below(static_cast<int>(to - from) + 1));
}

k8s_client::ResourceVersion UnreliableServer::next_version() {
  return fmt::format("v{}", ++versions_);
}

k8s_client::ResourceVersion UnreliableServer::version_at(std::size_t position) const {
  return position == 0 ? "v0" : history_.at(position - 1).version;
}

std::optional<std::size_t> UnreliableServer::position_of(const std::string& version) const {
  for (std::size_t position = 0; position <= history_.size(); ++position) {
    if (version_at(position) == version) {
      return position;
    }
  }
  return std::nullopt;
}

std::map<ObjectKey, UnreliableServer::Object> UnreliableServer::state_at(
    std::size_t position) const {
  std::map<ObjectKey, Object> state;
  for (std::size_t i = 0; i < position; ++i) {
    const Change& change = history_.at(i);
    if (change.type == Type::deleted) {
      state.erase(change.key);
    } else {
      state[change.key] = change.object;
    }
  }
  return state;
}

WatchEvent UnreliableServer::told(const Change& change) {
  return {.type = change.type, .version = change.version, .object = *change.object};
}

WatchEvent UnreliableServer::bookmark(bool ends_initial_events) const {
  return {.type = Type::bookmark,
          .version = version_at(watch_.cursor),
          .object = {},
          .ends_initial_events = ends_initial_events};
}

}  // namespace test
