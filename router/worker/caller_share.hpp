// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/limits/buffer_budget.hpp"
#include "router/limits/client_quota.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/linked_list.hpp"
#include "router/worker/loop.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

namespace router {

class CallerShare;
class CallerShares;
using CallerSharePtr = boost::intrusive_ptr<CallerShare>;

/// A request as its caller's share sees it: open from `CallerShare::open` until `leave_caller`.
class CallerRequest : public ListPlace<class CallerRequests> {
 public:
  CallerRequest(const CallerRequest&) = delete;
  CallerRequest& operator=(const CallerRequest&) = delete;
  /// It may begin. Called once, from inside `CallerShare::begin` or in a later turn.
  virtual void on_turn() = 0;

 protected:
  CallerRequest() = default;
  ~CallerRequest();
  /// It is over. Nothing if it has left already, or was never open.
  void leave_caller() noexcept;
  /// Whose request it is: the same on all cores, and only to be compared. Null until
  /// `CallerShare::open`.
  [[nodiscard]] const void* caller() const noexcept;

 private:
  friend class CallerShare;
  CallerSharePtr caller_;
  bool is_open_ = false;
};

/// What one caller, an address, may have of one core: of each turn of the loop, while other callers
/// are active; and of the requests that may be open.
///
/// A turn serves everybody whose bytes have come. Without shares, one caller with a thousand
/// requests in a turn would make all others wait for a thousand requests; with them, for
/// `kRequestsPerTurn` in each turn that they need themselves, which are two.
class CallerShare final
    : public boost::intrusive_ref_counter<CallerShare, boost::thread_unsafe_counter> {
 public:
  /// Some 200 us of work, with their replies: two turns of that stay well below 1 ms. Fewer would
  /// make a turn's own cost, a dozen system calls, the larger part.
  static constexpr std::uint32_t kRequestsPerTurn = 16;
  /// Read from the caller's connections in one turn: enough for bodies to flow at a gigabyte a
  /// second, few enough heads to read them in half a millisecond.
  static constexpr std::size_t kBytesPerTurn = 32 * std::size_t{1024};
  /// Written to the caller's connections in one turn, or a buffer more: what the kernel copies in a
  /// quarter of a millisecond. Replies that wait in bodies may be 64 MiB, and its sockets take
  /// megabytes at a time.
  static constexpr std::size_t kWrittenPerTurn = 256 * std::size_t{1024};
  /// Who has sent a request so lately is active: also a caller of one request every few seconds is
  /// to be shielded from a flood.
  static constexpr std::chrono::seconds kActiveFor{10};

  CallerShare(CallerShares& all,
              boost::asio::ip::address caller,
              std::shared_ptr<CallerTotals> totals);
  CallerShare(const CallerShare&) = delete;
  CallerShare& operator=(const CallerShare&) = delete;
  ~CallerShare();

  /// Counts the request, which is this caller's, as open; or says what the caller has too much of,
  /// on all cores together, as far as they have told.
  [[nodiscard]] std::optional<telemetry::Limit> open(CallerRequest& request);
  /// Calls `on_turn`, now or when those that have come before have had their turn.
  void begin(CallerRequest& request);

  /// Where its requests' bodies count.
  [[nodiscard]] BufferShare& buffers() noexcept { return buffers_; }
  /// How many bytes may be read from the caller now. What must wait is read in the next turn.
  [[nodiscard]] std::size_t n_bytes_left() noexcept;
  void count_bytes(std::size_t n_bytes) noexcept { n_bytes_ += n_bytes; }
  /// Whether more may be written to the caller now. What must wait is written in the next turn.
  [[nodiscard]] bool may_write() noexcept;
  void count_written(std::size_t n_bytes) noexcept { n_written_ += n_bytes; }

 private:
  friend class CallerRequest;
  friend class CallerShares;
  /// Of all its requests, for one more to be opened.
  [[nodiscard]] std::int64_t max_bytes() const noexcept;
  /// One more, in this turn.
  [[nodiscard]] bool may_begin() const noexcept;
  void serve();
  /// True if somebody waits for the next turn.
  bool end_turn() noexcept;
  void close() noexcept;

  CallerShares* all_;  ///< null once the core is gone
  const boost::asio::ip::address caller_;
  const std::shared_ptr<CallerTotals> totals_;
  bool is_touched_ = false;    ///< in this turn
  std::uint32_t n_begun_ = 0;  ///< in this turn
  std::size_t n_bytes_ = 0;    ///< read in this turn
  std::size_t n_written_ = 0;  ///< in the turn that began at `writes_at_`
  TimePoint writes_at_{};
  BufferShare buffers_;
  std::int64_t n_open_ = 0;         ///< on this core
  std::int64_t n_open_posted_ = 0;  ///< as they are in `totals_`
  std::int64_t n_bytes_posted_ = 0;
  LinkedList<CallerRequest, CallerRequests> waiters_;
};

/// Where the bytes of a connection count: with its caller's, or the core's if it has no share.
[[nodiscard]] inline BufferShare& buffers_of(CallerShare* share, Loop& loop) noexcept {
  return share != nullptr ? share->buffers() : loop.buffers();
}

/// The shares of all callers that one core has connections of.
class CallerShares final : private Flushable {
 public:
  /// Both outlive it.
  CallerShares(Loop& loop, ClientQuota& quota) : loop_{loop}, quota_{quota} {}
  CallerShares(const CallerShares&) = delete;
  CallerShares& operator=(const CallerShares&) = delete;
  ~CallerShares();

  /// The same one for as long as anybody holds it.
  [[nodiscard]] CallerSharePtr of(const boost::asio::ip::address& caller);

 private:
  friend class CallerShare;
  void flush() override;
  void forget(const CallerShare& share) noexcept;
  void begin_next_turn();
  void touch(CallerShare& share);
  void note_active(const CallerShare& share) noexcept;
  [[nodiscard]] bool is_another_active(const CallerShare& share) const noexcept;

  Loop& loop_;
  ClientQuota& quota_;
  std::unordered_map<boost::asio::ip::address, CallerShare*> shares_;
  /// Those that the end of this turn, or the next turn, has something to do for.
  std::vector<CallerSharePtr> touched_;
  bool is_next_turn_due_ = false;
  const CallerShare* latest_ = nullptr;  ///< whose request came last
  TimePoint latest_at_{};
  TimePoint other_at_{};  ///< when somebody else's did
};

}  // namespace router
