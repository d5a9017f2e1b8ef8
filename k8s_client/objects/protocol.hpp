// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/service.hpp"

namespace k8s_client {

class JsonFields;

/// `protocol` of a port, of a Service or a slice. Absent means TCP.
[[nodiscard]] Protocol protocol_from(JsonFields& port);
/// The other way: `TCP`, `UDP` or `SCTP`.
[[nodiscard]] const char* text_of(Protocol protocol) noexcept;

}  // namespace k8s_client
