// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"
#include "k8s_client/list_watch.hpp"
#include "tests/support/chance.hpp"
#include "tests/support/sim_clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

namespace test {

/// The API servers of one resource, behind one address: objects with their whole history, lists and
/// watches of them, and all that goes wrong with those, at random.
///
/// Whatever it does, an API server might have done, so that a reflector has to end in the state
/// that is here once `heal` was called. Several servers, one behind the other, are played by
/// answering from a random place of the history.
class UnreliableServer final : public k8s_client::ListWatch {
 public:
  using Object = std::shared_ptr<const nlohmann::json>;  ///< shared by history, lists and watches
  using Duration = k8s_client::Clock::Duration;

  enum class Deed : std::uint8_t {
    page,               ///< a list in several pages
    cut_list,           ///< a list that failed after some of its items
    token_expired,      ///< 410 between two pages
    stream,             ///< a streaming list that was ended as it should
    stream_unknown,     ///< a server without streaming lists: 422
    stream_overlooked,  ///< likewise, but it watches instead of saying so
    busy,               ///< 429 with Retry-After
    refused,            ///< another failure before anything was answered
    behind,             ///< asked for a version that it has not seen yet
    expired_status,     ///< 410 in answer to a watch
    expired_event,      ///< 410 as an ERROR event in a watch
    cut_watch,          ///< the connection broke
    ended_watch,        ///< in good order, before its time
    silent_watch,       ///< the connection died without a word
    repeated_event,     ///< sent again, in the same watch or after a reconnect
    bookmark,
    restored,  ///< etcd came back from a backup: younger history is gone
    count
  };
  using Deeds = std::array<int, static_cast<std::size_t>(Deed::count)>;

  UnreliableServer(SimClock& clock, unsigned seed);

  /// Adds the object or replaces that of its key. Returns its version.
  k8s_client::ResourceVersion put(const k8s_client::ObjectKey& key, nlohmann::json object);
  void erase(const k8s_client::ObjectKey& key);

  /// How many changes there were since the server's beginning, without those that were lost.
  [[nodiscard]] std::size_t position() const noexcept { return history_.size(); }
  /// Forgets the way to a random state of the past, as etcd does every few minutes.
  void compact();
  /// The state is that after the first `position` changes, under a version of its own; the watches
  /// break.
  void restore(std::size_t position);

  /// From here on nothing fails and nothing is late.
  void heal() noexcept { is_ill_ = false; }
  void fall_ill() noexcept { is_ill_ = true; }

  [[nodiscard]] const Deeds& deeds() const noexcept { return deeds_; }

  boost::asio::awaitable<k8s_client::Result<k8s_client::ListPage>> list(
      const k8s_client::ListRequest& request, const ItemSink& on_item) override;
  boost::asio::awaitable<k8s_client::Result<void>> open_watch(
      const k8s_client::WatchRequest& request) override;
  boost::asio::awaitable<k8s_client::Result<std::optional<k8s_client::WatchEvent>>> next_event()
      override;
  void close_watch() override {}

 private:
  using Type = k8s_client::WatchEvent::Type;
  using Event = k8s_client::Result<std::optional<k8s_client::WatchEvent>>;

  struct Change {
    Type type;
    k8s_client::ObjectKey key;
    Object object;  // of a deletion: as it was, with the version of the deletion
    k8s_client::ResourceVersion version;
  };

  struct Watch {
    std::size_t cursor = 0;  // the next change to tell
    std::deque<Object> initial{};
    std::optional<std::size_t> initial_until{};  // a streaming list ends with the state there
    k8s_client::Clock::TimePoint ends_at{};
    k8s_client::Clock::TimePoint bookmark_at{};
    bool is_broken = false;
  };

  struct Place {
    std::size_t position;  // of the state that is listed
    std::size_t given;     // items of it, in the pages before
  };

  [[nodiscard]] bool happens(Deed deed, int one_in);
  void count(Deed deed) { ++deeds_.at(static_cast<std::size_t>(deed)); }
  [[nodiscard]] std::size_t anywhere(std::size_t from, std::size_t to);  // both included
  [[nodiscard]] k8s_client::ResourceVersion version_at(std::size_t position) const;
  [[nodiscard]] std::optional<std::size_t> position_of(const std::string& version) const;
  [[nodiscard]] std::map<k8s_client::ObjectKey, Object> state_at(std::size_t position) const;
  [[nodiscard]] k8s_client::Result<std::size_t> position_for(const std::string& version);
  [[nodiscard]] k8s_client::Result<Place> place_of(const k8s_client::ListRequest& request);
  [[nodiscard]] k8s_client::Result<void> refuse_or_not();
  [[nodiscard]] std::optional<k8s_client::WatchEvent> next_of_list();
  [[nodiscard]] std::optional<Event> misfortune();
  [[nodiscard]] static k8s_client::WatchEvent told(const Change& change);
  [[nodiscard]] k8s_client::WatchEvent bookmark(bool ends_initial_events) const;
  [[nodiscard]] k8s_client::ResourceVersion next_version();

  SimClock& clock_;
  Chance chance_;
  std::vector<Change> history_;
  std::size_t compacted_ = 0;  // no watch may begin before it
  unsigned versions_ = 0;      // given out, also those that were lost
  Watch watch_;
  bool knows_streaming_;
  bool overlooks_streaming_;
  bool is_ill_ = true;
  Deeds deeds_{};
};

}  // namespace test
