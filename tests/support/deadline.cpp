// SPDX-License-Identifier: Apache-2.0
#include "tests/support/deadline.hpp"

#include <algorithm>
#include <thread>

namespace test {
namespace {
// Short against every bound that tests assert, long enough not to keep a core busy with asking.
constexpr Milliseconds kBetweenAsking{5};
}  // namespace

int Deadline::remaining_ms() const {
  const auto left = std::chrono::ceil<Milliseconds>(at_ - SteadyClock::now()).count();
  return static_cast<int>(std::max<decltype(left)>(left, 0));
}

void Deadline::fail(const std::string& detail) const {
  std::string text = "waited " + std::to_string(patience_.count()) + " ms in vain for " + what_;
  if (!detail.empty()) {
    text += ": " + detail;
  }
  throw Failure{text};
}

Milliseconds eventually(const std::string& what,
                        const std::function<bool()>& holds,
                        Milliseconds patience) {
  const TimePoint began_at = SteadyClock::now();
  const Deadline deadline{what, patience};
  while (!holds()) {
    if (deadline.has_passed()) {
      deadline.fail();
    }
    std::this_thread::sleep_for(kBetweenAsking);
  }
  return std::chrono::duration_cast<Milliseconds>(SteadyClock::now() - began_at);
}

}  // namespace test
