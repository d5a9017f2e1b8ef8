// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/saved_view.hpp"
#include "router/control/resolver.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>

namespace router::control {

/// How a lookup ended: the label `outcome` of nodeway_dns_lookups_total, in the order of
/// `kLookupOutcomeNames`.
enum class LookupOutcome : std::uint8_t {
  answered,  ///< for both families; there are addresses
  empty,     ///< for both families; the name has no address, or there is no such name
  failed,    ///< there is no answer for either family
  partial,   ///< there is one for the other family
};
inline constexpr std::array<std::string_view, 4> kLookupOutcomeNames{
    "answered", "empty", "failed", "partial"};

/// How DNS is doing. Plain copy.
struct DnsStatus {
  struct Name {
    std::string name;
    std::size_t addresses = 0;  ///< in use, those of a saved view among them
    /// When DNS answered last, for whichever family; nothing before the first answer.
    std::optional<k8s_client::Clock::TimePoint> good_at{};
    std::string error{};  ///< what was wrong with the last answer; "" if nothing was
  };

  std::array<std::uint64_t, kLookupOutcomeNames.size()> lookups{};  ///< by LookupOutcome
  std::vector<Name> names{};                                        ///< by name
};

/// Keeps the addresses of names outside of the cluster as DNS has them. Control thread.
///
/// Each name is looked up when it is named first, and again when its TTL is over. Where DNS gives
/// no answer for a family of addresses, the last good one for it stays for kMaxStale, whatever
/// becomes of the other. An answer that the name has no addresses is one, and holds. Source: RFC
/// 8767 (serving stale data).
class ExternalNames {
 public:
  /// An answer is kept for its TTL, within these bounds: a TTL of 0 must not make a question per
  /// loop turn of each node, and one of a day must not outlast a move by more than minutes.
  static constexpr std::chrono::seconds kMinTtl{5};
  static constexpr std::chrono::seconds kMaxTtl{300};
  /// Until a name without addresses is asked for again, whose TTL (RFC 2308) c-ares does not tell.
  static constexpr std::chrono::seconds kNegativeTtl{30};
  /// Until what got no answer is asked for again: doubling from the first to the second.
  static constexpr std::chrono::seconds kMinPause{1};
  static constexpr std::chrono::seconds kMaxPause{30};
  /// RFC 8767, section 5, recommends one day to three.
  static constexpr std::chrono::hours kMaxStale{24};
  /// Of one name that are used: each is an endpoint with connections of its own.
  static constexpr std::size_t kMaxAddresses = 64;

  /// What the owner is told, from the loop.
  struct Events {
    /// The name has these addresses from here on; sorted.
    std::function<void(const std::string& name, std::vector<boost::asio::ip::address> addresses)>
        on_addresses;
    /// A name gets no answer, be it for one family, or one that is not used, or is well again
    /// (`error` is "").
    std::function<void(const std::string& name, std::string_view error)> on_news;
  };

  /// `clock` outlives the executor's context, `resolver` this object. `allow_loopback`: for a
  /// cluster that is a folder of files on one machine.
  ExternalNames(boost::asio::any_io_executor executor,
                k8s_client::Clock& clock,
                Resolver& resolver,
                bool allow_loopback,
                Events events);
  ExternalNames(const ExternalNames&) = delete;
  ExternalNames& operator=(const ExternalNames&) = delete;
  ~ExternalNames();

  /// These are the names from here on. Of one that is there no longer nothing more is told.
  void set_names(const std::set<std::string>& names);

  /// What a process before this one knew of names: those among the first `set_names` have it until
  /// DNS says something else, each family as long as kMaxStale allows. Called before that.
  void restore(std::vector<k8s_client::SavedName> names);

  /// What `restore` of the next process is given: the names that DNS has answered for.
  [[nodiscard]] std::vector<k8s_client::SavedName> known() const;

  /// The names for which DNS has given no answer so far, nor has been restored one.
  [[nodiscard]] std::vector<std::string> unanswered() const;

  [[nodiscard]] DnsStatus status() const;

  /// Asks and tells nothing any more. Repeated: no-op.
  void stop();

 private:
  struct State;
  // Shared with the running coroutines, which live on until the loop has delivered their
  // cancellation.
  std::shared_ptr<State> state_;
};

/// Whether requests may be sent to an address that came from DNS: not to this machine or pod
/// (loopback, unless allowed), its link, the metadata services of clouds there and elsewhere, or to
/// groups.
/// Whoever owns a name outside could otherwise reach through this router what trusts it for where
/// it is. Source: GEP-1426; RFC 6890.
[[nodiscard]] bool may_be_dialled(const boost::asio::ip::address& address, bool allow_loopback);

}  // namespace router::control
