// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/counters.hpp"

#include "tests/demo/json_line.hpp"

#include <cstddef>
#include <utility>

#include <nlohmann/json.hpp>

namespace demo {

namespace {

constexpr std::size_t kKeptCancels = 1000;  // a test that cancels more looks at the count

}  // namespace

void Counters::began(std::string_view method) {
  bool is_first = false;
  {
    const std::lock_guard lock{mutex_};
    is_first = totals_.calls == 0;
    ++totals_.calls;
    ++totals_.in_flight;
    MethodCounts& counts = methods_.try_emplace(std::string{method}).first->second;
    ++counts.calls;
    ++counts.in_flight;
  }
  if (is_first) {
    print_line({{"event", "first_call"},
                {"pod", pod_},
                {"monotonic_ns", monotonic_ns(std::chrono::steady_clock::now())}});
  }
}

void Counters::ended(std::string_view method, bool failed) {
  const std::lock_guard lock{mutex_};
  --totals_.in_flight;
  MethodCounts& counts = methods_.find(method)->second;
  --counts.in_flight;
  counts.failures += failed ? 1U : 0U;
}

void Counters::cancelled(std::string id) {
  const std::lock_guard lock{mutex_};
  ++totals_.cancelled;
  if (cancels_.size() == kKeptCancels) {
    cancels_.pop_front();
  }
  cancels_.push_back({std::move(id), std::chrono::steady_clock::now()});
}

Counters::Totals Counters::totals() const {
  const std::lock_guard lock{mutex_};
  return totals_;
}

std::map<std::string, MethodCounts, std::less<>> Counters::methods() const {
  const std::lock_guard lock{mutex_};
  return methods_;
}

std::deque<SeenCancel> Counters::cancels() const {
  const std::lock_guard lock{mutex_};
  return cancels_;
}

nlohmann::json Counters::to_json() const {
  const Totals totals = this->totals();
  nlohmann::json methods = nlohmann::json::object();
  for (const auto& [name, counts] : this->methods()) {
    methods[name] = {
        {"calls", counts.calls}, {"failures", counts.failures}, {"in_flight", counts.in_flight}};
  }
  return {{"pod", pod_},
          {"calls", totals.calls},
          {"in_flight", totals.in_flight},
          {"cancelled", totals.cancelled},
          {"methods", std::move(methods)}};
}

std::int64_t monotonic_ns(std::chrono::steady_clock::time_point at) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

}  // namespace demo
