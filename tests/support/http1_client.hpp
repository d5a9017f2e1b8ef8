// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/message.hpp"
#include "tests/support/socket.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace test {

/// HTTP/1.1 client over one connection of loopback: raw bytes out, parsed replies in. Belongs to
/// one thread; every wait ends with a `Failure` after `kPatience`.
class Http1Client {
 public:
  explicit Http1Client(std::uint16_t port, const std::string& from = {})
      : socket_{connect_to_loopback(port, from)} {}

  /// One GET on the open connection, and its reply.
  Reply get(const std::string& host, const std::string& target, const Headers& extra = {});
  Reply post(const std::string& host,
             const std::string& target,
             std::string_view body,
             const Headers& extra = {});

  void send(std::string_view raw_bytes);
  /// Sends the body of a request that said `Expect: 100-continue`, once the 100 has come.
  void send_after_continue(std::string_view body);
  /// The next reply, in whole. `reset_code` is set if the connection ended inside of it. For a
  /// reply to HEAD, say so.
  Reply read_reply(bool to_head_request = false);
  /// Waits until the peer has closed; throws if bytes come instead.
  void wait_closed();
  void close() { socket_.close(); }
  void reset() { test::reset(socket_); }
  /// Bytes that came after the last reply that was read.
  [[nodiscard]] std::string_view unread() const { return buffer_; }

 private:
  bool read_more(const Deadline& deadline);
  bool read_head(Reply& reply, const Deadline& deadline);
  void read_body(Reply& reply, const Deadline& deadline);
  void read_chunks(Reply& reply, const Deadline& deadline);
  bool buffer_at_least(std::size_t n_bytes, const Deadline& deadline);
  bool take_line(std::string& line, const Deadline& deadline);

  Fd socket_;
  std::string buffer_;
};

/// The request line and headers of an HTTP/1.1 request, with the empty line.
[[nodiscard]] std::string http1_head(const std::string& method,
                                     const std::string& host,
                                     const std::string& target,
                                     const Headers& extra);

}  // namespace test
