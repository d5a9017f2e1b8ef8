// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string_view>

#include <catch2/catch.hpp>

namespace test {

/// For `GENERATE`: the seeds from 1 to `few`, or to `many` if `NODEWAY_TEST_LONG` is 1. Where
/// `NODEWAY_TEST_SEED` is set, that one alone: what a failure has printed is replayed by it.
inline Catch::Generators::GeneratorWrapper<unsigned> seeds(unsigned few, unsigned many) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): only read
  if (const char* seed = std::getenv("NODEWAY_TEST_SEED")) {
    return Catch::Generators::value(static_cast<unsigned>(std::strtoul(seed, nullptr, 10)));
  }
  const char* is_long =
      std::getenv("NODEWAY_TEST_LONG");  // NOLINT(concurrency-mt-unsafe): likewise
  const bool wants_many = is_long != nullptr && std::string_view{is_long} == "1";
  return Catch::Generators::range(1U, (wants_many ? many : few) + 1);
}

}  // namespace test
