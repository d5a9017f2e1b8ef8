// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace demo {

/// What became of the calls of one method.
struct MethodCounts {
  std::uint64_t calls = 0;     ///< begun
  std::uint64_t failures = 0;  ///< ended with another status than OK, or an HTTP status from 400 on
  std::uint64_t in_flight = 0;
};

/// A cancel as the server saw it.
struct SeenCancel {
  std::string id;
  std::chrono::steady_clock::time_point at;
};

/// Calls of one serving process, of gRPC and HTTP together. Any thread.
///
/// The first call of all is announced on stdout (`{"event":"first_call",…}`), so that whoever added
/// this pod learns the moment at which it got work.
class Counters {
 public:
  struct Totals {
    std::uint64_t calls = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t cancelled = 0;
  };

  explicit Counters(std::string pod) : pod_{std::move(pod)} {}

  [[nodiscard]] const std::string& pod() const noexcept { return pod_; }

  void began(std::string_view method);
  void ended(std::string_view method, bool failed);
  /// `id` may be empty: counted all the same, but not told apart.
  void cancelled(std::string id);

  [[nodiscard]] Totals totals() const;
  [[nodiscard]] std::map<std::string, MethodCounts, std::less<>> methods() const;
  [[nodiscard]] std::deque<SeenCancel> cancels() const;

  /// `{"pod":…,"calls":…,"in_flight":…,"cancelled":…,"methods":{NAME:{"calls","failures","in_flight"}}}`
  [[nodiscard]] nlohmann::json to_json() const;

 private:
  const std::string pod_;
  mutable std::mutex mutex_;  // guards all below
  Totals totals_;
  std::map<std::string, MethodCounts, std::less<>> methods_;
  std::deque<SeenCancel> cancels_;
};

/// Nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
[[nodiscard]] std::int64_t monotonic_ns(std::chrono::steady_clock::time_point at) noexcept;

}  // namespace demo
