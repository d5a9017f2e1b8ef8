// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/limits/buffer_budget.hpp"
#include "router/limits/shared_sum.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <boost/asio/ip/address.hpp>

namespace router {

/// What becomes of a client's connection, by how many its caller has.
enum class Admission : std::uint8_t {
  taken,
  refused,  ///< the first request on it is answered with `caller_limit`, then it closes
  closed,   ///< at once: the caller has been told often enough
};

/// What one caller has of all cores together.
struct CallerTotals {
  alignas(64) SharedSum open_requests;
  SharedSum bytes;  ///< of their bodies, which wait for the other side to take them
};

/// How many connections clients have open, of all cores together. Any thread: looked at when a
/// connection is accepted and when it is gone, never in between.
///
/// All and one caller, an address, each have their share, so that no pod takes the places of the
/// others.
class ClientQuota {
 public:
  static constexpr std::uint32_t kMaxConnections = 10'000;
  static constexpr std::uint32_t kMaxPerCaller = 500;
  /// Open requests of one caller: ten connections full of them, some 50 MiB. The cores tell each
  /// other once in a turn, so it may be exceeded by what one turn brings on the others.
  static constexpr std::uint32_t kMaxRequestsPerCaller = 10'000;
  /// Of one caller's bodies that wait to be taken: a quarter of the process's. Whoever has more
  /// begins no further request while half of the memory is used and others are active, whose
  /// windows are narrow for it.
  static constexpr std::int64_t kMaxBytesPerCaller = BufferBudget::kMaxBytes / 4;
  /// The same while all of the memory is used, whoever is active: a head alone may be 64 KiB, and
  /// there may be thousands. The 110 pods of a full node may have as much again in such portions,
  /// which are enough for a few calls at a time.
  static constexpr std::int64_t kModestBytes = BufferBudget::kMaxBytes / 128;
  /// Of one caller, beyond its share: enough for a person to be told why, too few to be worth an
  /// attacker's while.
  static constexpr std::uint32_t kMaxRefused = 10;

  class Place;

  /// `n_descriptors`: what the process may open. Clients get half of it at most: without the other
  /// half there would be none for endpoints, nor for the probe that asks whether we live.
  explicit ClientQuota(std::uint64_t n_descriptors) noexcept;

  /// A place for one connection; nothing if all are taken.
  [[nodiscard]] std::optional<Place> take();

  /// Of a caller with a place; the same for all cores, for as long as any of them holds it.
  [[nodiscard]] std::shared_ptr<CallerTotals> totals_of(const boost::asio::ip::address& caller);

  [[nodiscard]] std::uint32_t max_connections() const noexcept { return max_connections_; }

 private:
  struct Caller {
    std::uint32_t n_taken = 0;
    std::uint32_t n_refused = 0;
    std::weak_ptr<CallerTotals> totals;
  };

  Admission enter(const boost::asio::ip::address& caller);
  void leave(const boost::asio::ip::address& caller, Admission how);

  const std::uint32_t max_connections_;
  std::mutex mutex_;
  std::uint32_t n_connections_ = 0;
  std::unordered_map<boost::asio::ip::address, Caller> callers_;  ///< those with any
};

/// The place of one connection, given back when it is destroyed, before its quota is.
class ClientQuota::Place {
 public:
  explicit Place(ClientQuota& quota) noexcept : quota_{&quota} {}
  Place(Place&& other) noexcept;
  Place& operator=(Place&&) = delete;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place();

  /// Counts the connection for its caller, once.
  Admission give_to(const boost::asio::ip::address& caller);
  [[nodiscard]] Admission admission() const noexcept { return admission_; }
  [[nodiscard]] const boost::asio::ip::address& caller() const noexcept { return caller_; }

 private:
  ClientQuota* quota_;  ///< null once it has been moved away
  boost::asio::ip::address caller_;
  Admission admission_ = Admission::closed;  ///< of no caller yet
};

}  // namespace router
