// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 session toward a client that may send anything.
#include "tests/fuzz/h2_rig.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::H2Rig rig{router::h2::Role::server, fuzz::Input{data, size}};
  rig.run();
  return 0;
}
