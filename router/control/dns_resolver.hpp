// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/resolver.hpp"

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

namespace router::control {

/// Asks the DNS servers of /etc/resolv.conf, or others, through c-ares: without a thread, and with
/// the TTL, neither of which getaddrinfo has. No file of hosts, no search domains. Control thread.
class DnsResolver final : public Resolver {
 public:
  /// For each server and try; cluster DNS answers within milliseconds, or has to ask one outside.
  static constexpr std::chrono::milliseconds kTimeout{2000};
  static constexpr int kTries = 2;
  /// Of one family that are taken of an answer: more than any name that is served by one has.
  static constexpr int kMaxAddresses = 64;

  /// `servers`: `ADDR:PORT`, several with commas between them; "": those of /etc/resolv.conf, as it
  /// is now. Throws std::runtime_error if that is no such list, or c-ares cannot start.
  DnsResolver(const boost::asio::any_io_executor& executor, const std::string& servers);
  DnsResolver(const DnsResolver&) = delete;
  DnsResolver& operator=(const DnsResolver&) = delete;
  ~DnsResolver();

  [[nodiscard]] boost::asio::awaitable<DnsAnswer> look_up(std::string name) override;

 private:
  class Channel;
  // Shared with lookups under way, which live on until the loop has delivered their cancellation.
  std::shared_ptr<Channel> channel_;
};

}  // namespace router::control
