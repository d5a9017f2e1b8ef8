// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/api_call.hpp"

#include <cstddef>

namespace k8s_client {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxReplyBytes = std::size_t{4} << 20;  // thrice the largest object

}  // namespace

asio::awaitable<Result<std::string>> call_api(ApiConnection& connection,
                                              const ApiRequest& request) {
  const Result<void> sent = co_await connection.send(request);
  if (!sent) {
    co_return sent.error();
  }
  std::string text;
  for (;;) {
    const Result<std::string> part = co_await connection.read_some_in_time();
    if (!part) {
      co_return part.error();
    }
    if (part->empty()) {
      co_return text;
    }
    text += *part;
    if (text.size() > kMaxReplyBytes) {
      connection.close();
      co_return Failure{Errc::too_large, "reply: above 4 MiB"};
    }
  }
}

}  // namespace k8s_client
