// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/call_limit.hpp"
#include "router/cluster/cluster_id.hpp"
#include "router/cluster/shared_count.hpp"
#include "router/cluster/shared_endpoint.hpp"
#include "router/cluster/shared_list.hpp"
#include "router/worker/timer_wheel.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// How often something happened lately, as one worker has seen it: written by that worker, read by
/// any.
///
/// Counts by tenths of a window, so what it tells covers at least nine of them and at most ten.
/// Another window than before begins at zero.
class RecentCount {
 public:
  static constexpr std::uint64_t kParts = 10;

  void add(TimePoint now, std::chrono::nanoseconds window) noexcept;
  [[nodiscard]] std::uint64_t read(TimePoint now, std::chrono::nanoseconds window) const noexcept;

 private:
  /// By the part's number: its low 32 bits, then the count. One word, so that no reader sees the
  /// count of one part under the number of another.
  std::array<std::atomic<std::uint64_t>, kParts> parts_{};
};

/// By which other workers tell one that it has something to look at. Any thread.
class SharedWaker {
 public:
  virtual void wake() = 0;

 protected:
  ~SharedWaker() = default;
};

/// One worker's part of a SharedPort: what it tells the others. Written by that worker, at each
/// request, so that no two of them may share a line of the cache.
struct alignas(64) SharedWorker {
  RecentCount requests;
  RecentCount retries;
  // Set before the first wait; they outlive the traffic.
  std::atomic<SharedWaker*> room_waker{nullptr};
  std::atomic<SharedWaker*> queue_waker{nullptr};
  SharedWorker* next = nullptr;            ///< in its list
  std::atomic<std::uint32_t> n_queued{0};  ///< requests (RequestQueue)
  std::atomic<bool> waits_for_room{false};
  std::atomic<bool> is_to_shorten_queue{false};  ///< has been woken for it; any worker's
};

/// Tells endpoints apart also where a pod has the address of an earlier one.
struct EndpointKey {
  boost::asio::ip::tcp::endpoint address;
  std::uint64_t pod = 0;  ///< hash of its name

  friend std::weak_ordering operator<=>(const EndpointKey&, const EndpointKey&) = default;
};

/// What the workers share about one Service port, so that limits hold for the process, whatever the
/// number of workers. Any thread.
///
/// Relaxed atomics: who reads sees what the others have written but a moment ago, so that a limit
/// is overshot by what they begin in that moment.
class SharedPort {
 public:
  /// In the last window, by all workers.
  struct Traffic {
    std::uint64_t requests = 0;
    std::uint64_t retries = 0;
  };

  /// `router`: of what names this router among those of the cluster.
  explicit SharedPort(std::uint64_t router) noexcept : router_{router} {}
  SharedPort(const SharedPort&) = delete;
  SharedPort& operator=(const SharedPort&) = delete;
  ~SharedPort() = default;

  [[nodiscard]] std::uint64_t router() const noexcept { return router_; }
  /// One worker's own part; lives as long as this. Once by each worker.
  [[nodiscard]] SharedWorker& add_worker() { return workers_.add(); }
  /// Costs 20 loads for each worker.
  [[nodiscard]] Traffic traffic(TimePoint now, std::chrono::nanoseconds window) const noexcept;

  /// The records of these endpoints, in their order: the same for whichever worker asks, for as
  /// long as one of them holds it. Nothing if another worker is at the list in this moment: nobody
  /// waits here, so ask again later. O(n log n).
  [[nodiscard]] std::vector<SharedEndpointPtr> try_share(std::span<const EndpointKey> keys);

  /// Changes when one of the endpoints' verdicts or pauses has.
  [[nodiscard]] std::uint32_t verdict_version() const noexcept {
    return verdict_version_.load(std::memory_order_acquire);
  }
  void announce_verdict() noexcept { verdict_version_.fetch_add(1, std::memory_order_release); }

  /// While there is a limit.
  [[nodiscard]] SharedCount& in_flight() noexcept { return in_flight_; }
  /// Requests that wait, on all workers (RequestQueue).
  [[nodiscard]] SharedCount& queued() noexcept { return queued_; }
  /// For calls with a deadline.
  [[nodiscard]] CallLimit& call_limit() noexcept { return call_limit_; }
  /// The worker that has most requests waiting; `worker` if none has more. A step for each.
  [[nodiscard]] SharedWorker& longest_queue(SharedWorker& worker) noexcept;
  /// The next one after `worker`, and at last itself, that waits for room; null if none does.
  [[nodiscard]] SharedWorker* next_waiting(SharedWorker& worker) noexcept;

 private:
  std::uint64_t router_;
  SharedList<SharedWorker> workers_;
  std::atomic<std::uint32_t> verdict_version_{0};
  std::atomic_flag is_roster_taken_{};
  /// Of the worker that has set the flag.
  std::map<EndpointKey, std::unique_ptr<SharedEndpoint>> roster_;
  SharedCount in_flight_;
  SharedCount queued_;
  CallLimit call_limit_;
};

/// All of them, by their ClusterId: made when the first worker asks, and kept for the life of the
/// process, as the ids are. Any thread; outlives the workers.
class SharedPorts {
 public:
  /// `node`: the name of the router's node, which stays the same when it is started again.
  explicit SharedPorts(std::string_view node);
  SharedPorts(const SharedPorts&) = delete;
  SharedPorts& operator=(const SharedPorts&) = delete;
  ~SharedPorts();

  /// Takes a step for every `kChunk` ids: for the making of a cluster, not for a request.
  [[nodiscard]] SharedPort& of(ClusterId id);

 private:
  static constexpr std::size_t kChunk = 256;
  struct Chunk {
    std::array<std::atomic<SharedPort*>, kChunk> ports{};
    std::atomic<Chunk*> next{nullptr};
  };
  std::uint64_t router_;
  Chunk first_;
};

}  // namespace router
