// SPDX-License-Identifier: Apache-2.0
#include "router/tls/session.hpp"

#include "router/tls/server_context.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>

namespace router::tls {

/// The session as OpenSSL sees it: a stream that is read from what was fed, and written to the
/// buffer of the call.
struct Session::Callbacks {
  static Session& self(BIO* stream) noexcept {
    return *static_cast<Session*>(BIO_get_data(stream));
  }

  static int read(BIO* stream, char* into, std::size_t size, std::size_t* n_read) noexcept {
    auto& input = self(stream).input_;
    BIO_clear_retry_flags(stream);
    *n_read = std::min(size, input.size());
    if (*n_read == 0) {
      BIO_set_retry_read(stream);
      return 0;
    }
    std::memcpy(into, input.data(), *n_read);
    input = input.subspan(*n_read);
    return 1;
  }

  static int write(BIO* stream,
                   const char* from,
                   std::size_t size,
                   std::size_t* n_written) noexcept {
    self(stream).output_->append(std::as_bytes(std::span{from, size}));
    *n_written = size;
    return 1;
  }

  static long control(BIO* /*stream*/, int command, long /*number*/, void* /*argument*/) noexcept {
    return command == BIO_CTRL_FLUSH ? 1 : 0;  // the buffer is written by whoever has given it
  }

  struct MethodDeleter {
    void operator()(BIO_METHOD* method) const noexcept { BIO_meth_free(method); }
  };

  static BIO* make_stream(Session& session) {
    static const std::unique_ptr<BIO_METHOD, MethodDeleter> kMethod = [] {
      std::unique_ptr<BIO_METHOD, MethodDeleter> method{
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nodeway")};
      BIO_meth_set_read_ex(method.get(), read);
      BIO_meth_set_write_ex(method.get(), write);
      BIO_meth_set_ctrl(method.get(), control);
      return method;
    }();
    BIO* const stream = BIO_new(kMethod.get());
    if (stream == nullptr) {
      throw std::bad_alloc{};
    }
    BIO_set_data(stream, &session);
    BIO_set_init(stream, 1);
    return stream;
  }
};

Session::Session(const ServerContext& context) : session_{SSL_new(context.native())} {
  if (!session_) {
    throw std::bad_alloc{};  // its only failure; not survivable, see docs/errors.md
  }
  BIO* const stream = Callbacks::make_stream(*this);
  SSL_set_bio(session_.get(), stream, stream);  // owns it from now on
  SSL_set_accept_state(session_.get());
}

Session::Read Session::read(std::span<std::byte> plaintext, OutputBuffer& out) {
  output_ = &out;
  ERR_clear_error();  // of this thread: another session may have left something
  std::size_t n_bytes = 0;
  const int done = SSL_read_ex(session_.get(), plaintext.data(), plaintext.size(), &n_bytes);
  if (done == 1) {
    return {Read::Kind::bytes, n_bytes};
  }
  switch (SSL_get_error(session_.get(), done)) {
    case SSL_ERROR_WANT_READ:
      return {Read::Kind::nothing, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Read::Kind::ended, 0};
    default:
      return {Read::Kind::failed, 0};
  }
}

void Session::write(std::span<const std::byte> plaintext, OutputBuffer& out) {
  if (plaintext.empty()) {
    return;
  }
  output_ = &out;
  ERR_clear_error();
  std::size_t n_written = 0;
  // All or nothing, since the stream takes all. It fails after a failure only, which `read` tells.
  static_cast<void>(SSL_write_ex(session_.get(), plaintext.data(), plaintext.size(), &n_written));
}

void Session::end(OutputBuffer& out) {
  if ((SSL_get_shutdown(session_.get()) & SSL_SENT_SHUTDOWN) == 0) {
    output_ = &out;
    ERR_clear_error();
    static_cast<void>(SSL_shutdown(session_.get()));
  }
}

bool Session::is_handshake_done() const noexcept {
  return SSL_is_init_finished(session_.get()) == 1;
}

std::string_view Session::protocol() const noexcept {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(session_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace router::tls
