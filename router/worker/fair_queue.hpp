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
/// ends first is the first. `Waiter` derives from `FairWaiter<Tag>`.
///
/// Source: fair queueing as in Nagle, RFC 970, with requests in place of packets.
template <class Waiter, class Tag>
class FairQueue {
 public:
  FairQueue() = default;
  FairQueue(FairQueue&& other) noexcept : lanes_{std::exchange(other.lanes_, {})} {}
  FairQueue& operator=(FairQueue&&) = delete;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;
  ~FairQueue() = default;

  [[nodiscard]] bool empty() noexcept {
    while (!lanes_.empty() && lanes_.front().waiters.empty()) {
      lanes_.pop_front();  // they have left by themselves
    }
    return lanes_.empty();
  }

  /// Behind those of its caller whose wait ends no later. Costs a step for each waiting caller, and
  /// for each request that it passes.
  void push(Waiter& waiter, const QueuePlace& place) {
    hook(waiter).place_ = place;
    List& lane = lane_of(place.caller)->waiters;
    auto before = lane.end();
    while (before != lane.begin() && hook(*std::prev(before)).place_.until > place.until) {
      --before;
    }
    lane.insert(before, waiter);
  }

  /// Takes out the next one; requires that there is one.
  [[nodiscard]] Waiter& pop() {
    static_cast<void>(empty());
    List& lane = lanes_.front().waiters;
    Waiter& first = lane.front();
    lane.pop_front();
    if (lane.empty()) {
      lanes_.pop_front();
    } else {
      lanes_.splice(lanes_.end(), lanes_, lanes_.begin());
    }
    return first;
  }

  /// One that was popped is the next again.
  void put_back(Waiter& waiter, const QueuePlace& place) {
    hook(waiter).place_ = place;
    const auto lane = lane_of(place.caller);
    lane->waiters.push_front(waiter);
    lanes_.splice(lanes_.begin(), lanes_, lane);
  }

  /// The last one of the caller that has most waiting; requires that there is one.
  [[nodiscard]] Waiter& last_of_most() {
    auto longest = lanes_.begin();
    std::size_t most = 0;
    for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
      if (const std::size_t n = lane->waiters.size(); n > most) {
        most = n;
        longest = lane;
      }
    }
    return longest->waiters.back();
  }

  [[nodiscard]] bool has_more_than(std::size_t n) const noexcept {
    std::size_t n_seen = 0;
    for (const Lane& lane : lanes_) {
      for (auto each = lane.waiters.begin(); each != lane.waiters.end() && n_seen <= n; ++each) {
        ++n_seen;
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

  static FairWaiter<Tag>& hook(Waiter& waiter) noexcept { return waiter; }

  typename std::list<Lane>::iterator lane_of(const void* caller) {
    for (auto lane = lanes_.begin(); lane != lanes_.end();) {
      if (lane->caller == caller && !lane->waiters.empty()) {
        return lane;
      }
      lane = lane->waiters.empty() ? lanes_.erase(lane) : std::next(lane);
    }
    return lanes_.emplace(lanes_.end(), caller);
  }

  std::list<Lane> lanes_;  ///< whose turn it is at the front
};

}  // namespace router
