// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"
#include "router/exchange/stream.hpp"
#include "router/resolve/resolve.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/caller_share.hpp"
#include "router/worker/loop.hpp"
#include "router/worker/socket.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace router {

/// An HTTP/1.1 connection that has become an HTTP/2 one: RFC 7540 section 3.2.
struct SwitchedConnection {
  Socket socket;                        ///< 101 has been written to it
  RequestHead head;                     ///< the request, which is stream 1, and has no body
  std::string settings;                 ///< payload of the client's SETTINGS
  std::vector<std::byte> already_read;  ///< what came behind the request
};

/// What a client's connection needs of its core: somebody to take its requests and, at its end,
/// itself.
class RequestAcceptor {
 public:
  /// Begins an exchange for a request whose head is complete. The answer takes the stream's further
  /// events, and may have called `stream.send_head` already. With `end` there is no body.
  /// `protocol` is http1 or h2.
  [[nodiscard]] virtual ClientEvents& begin(ClientStream& stream,
                                            RequestHead head,
                                            bool end,
                                            CallerProtocol protocol) = 0;
  /// Of the caller that the connection comes from; null: what it sends has no limit.
  [[nodiscard]] virtual CallerShare* share() noexcept { return nullptr; }
  /// Counts a request that was answered by its connection, because it could not be read.
  virtual void on_unreadable_request(Errc reason) = 0;
  /// The connection goes on as `switched`, and wants to be destroyed itself, at the end of this
  /// turn.
  virtual void on_switched_to_h2(Disposable& connection, SwitchedConnection switched) = 0;
  /// The connection is over and wants to be destroyed, at the end of this turn.
  virtual void on_connection_closed(Disposable& connection) = 0;

 protected:
  ~RequestAcceptor() = default;
};

/// A client's connection, in whatever protocol, as its core sees it.
class ClientConnection : public Disposable {
 public:
  /// Takes no new requests, lets open ones end, then closes (`on_connection_closed` follows).
  virtual void drain() = 0;
};

}  // namespace router
