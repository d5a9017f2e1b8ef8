// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/message.hpp"
#include "tests/support/socket.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace test {

/// What became of the requests of a `Load`.
struct LoadResult {
  std::uint64_t succeeded = 0;
  std::vector<std::string> failures{};  ///< what went wrong, the first hundred
};

/// A client that keeps a number of requests under way over one connection, on a thread of its own,
/// until it is stopped.
class Load {
 public:
  Load(std::uint16_t port, std::string authority, int concurrency);
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load();

  [[nodiscard]] std::uint64_t succeeded() const { return succeeded_.load(); }
  /// Waits for this many further successes.
  void wait_for_more(std::uint64_t n_requests) const;
  /// Starts no further requests, waits for those under way and tells what became of all.
  LoadResult stop();

 private:
  void run(std::uint16_t port, const std::string& authority, int concurrency);
  void record(const Reply& reply);

  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> succeeded_{0};
  std::mutex mutex_;  ///< guards the failures
  std::vector<std::string> failures_;
  std::thread thread_;  ///< last: it uses all the others
};

}  // namespace test
