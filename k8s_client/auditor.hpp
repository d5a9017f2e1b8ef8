// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/errc.hpp"
#include "k8s_client/objects/object_meta.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_set>

#include <boost/asio/awaitable.hpp>

namespace k8s_client {

class ListWatch;
class ObjectSink;

/// Compares a store now and then with what the API server lists, as a watch that loses an event
/// would leave it wrong for ever, and nothing else would tell.
///
/// Names and versions of all objects are listed, not older than the store. Versions have no order,
/// so a list that is ahead of the watch cannot be told by its own; but what it is ahead in is still
/// to come as an event. So an object that differs is only a suspect: after `kSettle` those of which
/// the watch has told something since before the list are acquitted, and the others are
/// differences. In a healthy cluster there are none.
///
/// An audit belongs to one watch: whatever ends that, ends the audit without a verdict. Its list
/// costs the API server an answer from its cache. Of 5,000 nodes with five resources each come 42
/// such requests a second, and the answers hold 10,000 objects (of about 1 kB) a second of each
/// resource at most, for which `kTimePerObject` slows the audits of large collections down: 15,000
/// slices are compared every two hours. Control thread.
class Auditor {
 public:
  // Defined in a source of their own, audit_pace.cpp, in whose place a test may link shorter ones.
  static const Clock::Duration kInterval;  ///< 10 min on average, of small collections
  static const Clock::Duration kSettle;    ///< 60 s: API servers' caches are seconds apart at worst
  /// What an object adds to the interval, where it makes it longer than `kInterval`.
  static constexpr std::chrono::milliseconds kTimePerObject{500};
  /// Objects that change during one audit; beyond it the audit is given up.
  static constexpr std::size_t kMaxTouched = 100'000;
  /// Differences that are told and counted; a list mends them all.
  static constexpr std::size_t kMaxDifferences = 1000;
  static constexpr std::size_t kMaxNamed = 5;  ///< in the log

  /// `lister` is used by nobody else. The references must outlive the auditor.
  Auditor(ListWatch& lister, const ObjectSink& sink, Clock& clock, std::uint64_t seed);

  /// Zero if an audit is due.
  [[nodiscard]] Clock::Duration time_until_due() const;

  /// The next audit is due an interval from now.
  void put_off();

  /// Audits once, with a store that is at `version`; the next is due an interval after its
  /// beginning, whatever became of it. `audit_difference` names what differs. A list that fails is
  /// no failure. Safe to cancel.
  [[nodiscard]] boost::asio::awaitable<Result<void>> audit(ResourceVersion version);

  /// The watch has told something of this object.
  void see_event(const ObjectKey& key);

  [[nodiscard]] std::uint64_t audits() const noexcept { return audits_; }  ///< that had a verdict
  [[nodiscard]] std::uint64_t differences() const noexcept { return differences_; }

 private:
  [[nodiscard]] boost::asio::awaitable<bool> find_suspects(ResourceVersion version);
  void compare(const ObjectKey& key, const ResourceVersion& listed);
  void suspect(const ObjectKey& key, std::string what);
  [[nodiscard]] Result<void> judge();

  ListWatch& lister_;
  const ObjectSink& sink_;
  Clock& clock_;
  std::mt19937_64 rng_;
  Clock::TimePoint interval_began_at_;
  double stretch_ = 1;  // of the interval that is under way
  bool is_under_way_ = false;
  std::set<ObjectKey> touched_;
  std::map<ObjectKey, std::string> suspects_;  // with what is wrong
  std::unordered_set<std::size_t> listed_;     // hashes: a collision would hide one difference
  std::uint64_t audits_ = 0;
  std::uint64_t differences_ = 0;
};

}  // namespace k8s_client
