// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/errc.hpp"

#include <utility>
#include <variant>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace k8s_client {

/// The result of `work`, or the failure `late` if it takes longer than `limit`; `work` is cancelled
/// then.
template <class T>
[[nodiscard]] boost::asio::awaitable<Result<T>> within(Clock& clock,
                                                       Clock::Duration limit,
                                                       Failure late,
                                                       boost::asio::awaitable<Result<T>> work) {
  using boost::asio::experimental::awaitable_operators::operator||;
  std::variant<Result<T>, std::monostate> first =
      co_await (std::move(work) || clock.sleep_for(limit));
  if (Result<T>* done = std::get_if<Result<T>>(&first)) {
    co_return std::move(*done);
  }
  co_return std::move(late);
}

}  // namespace k8s_client
