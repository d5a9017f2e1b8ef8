// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 session toward an endpoint that may send anything, with requests under way.
#include "tests/fuzz/h2_rig.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::H2Rig rig{router::h2::Role::client, fuzz::Input{data, size}};
  rig.open_request();
  rig.open_request();
  rig.open_request();
  rig.run();
  return 0;
}
