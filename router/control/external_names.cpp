// SPDX-License-Identifier: Apache-2.0
#include "router/control/external_names.hpp"

#include "k8s_client/cancellation.hpp"
#include "router/worker/unmapped.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

namespace router::control {

namespace asio = boost::asio;
namespace ip = asio::ip;
using Duration = k8s_client::Clock::Duration;

namespace {

using TimePoint = k8s_client::Clock::TimePoint;

/// One name, and what is known of it.
struct Followed {
  std::string name;
  std::vector<ip::address> addresses;   ///< sorted
  std::optional<TimePoint> v4_good_at;  ///< when DNS answered for A last
  std::optional<TimePoint> v6_good_at;  ///< likewise for AAAA
  Duration pause = ExternalNames::kMinPause;
  std::string error;  ///< told last; "" if all is well
  bool is_over = false;
  asio::cancellation_signal cancel;

  /// The later of the two; nothing before the first answer.
  [[nodiscard]] std::optional<TimePoint> good_at() const {
    return std::max(v4_good_at, v6_good_at);
  }

  /// Its coroutine ends, maybe from inside the call.
  void end() {
    is_over = true;
    cancel.emit(asio::cancellation_type::terminal);
  }
};

// Where clouds tell a node its settings, or give it credentials, besides link-local addresses.
/// Source: Microsoft, "What is IP address 168.63.129.16?".
constexpr ip::address_v4::bytes_type kAzureMetadata{168, 63, 129, 16};
/// Source: Alibaba Cloud, ECS, "Instance metadata".
constexpr ip::address_v4::bytes_type kAlibabaMetadata{100, 100, 100, 200};
/// fd00:ec2::254. Source: AWS, EC2 User Guide, "Access instance metadata for an EC2 instance".
constexpr ip::address_v6::bytes_type kAwsMetadata{
    0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54};

bool may_be_dialled_v4(const ip::address_v4& address, bool allow_loopback) {
  const ip::address_v4::bytes_type bytes = address.to_bytes();
  const bool is_this_network = bytes[0] == 0;                     // RFC 791
  const bool is_link_local = bytes[0] == 169 && bytes[1] == 254;  // RFC 3927
  const bool is_reserved = bytes[0] >= 240;                       // RFC 1112, broadcast too
  const bool is_metadata = bytes == kAzureMetadata || bytes == kAlibabaMetadata;
  return !is_this_network && !is_link_local && !is_reserved && !is_metadata &&
         !address.is_multicast() && (allow_loopback || !address.is_loopback());
}

bool is_young(const std::optional<TimePoint>& good_at, TimePoint now) {
  return good_at && now - *good_at <= ExternalNames::kMaxStale;
}

/// What is known of the families that have failed, unless it is too old.
std::vector<ip::address> stale_of(const Followed& known, const DnsAnswer& answer, TimePoint now) {
  const bool keeps_v4 = answer.v4_failed && is_young(known.v4_good_at, now);
  const bool keeps_v6 = answer.v6_failed && is_young(known.v6_good_at, now);
  std::vector<ip::address> stale;
  std::copy_if(known.addresses.begin(),
               known.addresses.end(),
               std::back_inserter(stale),
               [=](const ip::address& address) { return address.is_v4() ? keeps_v4 : keeps_v6; });
  return stale;
}

/// Notes for which families DNS has answered.
void note_good(Followed& known, const DnsAnswer& answer, TimePoint now) {
  if (!answer.v4_failed) {
    known.v4_good_at = now;
  }
  if (!answer.v6_failed) {
    known.v6_good_at = now;
  }
}

LookupOutcome outcome_of(const DnsAnswer& answer) {
  if (answer.v4_failed || answer.v6_failed) {
    return answer.v4_failed && answer.v6_failed ? LookupOutcome::failed : LookupOutcome::partial;
  }
  return answer.addresses.empty() ? LookupOutcome::empty : LookupOutcome::answered;
}

/// How long an answer holds. Where a family failed, it is asked for again after a pause.
Duration hold_of(const DnsAnswer& answer, Followed& known) {
  const std::chrono::seconds held =
      answer.addresses.empty()
          ? ExternalNames::kNegativeTtl
          : std::clamp(answer.ttl, ExternalNames::kMinTtl, ExternalNames::kMaxTtl);
  if (answer.error.empty()) {
    known.pause = ExternalNames::kMinPause;
    return held;
  }
  const Duration pause =
      std::exchange(known.pause, std::min<Duration>(known.pause * 2, ExternalNames::kMaxPause));
  return std::min<Duration>(held, pause);
}

}  // namespace

bool may_be_dialled(const ip::address& address, bool allow_loopback) {
  const ip::address dialled = unmapped(address);
  if (dialled.is_v4()) {
    return may_be_dialled_v4(dialled.to_v4(), allow_loopback);
  }
  const ip::address_v6 v6 = dialled.to_v6();
  return !v6.is_unspecified() && !v6.is_link_local() && !v6.is_multicast() &&
         v6.to_bytes() != kAwsMetadata && (allow_loopback || !v6.is_loopback());
}

struct ExternalNames::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor runs_on,
        k8s_client::Clock& time,
        Resolver& asked,
        bool may_be_loopback,
        Events told)
      : executor{std::move(runs_on)},
        clock{time},
        resolver{asked},
        allow_loopback{may_be_loopback},
        events{std::move(told)} {}

  void set_names(const std::set<std::string>& names);
  void begin(const std::string& name);
  void recall(Followed& name);
  void stop();
  asio::awaitable<void> follow(std::shared_ptr<Followed> name);
  Duration take(Followed& name, const DnsAnswer& answer);
  void set(Followed& name, std::vector<ip::address> addresses);
  void tell(Followed& name, std::string error);

  asio::any_io_executor executor;
  k8s_client::Clock& clock;
  Resolver& resolver;
  bool allow_loopback;
  Events events;
  // Shared with the coroutines, which refer to them until their own end.
  std::map<std::string, std::shared_ptr<Followed>> followed;
  std::vector<k8s_client::SavedName> restored;
  std::array<std::uint64_t, kLookupOutcomeNames.size()> lookups{};
};

void ExternalNames::State::set_names(const std::set<std::string>& names) {
  for (auto it = followed.begin(); it != followed.end();) {
    if (names.contains(it->first)) {
      ++it;
      continue;
    }
    const std::shared_ptr<Followed> ended = std::move(it->second);
    it = followed.erase(it);
    ended->end();
  }
  for (const std::string& name : names) {
    if (!followed.contains(name)) {
      begin(name);
    }
  }
  restored.clear();  // whatever else it has is of names that are not wanted
}

void ExternalNames::State::begin(const std::string& name) {
  const auto begun = std::make_shared<Followed>();
  begun->name = name;
  followed.emplace(name, begun);
  recall(*begun);
  // The handler holds the state for as long as the coroutine runs.
  auto on_end = [state = shared_from_this(), begun](const std::exception_ptr& thrown) {
    k8s_client::rethrow_unless_cancelled(thrown);
  };
  asio::co_spawn(executor,
                 follow(begun),
                 asio::bind_cancellation_slot(begun->cancel.slot(), std::move(on_end)));
}

/// Gives the name what was restored of it. The first answer drops what is too old of it.
void ExternalNames::State::recall(Followed& name) {
  const auto saved = std::find_if(restored.begin(), restored.end(), [&name](const auto& each) {
    return each.name == name.name;
  });
  if (saved == restored.end()) {
    return;
  }
  name.v4_good_at = saved->v4_good_at;
  name.v6_good_at = saved->v6_good_at;
  std::vector<ip::address> addresses = std::move(saved->addresses);
  std::erase_if(addresses, [this](const ip::address& address) {
    return !may_be_dialled(address, allow_loopback);
  });
  set(name, std::move(addresses));
}

void ExternalNames::State::stop() {
  // Taken out first: the ends of the coroutines may come from inside the calls.
  decltype(followed) stopped;
  stopped.swap(followed);
  for (const auto& [name, ended] : stopped) {
    ended->end();
  }
}

asio::awaitable<void> ExternalNames::State::follow(std::shared_ptr<Followed> name) {
  while (!name->is_over) {
    const DnsAnswer answer = co_await resolver.look_up(name->name);
    if (!name->is_over) {  // else the answer has crossed the cancellation
      co_await clock.sleep_for(take(*name, answer));
    }
  }
}

/// Returns how long what is known now holds.
Duration ExternalNames::State::take(Followed& name, const DnsAnswer& answer) {
  const TimePoint now = clock.now();
  ++lookups.at(static_cast<std::size_t>(outcome_of(answer)));
  note_good(name, answer, now);
  std::vector<ip::address> addresses = answer.addresses;
  std::erase_if(addresses, [this](const ip::address& address) {
    return !may_be_dialled(address, allow_loopback);
  });
  std::string error = answer.addresses.empty() ? "it has no address" : "";
  if (addresses.size() < answer.addresses.size()) {
    error = "loopback, link-local, metadata or multicast addresses are not used";
  }
  const std::vector<ip::address> stale = stale_of(name, answer, now);
  addresses.insert(addresses.end(), stale.begin(), stale.end());
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses.size() > kMaxAddresses) {
    addresses.resize(kMaxAddresses);
    error = "it has more addresses than are used";
  }
  tell(name, answer.error.empty() ? error : answer.error);
  set(name, std::move(addresses));
  return hold_of(answer, name);
}

void ExternalNames::State::set(Followed& name, std::vector<ip::address> addresses) {
  if (name.addresses != addresses) {
    name.addresses = addresses;
    events.on_addresses(name.name, std::move(addresses));
  }
}

void ExternalNames::State::tell(Followed& name, std::string error) {
  if (name.error != error) {
    name.error = std::move(error);
    events.on_news(name.name, name.error);
  }
}

ExternalNames::ExternalNames(asio::any_io_executor executor,
                             k8s_client::Clock& clock,
                             Resolver& resolver,
                             bool allow_loopback,
                             Events events)
    : state_{std::make_shared<State>(
          std::move(executor), clock, resolver, allow_loopback, std::move(events))} {}

ExternalNames::~ExternalNames() {
  stop();
}

void ExternalNames::set_names(const std::set<std::string>& names) {
  state_->set_names(names);
}

void ExternalNames::restore(std::vector<k8s_client::SavedName> names) {
  state_->restored = std::move(names);
}

std::vector<k8s_client::SavedName> ExternalNames::known() const {
  std::vector<k8s_client::SavedName> names;
  for (const auto& [name, known] : state_->followed) {
    if (known->good_at()) {
      names.push_back({.name = name,
                       .addresses = known->addresses,
                       .v4_good_at = known->v4_good_at,
                       .v6_good_at = known->v6_good_at});
    }
  }
  return names;
}

std::vector<std::string> ExternalNames::unanswered() const {
  std::vector<std::string> names;
  for (const auto& [name, known] : state_->followed) {
    if (!known->good_at()) {
      names.push_back(name);
    }
  }
  return names;
}

DnsStatus ExternalNames::status() const {
  DnsStatus status{.lookups = state_->lookups, .names = {}};
  for (const auto& [name, known] : state_->followed) {
    status.names.push_back({.name = name,
                            .addresses = known->addresses.size(),
                            .good_at = known->good_at(),
                            .error = known->error});
  }
  return status;
}

void ExternalNames::stop() {
  state_->stop();
}

}  // namespace router::control
