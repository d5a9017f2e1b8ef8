// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <random>

namespace test {

/// Decides whatever a random test has to decide; the same seed decides the same.
class Chance {
 public:
  explicit Chance(unsigned seed) : rng_{seed} {}

  /// 0 to `n` - 1.
  int below(int n) { return std::uniform_int_distribution<int>{0, n - 1}(rng_); }
  bool one_in(int n) { return below(n) == 0; }

  template <class T, std::size_t N>
  const T& any(const std::array<T, N>& of) {
    return of.at(static_cast<std::size_t>(below(static_cast<int>(N))));
  }

 private:
  std::mt19937 rng_;
};

}  // namespace test
