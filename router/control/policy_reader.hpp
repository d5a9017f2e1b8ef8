// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/config_document.hpp"
#include "router/control/config_reader.hpp"

namespace router::control {

/// Reads what one level of the configuration says of a policy: `defaults`, or an entry of
/// `services`. Fields that it leaves out stay as they are in `overrides`.
void read_policy(const FieldReader::Place& value, FieldReader& reader, PolicyOverrides& overrides);

}  // namespace router::control
