// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/socket.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace test {

/// What a DNS server knows of a name.
struct DnsRecords {
  std::vector<std::string> v4{};
  std::vector<std::string> v6{};
  std::uint32_t ttl_s = 60;
  bool is_v4_broken = false;  ///< SERVFAIL to A
  bool is_v6_broken = false;  ///< likewise to AAAA
  bool is_silent = false;     ///< no reply at all
};

/// A DNS server over UDP on 127.0.0.1, on a thread of its own. Names that it does not know do not
/// exist (NXDOMAIN).
class DnsServer {
 public:
  DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer();

  /// `127.0.0.1:PORT`
  [[nodiscard]] std::string address() const;
  /// `name` in lower case, without a trailing dot.
  void set(const std::string& name, DnsRecords records);
  /// Of that name, by now.
  [[nodiscard]] std::size_t questions(const std::string& name) const;

 private:
  void serve();
  /// "": it gives none.
  [[nodiscard]] std::string reply_to(std::string_view question);

  Fd socket_;
  mutable std::mutex mutex_;  ///< guards the two maps
  std::map<std::string, DnsRecords> records_;
  std::map<std::string, std::size_t> questions_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;  ///< last: it uses the others
};

}  // namespace test
