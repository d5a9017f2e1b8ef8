// SPDX-License-Identifier: Apache-2.0
#include "router/control/external_names.hpp"

#include "k8s_client/cancellation.hpp"

#include <algorithm>
#include <exception>
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
  std::vector<ip::address> addresses;
  k8s_client::Clock::TimePoint good_at;  ///< when DNS answered last
  Duration pause = ExternalNames::kMinPause;
  std::string error;  ///< told last; "" if all is well
};

bool may_be_dialled_v4(const ip::address_v4& address, bool allow_loopback) {
  const ip::address_v4::bytes_type bytes = address.to_bytes();
  const bool is_this_network = bytes[0] == 0;                     // RFC 791
  const bool is_link_local = bytes[0] == 169 && bytes[1] == 254;  // RFC 3927
  const bool is_reserved = bytes[0] >= 240;                       // RFC 1112, broadcast too
  return !is_this_network && !is_link_local && !is_reserved && !address.is_multicast() &&
         (allow_loopback || !address.is_loopback());
}

}  // namespace

bool may_be_dialled(const ip::address& address, bool allow_loopback) {
  if (address.is_v4()) {
    return may_be_dialled_v4(address.to_v4(), allow_loopback);
  }
  const ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) {
    return may_be_dialled_v4(ip::make_address_v4(ip::v4_mapped, v6), allow_loopback);
  }
  return !v6.is_unspecified() && !v6.is_link_local() && !v6.is_multicast() &&
         (allow_loopback || !v6.is_loopback());
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
  Duration take(const std::string& name, Known& known, DnsAnswer answer);
  Duration take_addresses(const std::string& name, Known& known, DnsAnswer answer);
  Duration take_failure(const std::string& name, Known& known, const DnsAnswer& answer);
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
  known.good_at = clock.now();
  while (followed.contains(name)) {
    DnsAnswer answer = co_await resolver.look_up(name);
    if (followed.contains(name)) {  // else the answer has crossed the cancellation
      co_await clock.sleep_for(take(name, known, std::move(answer)));
    }
  }
}

/// How long what is known now holds.
Duration ExternalNames::State::take(const std::string& name, Known& known, DnsAnswer answer) {
  if (!answer.error.empty()) {
    return take_failure(name, known, answer);
  }
  known.good_at = clock.now();
  known.pause = kMinPause;
  return take_addresses(name, known, std::move(answer));
}

Duration ExternalNames::State::take_addresses(const std::string& name,
                                              Known& known,
                                              DnsAnswer answer) {
  std::vector<ip::address> addresses = std::move(answer.addresses);
  const std::size_t n_given = addresses.size();
  std::erase_if(addresses, [this](const ip::address& address) {
    return !may_be_dialled(address, allow_loopback);
  });
  std::string error = n_given == 0 ? "it has no address" : "";
  if (addresses.size() < n_given) {
    error = "loopback, link-local or multicast addresses are not used";
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses.size() > kMaxAddresses) {
    addresses.resize(kMaxAddresses);
    error = "it has more addresses than are used";
  }
  tell(name, known, std::move(error));
  set(name, known, std::move(addresses));
  return n_given == 0 ? Duration{kNegativeTtl} : Duration{std::clamp(answer.ttl, kMinTtl, kMaxTtl)};
}

Duration ExternalNames::State::take_failure(const std::string& name,
                                            Known& known,
                                            const DnsAnswer& answer) {
  tell(name, known, answer.error);
  if (clock.now() - known.good_at > kMaxStale) {
    set(name, known, {});
  }
  return std::exchange(known.pause, std::min<Duration>(known.pause * 2, kMaxPause));
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
