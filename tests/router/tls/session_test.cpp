// SPDX-License-Identifier: Apache-2.0
#include "router/tls/session.hpp"

#include "router/tls/server_context.hpp"
#include "tests/k8s_client/certificates.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

using router::OutputBuffer;
using router::tls::ServerContext;
using router::tls::ServerContextPtr;
using router::tls::Session;
using Kind = Session::Read::Kind;

namespace {

ServerContextPtr context() {
  static const ServerContextPtr kMade = [] {
    const test::Certificates certificates;
    const auto text_of = [&](const char* name) {
      std::ifstream in{certificates.file(name)};
      return std::string{std::istreambuf_iterator<char>{in}, {}};
    };
    return std::get<ServerContextPtr>(
        ServerContext::make(text_of("server.pem"), text_of("server.key")));
  }();
  return kMade;
}

/// OpenSSL's own client, with its input and output in memory.
class Client {
 public:
  Client() {
    SSL_set_bio(session_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(session_.get());
  }

  void take(OutputBuffer& bytes) {
    const auto pending = bytes.pending();
    BIO_write(SSL_get_rbio(session_.get()), pending.data(), static_cast<int>(pending.size()));
    bytes.mark_written(pending.size());
    read();
  }
  void send(const std::string& text) {
    REQUIRE(SSL_write(session_.get(), text.data(), static_cast<int>(text.size())) ==
            static_cast<int>(text.size()));
  }
  void end() { SSL_shutdown(session_.get()); }
  /// Goes on as far as its input reaches; what it has to send.
  std::string output() {
    read();
    std::string bytes;
    std::array<char, 4096> piece;
    for (int n = 0; (n = BIO_read(SSL_get_wbio(session_.get()), piece.data(), piece.size())) > 0;) {
      bytes.append(piece.data(), static_cast<std::size_t>(n));
    }
    return bytes;
  }

  std::string received;
  bool has_ended = false;

 private:
  void read() {
    std::array<char, 4096> piece;
    int n = 0;
    while ((n = SSL_read(session_.get(), piece.data(), piece.size())) > 0) {
      received.append(piece.data(), static_cast<std::size_t>(n));
    }
    has_ended = SSL_get_error(session_.get(), n) == SSL_ERROR_ZERO_RETURN;
  }

  struct Deleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* session) const { SSL_free(session); }
  };
  std::unique_ptr<SSL_CTX, Deleter> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, Deleter> session_{SSL_new(context_.get())};
};

/// A session and its client.
struct Link {
  Session session{*context()};
  Client client;
  std::string received;  ///< by the session

  /// Hands `bytes` to the session in pieces; how the last `read` ended.
  Kind feed(const std::string& bytes, std::size_t piece_bytes) {
    Kind kind = Kind::nothing;
    for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
      session.feed(
          std::as_bytes(std::span{bytes}.subspan(at, std::min(piece_bytes, bytes.size() - at))));
      std::array<std::byte, 1000> plaintext;
      for (;;) {
        const Session::Read got = session.read(plaintext, out);
        kind = got.kind;
        if (kind != Kind::bytes) {
          break;
        }
        received.append(reinterpret_cast<const char*>(plaintext.data()), got.n_bytes);
      }
    }
    return kind;
  }
  void shake_hands(std::size_t piece_bytes) {
    for (int round = 0; round < 3; ++round) {
      feed(client.output(), piece_bytes);
      client.take(out);
    }
    REQUIRE(session.is_handshake_done());
  }

  OutputBuffer out;
};

}  // namespace

TEST_CASE("Session: a handshake and what follows it may be cut anywhere", "[tls]") {
  const auto piece_bytes = GENERATE(1U, 2U, 5U, 100U, 65536U);
  CAPTURE(piece_bytes);
  const std::string large(100'000, 'x');
  Link link;

  link.shake_hands(piece_bytes);
  link.client.send("hello");
  link.client.send(large);
  const Kind kind = link.feed(link.client.output(), piece_bytes);
  link.session.write(std::as_bytes(std::span{large}), link.out);
  link.client.take(link.out);

  CHECK(kind == Kind::nothing);
  CHECK(link.received == "hello" + large);
  CHECK(link.client.received == large);
}

TEST_CASE("Session: both ends are told of each other", "[tls]") {
  Link link;
  link.shake_hands(65536);

  link.session.end(link.out);
  link.session.end(link.out);  // once is enough
  link.client.take(link.out);
  CHECK(link.client.has_ended);

  link.client.end();
  CHECK(link.feed(link.client.output(), 65536) == Kind::ended);
}

TEST_CASE("Session: what is no TLS, or was changed on its way, fails", "[tls]") {
  Link link;

  SECTION("plain text instead of a handshake") {
    CHECK(link.feed("GET / HTTP/1.1\r\n\r\n", 65536) == Kind::failed);
  }
  SECTION("a record with a bit changed") {
    link.shake_hands(65536);
    link.client.send("hello");
    std::string record = link.client.output();
    record.back() = static_cast<char>(record.back() ^ 1);

    CHECK(link.feed(record, 65536) == Kind::failed);
    CHECK(link.received.empty());
    CHECK_FALSE(link.out.empty());
  }
}
