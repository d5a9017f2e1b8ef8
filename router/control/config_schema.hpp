// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace router::control {

/// The JSON Schema of the configuration document, for editors; `docs/nodeway.schema.json` is a
/// copy.
///
/// What is valid comes from `survey_config`, so that it is what `parse_config` takes. It says of a
/// document what `parse_config` says, but for what a schema cannot see: the range of durations of
/// several parts or with a fraction, keys that are there twice, depth and size, and how a number is
/// written. Source: JSON Schema draft 7, which the editors' YAML language server knows best.
[[nodiscard]] std::string config_schema();

}  // namespace router::control
