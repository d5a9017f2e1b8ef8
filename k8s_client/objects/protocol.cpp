// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/protocol.hpp"

#include "k8s_client/objects/json_fields.hpp"

namespace k8s_client {

Protocol protocol_from(JsonFields& port) {
  const std::string protocol = port.text("protocol");
  if (protocol.empty() || protocol == "TCP") {
    return Protocol::tcp;
  }
  if (protocol == "UDP") {
    return Protocol::udp;
  }
  if (protocol != "SCTP") {
    port.fail(Errc::wrong_type, "protocol", "must be TCP, UDP or SCTP");
  }
  return Protocol::sctp;
}

const char* text_of(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::udp:
      return "UDP";
    case Protocol::sctp:
      return "SCTP";
    case Protocol::tcp:
      break;
  }
  return "TCP";
}

}  // namespace k8s_client
