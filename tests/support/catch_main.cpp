// SPDX-License-Identifier: Apache-2.0
// The runner of all Catch2 executables.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
