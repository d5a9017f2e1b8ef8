// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>

namespace k8s_client {

/// For the end of a coroutine that runs until it is cancelled: that is no failure. Any other
/// exception is a mistake in this program, and goes on to the loop.
void rethrow_unless_cancelled(const std::exception_ptr& thrown);

}  // namespace k8s_client
