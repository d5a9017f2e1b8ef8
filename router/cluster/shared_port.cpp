// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/shared_port.hpp"

#include "balancer/stable_hash.hpp"

#include <utility>

namespace router {
namespace {

constexpr unsigned kCountBits = 32;
constexpr std::uint64_t kCountMask = (std::uint64_t{1} << kCountBits) - 1;

std::uint64_t part_number(TimePoint now, std::chrono::nanoseconds window) noexcept {
  const auto length = window / static_cast<std::chrono::nanoseconds::rep>(RecentCount::kParts);
  return static_cast<std::uint64_t>(now.time_since_epoch() / length) & kCountMask;
}

/// What is there; if nothing is, a new one, or the one that another thread was faster to make.
template <class T, class... Arguments>
T& find_or_make(std::atomic<T*>& place, const Arguments&... arguments) {
  T* found = place.load(std::memory_order_acquire);
  if (found == nullptr) {
    auto made = std::make_unique<T>(arguments...);
    if (place.compare_exchange_strong(found, made.get(), std::memory_order_acq_rel)) {
      found = made.release();
    }
  }
  return *found;
}

}  // namespace

void RecentCount::add(TimePoint now, std::chrono::nanoseconds window) noexcept {
  const std::uint64_t number = part_number(now, window);
  std::atomic<std::uint64_t>& part = parts_[number % kParts];
  const std::uint64_t before = part.load(std::memory_order_relaxed);
  // One writer: a load and a store do.
  part.store(before >> kCountBits == number ? before + 1 : number << kCountBits | 1,
             std::memory_order_relaxed);
}

std::uint64_t RecentCount::read(TimePoint now, std::chrono::nanoseconds window) const noexcept {
  const std::uint64_t number = part_number(now, window);
  std::uint64_t sum = 0;
  for (const std::atomic<std::uint64_t>& part : parts_) {
    const std::uint64_t word = part.load(std::memory_order_relaxed);
    // A worker whose turn began later may be a part ahead.
    const std::uint64_t age = (number + 1 - (word >> kCountBits)) & kCountMask;
    sum += age <= kParts ? word & kCountMask : 0;
  }
  return sum;
}

SharedWorker& SharedPort::longest_queue(SharedWorker& worker) noexcept {
  SharedWorker* longest = &worker;
  for (SharedWorker* each = workers_.first(); each != nullptr; each = each->next) {
    if (each->n_queued.load() > longest->n_queued.load()) {
      longest = each;
    }
  }
  return *longest;
}

// Ordered as all that is done here: either a worker that begins to wait sees the room that is left,
// or whoever leaves it sees the worker wait.
SharedWorker* SharedPort::next_waiting(SharedWorker& worker) noexcept {
  SharedWorker* each = &worker;
  do {
    each = each->next != nullptr ? each->next : workers_.first();
    if (each->waits_for_room.load()) {
      return each;
    }
  } while (each != &worker);
  return nullptr;
}

SharedPort::Traffic SharedPort::traffic(TimePoint now,
                                        std::chrono::nanoseconds window) const noexcept {
  Traffic sum;
  for (const SharedWorker* worker = workers_.first(); worker != nullptr; worker = worker->next) {
    sum.requests += worker->requests.read(now, window);
    sum.retries += worker->retries.read(now, window);
  }
  return sum;
}

std::vector<SharedEndpointPtr> SharedPort::try_share(std::span<const EndpointKey> keys) {
  std::vector<SharedEndpointPtr> shared;
  if (is_roster_taken_.test_and_set(std::memory_order_acquire)) {
    return shared;
  }
  // One that nobody holds begins afresh: its endpoint was away.
  std::erase_if(roster_, [](const auto& entry) {
    return entry.second->n_users_.load(std::memory_order_acquire) == 0;
  });
  shared.reserve(keys.size());
  for (const EndpointKey& key : keys) {
    std::unique_ptr<SharedEndpoint>& record = roster_[key];
    if (!record) {
      record = std::make_unique<SharedEndpoint>();
    }
    record->n_users_.fetch_add(1, std::memory_order_relaxed);
    shared.emplace_back(record.get());
  }
  is_roster_taken_.clear(std::memory_order_release);
  return shared;
}

SharedPorts::SharedPorts(std::string_view node) : router_{balancer::stable_hash(node)} {}

SharedPorts::~SharedPorts() {
  const Chunk* owned = nullptr;
  for (Chunk* chunk = &first_; chunk != nullptr;) {
    for (const std::atomic<SharedPort*>& port : chunk->ports) {
      delete port.load();
    }
    chunk = chunk->next.load();
    delete std::exchange(owned, chunk);
  }
}

SharedPort& SharedPorts::of(ClusterId id) {
  Chunk* chunk = &first_;
  for (std::size_t i = 0; i < id / kChunk; ++i) {
    chunk = &find_or_make(chunk->next);
  }
  return find_or_make(chunk->ports[id % kChunk], router_);
}

}  // namespace router
