// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/cancellation.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace k8s_client {

void rethrow_unless_cancelled(const std::exception_ptr& thrown) {
  if (!thrown) {
    return;
  }
  try {
    std::rethrow_exception(thrown);
  } catch (const boost::system::system_error& ended) {
    if (ended.code() != boost::asio::error::operation_aborted) {
      throw;
    }
  }
}

}  // namespace k8s_client
