// SPDX-License-Identifier: Apache-2.0
// One exchange, between a client and endpoints that may do anything that a connection lets them do.
#include "tests/fuzz/exchange_rig.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ExchangeRig rig{fuzz::Input{data, size}};
  rig.run();
  return 0;
}
