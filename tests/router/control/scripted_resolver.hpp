// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/resolver.hpp"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace test {

inline router::control::DnsAnswer dns_answer(const std::vector<std::string>& addresses,
                                             std::chrono::seconds ttl = std::chrono::seconds{60}) {
  router::control::DnsAnswer result;
  for (const std::string& address : addresses) {
    result.addresses.push_back(boost::asio::ip::make_address(address));
  }
  result.ttl = ttl;
  return result;
}

inline router::control::DnsAnswer dns_failure(std::string error) {
  router::control::DnsAnswer result;
  result.v4_failed = true;
  result.v6_failed = true;
  result.error = std::move(error);
  return result;
}

/// DNS that says at once what the test wants; of a name that it was told nothing of, that it has no
/// addresses.
class ScriptedResolver final : public router::control::Resolver {
 public:
  boost::asio::awaitable<router::control::DnsAnswer> look_up(std::string name) override {
    ++asked[name];
    if (silent.contains(name)) {
      boost::asio::steady_timer never{co_await boost::asio::this_coro::executor,
                                      boost::asio::steady_timer::time_point::max()};
      co_await never.async_wait(boost::asio::use_awaitable);
    }
    co_return answers[name];
  }

  std::map<std::string, router::control::DnsAnswer> answers;
  std::map<std::string, int> asked;
  std::set<std::string> silent;  ///< lookups of these do not end
};

}  // namespace test
