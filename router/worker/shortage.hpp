// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"

#include <chrono>

#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>

namespace router {

/// Whether a socket could not be had for want of file descriptors or of the kernel's memory: that
/// says nothing of the peer, and passes. Source: accept(2), socket(2).
[[nodiscard]] inline bool is_shortage(const error_code& error) noexcept {
  return error == boost::asio::error::no_descriptors || error == boost::asio::error::no_memory ||
         error == boost::asio::error::no_buffer_space ||
         error == boost::system::errc::too_many_files_open_in_system;
}

/// Until the next try. Nobody tells when something elsewhere in the process has been closed.
inline constexpr std::chrono::milliseconds kShortagePause{100};

}  // namespace router
