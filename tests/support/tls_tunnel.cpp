// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_tunnel.hpp"

#include "tests/support/deadline.hpp"

#include <array>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace test {

namespace asio = boost::asio;
using asio::ip::tcp;

class TlsTunnel::State {
 public:
  explicit State(const Options& options) {
    context_.load_verify_file(options.ca);
    stream_.set_verify_mode(asio::ssl::verify_peer);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(native()), "127.0.0.1");
    if (!options.alpn.empty()) {
      const std::string offered = static_cast<char>(options.alpn.size()) + options.alpn;
      SSL_set_alpn_protos(native(),
                          reinterpret_cast<const unsigned char*>(offered.data()),
                          static_cast<unsigned int>(offered.size()));
    }
    if (options.tls_version != 0) {
      SSL_set_security_level(native(), 0);  // else it would not offer the old ones
      SSL_set_min_proto_version(native(), options.tls_version);
      SSL_set_max_proto_version(native(), options.tls_version);
    }
    stream_.next_layer().connect({asio::ip::address_v4::loopback(), options.router_port});
    boost::system::error_code refused;
    stream_.handshake(asio::ssl::stream_base::client, refused);
    if (refused) {
      throw Failure{"TLS: " + refused.message()};
    }
    asio::co_spawn(loop_, lend(), asio::detached);
    thread_ = std::thread{[this] { loop_.run(); }};
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    loop_.stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  [[nodiscard]] SSL* native() { return stream_.native_handle(); }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  static constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

  asio::awaitable<void> lend() {
    client_ = co_await acceptor_.async_accept(asio::use_awaitable);
    asio::co_spawn(loop_, encrypt(), asio::detached);
    co_await decrypt();
  }

  asio::awaitable<void> encrypt() {
    co_await pump(client_, stream_);
    co_await stream_.async_shutdown(kAsTuple);
    stream_.next_layer().close();
  }

  asio::awaitable<void> decrypt() {
    co_await pump(stream_, client_);
    boost::system::error_code ignored;
    client_.shutdown(tcp::socket::shutdown_send, ignored);
  }

  /// Until either ends.
  template <class From, class To>
  static asio::awaitable<void> pump(From& from, To& to) {
    std::array<char, std::size_t{64} * 1024> buffer;
    for (;;) {
      const auto [ended, n_bytes] = co_await from.async_read_some(asio::buffer(buffer), kAsTuple);
      if (ended) {
        co_return;
      }
      const auto [gone, n_written] =
          co_await asio::async_write(to, asio::buffer(buffer.data(), n_bytes), kAsTuple);
      if (gone) {
        co_return;
      }
    }
  }

  asio::io_context loop_{1};
  asio::ssl::context context_{asio::ssl::context::tls_client};
  asio::ssl::stream<tcp::socket> stream_{loop_, context_};
  tcp::acceptor acceptor_{loop_, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
  tcp::socket client_{loop_};
  std::thread thread_;  ///< last: it uses the others
};

TlsTunnel::TlsTunnel(const Options& options) : state_{std::make_unique<State>(options)} {}

TlsTunnel::~TlsTunnel() = default;

std::uint16_t TlsTunnel::port() const {
  return state_->port();
}

std::string TlsTunnel::protocol() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(state_->native(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsTunnel::tls_version() const {
  return SSL_get_version(state_->native());
}

std::string TlsTunnel::issuer() const {
  X509* const certificate = SSL_get0_peer_certificate(state_->native());
  std::array<char, 256> name{};
  X509_NAME_oneline(X509_get_issuer_name(certificate), name.data(), name.size());
  return name.data();
}

}  // namespace test
