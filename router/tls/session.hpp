// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/output_buffer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <openssl/ssl.h>

namespace router::tls {

class ServerContext;

/// Server side of one TLS connection, without I/O: ciphertext in by `feed`, plaintext out by
/// `read`, the reverse by `write`. What it has to send goes to the buffer that each call is given.
///
///     handshake --> open --> ended | failed
///
/// Belongs to one core. Not movable: OpenSSL holds a pointer to it. Source: RFC 8446, RFC 5246.
class Session {
 public:
  /// Plaintext of the largest record: RFC 8446 section 5.1.
  static constexpr std::size_t kMaxRecordBytes = 16 * std::size_t{1024};

  /// Takes a reference of its own to what it needs of `context`.
  explicit Session(const ServerContext& context);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() = default;

  /// What one `read` gave.
  struct Read {
    enum class Kind : std::uint8_t {
      bytes,    ///< `n_bytes` of plaintext; there may be more
      nothing,  ///< all that was fed has been used up
      ended,    ///< the peer has sent its last byte (close_notify)
      failed,   ///< not TLS, or not one that we take; an alert may say so to the peer
    };
    Kind kind = Kind::nothing;
    std::size_t n_bytes = 0;
  };

  /// Bytes from the peer. They must live until `read` has answered anything but `bytes`.
  void feed(std::span<const std::byte> ciphertext) noexcept { input_ = ciphertext; }
  /// Goes on with the handshake, then decrypts into `plaintext`.
  [[nodiscard]] Read read(std::span<std::byte> plaintext, OutputBuffer& out);
  /// Encrypts all of it. The handshake must be done; ignored once the session has failed.
  void write(std::span<const std::byte> plaintext, OutputBuffer& out);
  /// Says that nothing more will be written (close_notify). Repeated: nothing.
  void end(OutputBuffer& out);

  [[nodiscard]] bool is_handshake_done() const noexcept;
  /// The protocol that ALPN has chosen, `h2` or `http/1.1`; empty if the client does not use ALPN.
  [[nodiscard]] std::string_view protocol() const noexcept;

 private:
  struct Deleter {
    void operator()(SSL* session) const noexcept { SSL_free(session); }
  };
  struct Callbacks;  // C entry points; all noexcept, since no exception may cross OpenSSL

  std::span<const std::byte> input_;
  OutputBuffer* output_ = nullptr;  ///< of the call that is being made
  std::unique_ptr<SSL, Deleter> session_;
};

}  // namespace router::tls
