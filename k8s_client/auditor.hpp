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
#include <string_view>
#include <unordered_set>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace k8s_client {

class ListWatch;
class ObjectSink;
struct ListRequest;

/// Compares a store now and then with what the API server lists, as a watch that loses an event
/// would leave it wrong for ever, and nothing else would tell.
///
/// Names and versions of all objects are listed, not older than the store. Versions have no order,
/// so a list that is ahead of the watch cannot be told by its own; but what it is ahead in is still
/// to come as an event. So an object that differs is only a suspect: after `kSettle` those of which
/// the watch has told something since before the list are acquitted, and the others are
/// differences. In a healthy cluster there are none.
///
/// A recheck is the same for single objects that somebody has doubts about: an endpoint that cannot
/// be connected may be one whose end the watch has lost. What the watch tells meanwhile, as it does
/// of nearly all endpoints that are gone, makes it needless. It asks etcd, for one object.
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
  /// 10 s on average from a doubt to the recheck: longer than it takes until the watch tells of a
  /// pod that has ended.
  static const Clock::Duration kRecheckDelay;
  /// What was rechecked is left to the audits for so long: an endpoint that is in its slice and
  /// cannot be connected costs the API server one request per node and this time.
  static constexpr std::chrono::minutes kRecheckRest{10};
  /// Objects that wait for a recheck or rest from one. A doubt beyond is forgotten, and counted; if
  /// it lasts, it comes again.
  static constexpr std::size_t kMaxRechecks = 100;
  /// How late an audit or recheck may be noticed to be due.
  static constexpr std::chrono::seconds kLookInterval{5};
  /// What an object adds to the interval, where it makes it longer than `kInterval`.
  static constexpr std::chrono::milliseconds kTimePerObject{500};
  /// Objects that change during one audit; beyond it the audit is given up.
  static constexpr std::size_t kMaxTouched = 100'000;
  /// Differences that are told and counted; a list mends them all.
  static constexpr std::size_t kMaxDifferences = 1000;
  static constexpr std::size_t kMaxNamed = 5;  ///< in the log

  /// `lister` is used by nobody else. The references must outlive the auditor.
  Auditor(ListWatch& lister, const ObjectSink& sink, Clock& clock, std::uint64_t seed);

  /// Zero if an audit or a recheck is due.
  [[nodiscard]] Clock::Duration time_until_due() const;

  /// The next audit is due an interval from now, and no recheck is: a list mends whatever they
  /// could find.
  void put_off();

  /// Does the rechecks that are due, or else an audit, with a store that is at `version`; the next
  /// audit is due an interval after the beginning of this one, whatever became of it.
  /// `audit_difference` names what differs. A list that fails is no failure. Safe to cancel.
  [[nodiscard]] boost::asio::awaitable<Result<void>> audit(ResourceVersion version);

  /// There are doubts about this object, which is in the store.
  void recheck_soon(const ObjectKey& key);

  /// The watch has told something of this object.
  void see_event(const ObjectKey& key);

  [[nodiscard]] std::uint64_t audits() const noexcept { return audits_; }  ///< that had a verdict
  /// Objects that were rechecked, with a verdict.
  [[nodiscard]] std::uint64_t rechecks() const noexcept { return rechecks_done_; }
  /// Doubts that were forgotten, since `kMaxRechecks` wait or rest.
  [[nodiscard]] std::uint64_t rechecks_dropped() const noexcept { return rechecks_dropped_; }
  [[nodiscard]] std::uint64_t differences() const noexcept { return differences_; }

 private:
  struct Recheck {
    Clock::TimePoint at;  ///< when it is due, or when its rest is over
    bool is_done = false;
  };

  void begin_interval();
  [[nodiscard]] double drawn_around_one();
  [[nodiscard]] std::vector<ObjectKey> take_due_rechecks();
  [[nodiscard]] boost::asio::awaitable<bool> find_suspects(ResourceVersion version);
  [[nodiscard]] boost::asio::awaitable<bool> find_suspects_of(std::vector<ObjectKey> keys);
  [[nodiscard]] boost::asio::awaitable<bool> list_and_compare(const ListRequest& request);
  void compare(const ObjectKey& key, const ResourceVersion& listed);
  void suspect_unlisted(const ObjectKey& key, const ResourceVersion& held);
  void suspect(const ObjectKey& key, std::string what);
  /// `what`: in whose name.
  [[nodiscard]] Result<void> judge(std::string_view what);

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
  std::map<ObjectKey, Recheck> rechecks_;
  std::uint64_t audits_ = 0;
  std::uint64_t rechecks_done_ = 0;
  std::uint64_t rechecks_dropped_ = 0;
  std::uint64_t differences_ = 0;
};

}  // namespace k8s_client
