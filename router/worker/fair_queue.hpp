// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/linked_list.hpp"
#include "router/worker/timer_wheel.hpp"

#include <cstddef>
#include <iterator>
#include <list>
#include <utility>

namespace router {

/// Where somebody stands in a `FairQueue`.
struct QueuePlace {
  const void* caller = nullptr;  ///< whose request it is; compared only
  TimePoint until{};             ///< when the wait ends: it is the waiter's to see to that
  bool is_repetition = false;    ///< a retry or a hedge: behind every first try, whoever's
};

/// Base of what can wait in a `FairQueue`, one for each `Tag`. Leaves the queue when destroyed.
template <class Tag>
class FairWaiter : public ListPlace<Tag> {
 private:
  template <class, class>
  friend class FairQueue;
  QueuePlace place_;
};

/// Requests that wait for the same thing. The callers take turns, one request each, so that nobody
/// waits behind more than one request of every other caller; of one caller's, the one whose wait
/// ends first is the first. Repetitions wait until no first try does, and take turns likewise.
/// `Waiter` derives from `FairWaiter<Tag>`.
///
/// Source: fair queueing as in Nagle, RFC 970, with requests in place of packets.
template <class Waiter, class Tag>
class FairQueue {
 public:
  FairQueue() = default;
  FairQueue(FairQueue&& other) noexcept
      : first_tries_{std::exchange(other.first_tries_, {})},
        repetitions_{std::exchange(other.repetitions_, {})} {}
  FairQueue& operator=(FairQueue&&) = delete;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;
  ~FairQueue() = default;

  [[nodiscard]] bool empty() noexcept { return next_lanes().empty(); }

  /// Behind those of its caller whose wait ends no later. Costs a step for each waiting caller, and
  /// for each request that it passes.
  void push(Waiter& waiter, const QueuePlace& place) {
    hook(waiter).place_ = place;
    List& lane = lane_of(place)->waiters;
    auto before = lane.end();
    while (before != lane.begin() && hook(*std::prev(before)).place_.until > place.until) {
      --before;
    }
    lane.insert(before, waiter);
  }

  /// Takes out the next one; requires that there is one.
  [[nodiscard]] Waiter& pop() {
    Lanes& lanes = next_lanes();
    List& lane = lanes.front().waiters;
    Waiter& first = lane.front();
    lane.pop_front();
    if (lane.empty()) {
      lanes.pop_front();
    } else {
      lanes.splice(lanes.end(), lanes, lanes.begin());
    }
    return first;
  }

  /// One that was popped is the next again.
  void put_back(Waiter& waiter, const QueuePlace& place) {
    hook(waiter).place_ = place;
    const auto lane = lane_of(place);
    lane->waiters.push_front(waiter);
    Lanes& lanes = lanes_for(place);
    lanes.splice(lanes.begin(), lanes, lane);
  }

  /// The last one of the caller that has most waiting, of its repetitions if there are any;
  /// requires that there is one.
  [[nodiscard]] Waiter& last_of_most() {
    Lane* longest = nullptr;
    std::size_t most = 0;
    for (Lanes* const lanes : {&repetitions_, &first_tries_}) {
      for (Lane& lane : *lanes) {
        if (const std::size_t n = lane.waiters.size(); n > most) {
          most = n;
          longest = &lane;
        }
      }
    }
    for (Lane& lane : repetitions_) {
      if (lane.caller == longest->caller && !lane.waiters.empty()) {
        return lane.waiters.back();
      }
    }
    return longest->waiters.back();
  }

  [[nodiscard]] bool has_more_than(std::size_t n) const noexcept {
    std::size_t n_seen = 0;
    for (const Lanes* const lanes : {&first_tries_, &repetitions_}) {
      for (const Lane& lane : *lanes) {
        for (auto each = lane.waiters.begin(); each != lane.waiters.end() && n_seen <= n; ++each) {
          ++n_seen;
        }
      }
    }
    return n_seen > n;
  }

 private:
  using List = LinkedList<Waiter, Tag>;
  /// The waiting requests of one caller.
  struct Lane {
    explicit Lane(const void* whose) noexcept : caller{whose} {}
    const void* caller;
    List waiters;
  };

  using Lanes = std::list<Lane>;  ///< whose turn it is at the front

  static FairWaiter<Tag>& hook(Waiter& waiter) noexcept { return waiter; }

  Lanes& lanes_for(const QueuePlace& place) noexcept {
    return place.is_repetition ? repetitions_ : first_tries_;
  }

  /// Those with the next one, at the front; empty if nobody waits.
  Lanes& next_lanes() noexcept {
    for (Lanes* const lanes : {&first_tries_, &repetitions_}) {
      while (!lanes->empty() && lanes->front().waiters.empty()) {
        lanes->pop_front();  // they have left by themselves
      }
      if (!lanes->empty()) {
        return *lanes;
      }
    }
    return repetitions_;
  }

  typename Lanes::iterator lane_of(const QueuePlace& place) {
    Lanes& lanes = lanes_for(place);
    for (auto lane = lanes.begin(); lane != lanes.end();) {
      if (lane->caller == place.caller && !lane->waiters.empty()) {
        return lane;
      }
      lane = lane->waiters.empty() ? lanes.erase(lane) : std::next(lane);
    }
    return lanes.emplace(lanes.end(), place.caller);
  }

  Lanes first_tries_;
  Lanes repetitions_;
};

}  // namespace router
