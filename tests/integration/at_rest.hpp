// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/h2_client.hpp"

#include <cstdint>

namespace test {

/// Works until `bytes()` has not changed for `rest`, and returns it: a sender has come to rest.
template <class Bytes>
std::uint64_t at_rest(H2Client& client, Milliseconds rest, Bytes bytes) {
  std::uint64_t before = 0;
  do {
    before = bytes();
    client.pump_for(rest);
  } while (bytes() != before);
  return before;
}

}  // namespace test
