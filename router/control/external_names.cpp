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

/// What is known of one name.
struct Known {
  std::vector<ip::address> addresses;         ///< sorted
  k8s_client::Clock::TimePoint v4_good_at{};  ///< when DNS answered for A last
  k8s_client::Clock::TimePoint v6_good_at{};  ///< likewise for AAAA
  Duration pause = ExternalNames::kMinPause;
  std::string error;  ///< told last; "" if all is well
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

/// What is known of the families that have failed, unless it is too old.
std::vector<ip::address> stale_of(const Known& known,
                                  const DnsAnswer& answer,
                                  k8s_client::Clock::TimePoint now) {
  const bool keeps_v4 = answer.v4_failed && now - known.v4_good_at <= ExternalNames::kMaxStale;
  const bool keeps_v6 = answer.v6_failed && now - known.v6_good_at <= ExternalNames::kMaxStale;
  std::vector<ip::address> stale;
  std::copy_if(known.addresses.begin(),
               known.addresses.end(),
               std::back_inserter(stale),
               [=](const ip::address& address) { return address.is_v4() ? keeps_v4 : keeps_v6; });
  return stale;
}

/// Notes for which families DNS has answered.
void note_good(Known& known, const DnsAnswer& answer, k8s_client::Clock::TimePoint now) {
  known.v4_good_at = answer.v4_failed ? known.v4_good_at : now;
  known.v6_good_at = answer.v6_failed ? known.v6_good_at : now;
}

/// How long an answer holds. Where a family failed, it is asked for again after a pause.
Duration hold_of(const DnsAnswer& answer, Known& known) {
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
  void stop();
  asio::awaitable<void> follow(std::string name);
  Duration take(const std::string& name, Known& known, const DnsAnswer& answer);
  void set(const std::string& name, Known& known, std::vector<ip::address> addresses);
  void tell(const std::string& name, Known& known, std::string error);

  asio::any_io_executor executor;
  k8s_client::Clock& clock;
  Resolver& resolver;
  bool allow_loopback;
  Events events;
  // Shared with the coroutines, which refer to them until their own end.
  std::map<std::string, std::shared_ptr<asio::cancellation_signal>> followed;
};

void ExternalNames::State::set_names(const std::set<std::string>& names) {
  for (auto it = followed.begin(); it != followed.end();) {
    if (names.contains(it->first)) {
      ++it;
      continue;
    }
    // Taken out first: the end of its coroutine may come from inside the call.
    const std::shared_ptr<asio::cancellation_signal> cancel = std::move(it->second);
    it = followed.erase(it);
    cancel->emit(asio::cancellation_type::terminal);
  }
  for (const std::string& name : names) {
    if (!followed.contains(name)) {
      begin(name);
    }
  }
}

void ExternalNames::State::begin(const std::string& name) {
  const auto cancel = std::make_shared<asio::cancellation_signal>();
  followed.emplace(name, cancel);
  // The handler holds the state for as long as the coroutine runs.
  auto on_end = [state = shared_from_this(), cancel](const std::exception_ptr& thrown) {
    k8s_client::rethrow_unless_cancelled(thrown);
  };
  asio::co_spawn(
      executor, follow(name), asio::bind_cancellation_slot(cancel->slot(), std::move(on_end)));
}

void ExternalNames::State::stop() {
  // Taken out first: the ends of the coroutines may come from inside the calls.
  decltype(followed) stopped;
  stopped.swap(followed);
  for (const auto& [name, cancel] : stopped) {
    cancel->emit(asio::cancellation_type::terminal);
  }
}

asio::awaitable<void> ExternalNames::State::follow(std::string name) {
  Known known;
  while (followed.contains(name)) {
    const DnsAnswer answer = co_await resolver.look_up(name);
    if (followed.contains(name)) {  // else the answer has crossed the cancellation
      co_await clock.sleep_for(take(name, known, answer));
    }
  }
}

/// Returns how long what is known now holds.
Duration ExternalNames::State::take(const std::string& name,
                                    Known& known,
                                    const DnsAnswer& answer) {
  const k8s_client::Clock::TimePoint now = clock.now();
  note_good(known, answer, now);
  std::vector<ip::address> addresses = answer.addresses;
  std::erase_if(addresses, [this](const ip::address& address) {
    return !may_be_dialled(address, allow_loopback);
  });
  std::string error = answer.addresses.empty() ? "it has no address" : "";
  if (addresses.size() < answer.addresses.size()) {
    error = "loopback, link-local, metadata or multicast addresses are not used";
  }
  const std::vector<ip::address> stale = stale_of(known, answer, now);
  addresses.insert(addresses.end(), stale.begin(), stale.end());
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses.size() > kMaxAddresses) {
    addresses.resize(kMaxAddresses);
    error = "it has more addresses than are used";
  }
  tell(name, known, answer.error.empty() ? error : answer.error);
  set(name, known, std::move(addresses));
  return hold_of(answer, known);
}

void ExternalNames::State::set(const std::string& name,
                               Known& known,
                               std::vector<ip::address> addresses) {
  if (known.addresses != addresses) {
    known.addresses = addresses;
    events.on_addresses(name, std::move(addresses));
  }
}

void ExternalNames::State::tell(const std::string& name, Known& known, std::string error) {
  if (known.error != error) {
    known.error = std::move(error);
    events.on_news(name, known.error);
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

void ExternalNames::stop() {
  state_->stop();
}

}  // namespace router::control
