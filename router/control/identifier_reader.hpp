// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/config_reader.hpp"
#include "router/resolve/identifier.hpp"

namespace router::control {

/// Reads `identifiers`. A list takes the place of what `identifiers` had; it must have an item.
void read_identifiers(const FieldReader::Place& list,
                      FieldReader& reader,
                      Identifiers& identifiers);

}  // namespace router::control
