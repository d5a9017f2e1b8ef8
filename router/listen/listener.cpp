// SPDX-License-Identifier: Apache-2.0
#include "router/listen/listener.hpp"

#include "router/telemetry/log.hpp"
#include "router/worker/keep_alive.hpp"
#include "router/worker/shortage.hpp"
#include "router/worker/unmapped.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/smart_ptr/local_shared_ptr.hpp>
#include <boost/smart_ptr/make_local_shared.hpp>
#include <fmt/format.h>

namespace router {

using boost::asio::ip::tcp;

/// A connection whose protocol is not known yet.
class Listener::Greeting : public Disposable {
 public:
  Greeting(Listener& listener,
           tcp::socket socket,
           ClientQuota::Place place,
           std::chrono::seconds timeout)
      : listener_{listener},
        socket_{std::move(socket)},
        place_{std::move(place)},
        self_{boost::make_local_shared<Greeting*>(this)} {
    listener_.loop_.arm(timer_, listener_.loop_.now() + timeout);
  }
  ~Greeting() override { *self_ = nullptr; }

  void hurry() { listener_.loop_.arm(timer_, listener_.loop_.now() + kClosingTimeout); }
  /// Reads on, or goes on writing, as soon as the socket is ready for it.
  void wait(tcp::socket::wait_type what = tcp::socket::wait_read) {
    socket_.async_wait(what, [self = self_](error_code error) {
      if (*self != nullptr) {
        (*self)->listener_.loop_.begin_turn();
        (*self)->on_ready(error);
      }
    });
  }

 protected:
  virtual void on_ready(error_code error) = 0;
  virtual void on_timeout() { give_up(); }

  void hand_over(WireProtocol protocol,
                 std::span<const std::byte> already_read,
                 std::unique_ptr<tls::Session> tls = nullptr) {
    const auto owned = release();
    listener_.events_.on_accepted({.socket = std::move(socket_),
                                   .place = std::move(place_),
                                   .tls = std::move(tls),
                                   .protocol = protocol,
                                   .already_read = already_read});
    listener_.events_.on_greeting_over();
  }

  void give_up() {
    listener_.loop_.destroy_later(release());
    listener_.events_.on_greeting_over();
  }

  Listener& listener_;
  tcp::socket socket_;

 private:
  std::unique_ptr<Greeting> release() {
    auto owned = std::move(listener_.greetings_.extract(this).mapped());
    timer_.cancel();
    return owned;
  }

  ClientQuota::Place place_;
  Timer timer_{on_timer<&Greeting::on_timeout>, this};
  /// Shared with the wait in flight, which may complete after the greeting is gone: then it holds
  /// null.
  boost::local_shared_ptr<Greeting*> self_;
};

/// Reads the first bytes of a plain connection.
class Listener::PlainGreeting final : public Greeting {
 public:
  PlainGreeting(Listener& listener, tcp::socket socket, ClientQuota::Place place)
      : Greeting{listener, std::move(socket), std::move(place), kFirstByteTimeout} {}

 private:
  static constexpr std::string_view kPreface = "PRI";

  void on_ready(error_code error) override {
    if (!error) {
      // No more than the preface tells: the connection reads the rest by itself.
      n_read_ += socket_.read_some(
          boost::asio::buffer(bytes_.data() + n_read_, bytes_.size() - n_read_), error);
    }
    if (error == boost::asio::error::would_block) {
      wait();
      return;
    }
    if (error) {
      give_up();
      return;
    }
    const auto* const text = reinterpret_cast<const char*>(bytes_.data());
    const bool may_be_h2 = kPreface.starts_with(std::string_view{text, n_read_});
    if (may_be_h2 && n_read_ < kPreface.size()) {
      wait();
      return;
    }
    hand_over(may_be_h2 ? WireProtocol::h2 : WireProtocol::http1, std::span{bytes_}.first(n_read_));
  }

  std::array<std::byte, kPreface.size()> bytes_{};
  std::size_t n_read_ = 0;
};

/// Leads a TLS handshake to its end.
class Listener::TlsGreeting final : public Greeting {
 public:
  TlsGreeting(Listener& listener, tcp::socket socket, ClientQuota::Place place)
      : Greeting{listener, std::move(socket), std::move(place), kHandshakeTimeout},
        session_{std::make_unique<tls::Session>(**listener.tls_)} {}

 private:
  void on_ready(error_code error) override {
    if (!error) {
      read(error);
    }
    if (!error || error == boost::asio::error::would_block) {
      error.clear();
      write(error);
    }
    if (error || has_failed_) {
      fail();
    } else if (!output_.empty()) {
      wait(tcp::socket::wait_write);
    } else if (!session_->is_handshake_done()) {
      wait();
    } else {
      figure(telemetry::CoreFigure::tls_handshakes).add();
      const bool is_h2 = session_->protocol() == "h2";
      const auto first_bytes = std::exchange(first_bytes_, {});
      hand_over(is_h2 ? WireProtocol::h2 : WireProtocol::http1, first_bytes, std::move(session_));
    }
  }

  void read(error_code& error) {
    const auto buffer = listener_.loop_.read_buffer();
    const std::size_t n_bytes =
        socket_.read_some(boost::asio::buffer(buffer.data(), buffer.size()), error);
    n_read_ += n_bytes;
    session_->feed(buffer.first(n_bytes));
    std::array<std::byte, tls::Session::kMaxRecordBytes> plaintext;
    for (;;) {
      const tls::Session::Read got = session_->read(plaintext, output_);
      if (got.kind != tls::Session::Read::Kind::bytes) {
        has_failed_ = got.kind != tls::Session::Read::Kind::nothing;
        break;
      }
      first_bytes_.insert(first_bytes_.end(),
                          plaintext.begin(),
                          plaintext.begin() + static_cast<std::ptrdiff_t>(got.n_bytes));
    }
    if (n_read_ > kMaxHandshakeBytes && !session_->is_handshake_done()) {
      listener_.loop_.metrics().hit(telemetry::Limit::tls_handshake);
      has_failed_ = true;
    }
  }

  void write(error_code& error) {
    const auto pending = output_.pending();
    if (!pending.empty()) {
      output_.mark_written(
          socket_.write_some(boost::asio::buffer(pending.data(), pending.size()), error));
    }
    if (error == boost::asio::error::would_block) {
      error.clear();
    }
  }

  void on_timeout() override {
    listener_.loop_.metrics().hit(telemetry::Limit::tls_handshake);
    fail();
  }

  void fail() {
    figure(telemetry::CoreFigure::tls_handshakes_failed).add();
    give_up();
  }

  telemetry::Cell& figure(telemetry::CoreFigure id) { return listener_.loop_.metrics().figure(id); }

  std::unique_ptr<tls::Session> session_;
  OutputBuffer output_;
  std::size_t n_read_ = 0;
  std::vector<std::byte> first_bytes_;  ///< came with the handshake's last
  bool has_failed_ = false;
};

Listener::Listener(Loop& loop,
                   ClientQuota& quota,
                   ListenerEvents& events,
                   const tls::ServerContextPtr* tls)
    : loop_{loop}, quota_{quota}, events_{events}, tls_{tls}, acceptor_{loop.io()} {}

Listener::~Listener() = default;

Result<tcp::endpoint> Listener::open(const tcp::endpoint& address) {
  error_code error;
  acceptor_.open(address.protocol(), error);
  if (error) {
    return error;
  }
  const int on = 1;
  ::setsockopt(acceptor_.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  acceptor_.set_option(tcp::acceptor::reuse_address{true}, error);
  if (!error && address.address().is_v6()) {
    acceptor_.set_option(boost::asio::ip::v6_only{!address.address().is_unspecified()}, error);
  }
  if (!error) {
    acceptor_.bind(address, error);
  }
  if (!error) {
    acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  }
  if (!error) {
    acceptor_.non_blocking(true, error);
  }
  if (error) {
    return error;
  }
  return acceptor_.local_endpoint();
}

void Listener::accept_next() {
  if (is_waiting_ || !acceptor_.is_open()) {
    return;
  }
  is_waiting_ = true;
  acceptor_.async_wait(tcp::acceptor::wait_read,
                       [this](error_code error) { on_acceptable(error); });
}

void Listener::on_acceptable(error_code error) {
  if (error) {
    return;  // closed: `this` may be gone
  }
  loop_.begin_turn();
  is_waiting_ = false;
  // One for each wait: with SO_REUSEPORT a greedy core would take what others are idle for.
  if (accept_one()) {
    accept_next();
  }
}

bool Listener::accept_one() {
  // Before accepting: what finds no place waits in the kernel, and is not lost.
  auto place = quota_.take();
  if (!place) {
    pause(telemetry::Limit::client_connections);
    return false;
  }
  error_code error;
  tcp::socket socket{loop_.io()};
  acceptor_.accept(socket, error);
  if (is_shortage(error)) {
    pause(telemetry::Limit::file_descriptors);
    return false;
  }
  if (error) {
    return true;  // gone before we came; accept(2) lists the ways
  }
  is_paused_ = false;
  admit(std::move(socket), *std::move(place));
  return true;
}

void Listener::pause(telemetry::Limit limit) {
  if (!std::exchange(is_paused_, true)) {
    loop_.metrics().hit(limit);
  }
  loop_.arm(pause_timer_, loop_.now() + kShortagePause);
}

void Listener::log_excess(const boost::asio::ip::address& caller) {
  if (loop_.now() >= next_log_at_) {
    next_log_at_ = loop_.now() + kLogPause;
    telemetry::log(telemetry::LogLevel::warning,
                   "listen",
                   fmt::format("{} has {} connections open and gets no more",
                               caller.to_string(),
                               ClientQuota::kMaxPerCaller));
  }
}

void Listener::admit(tcp::socket socket, ClientQuota::Place place) {
  error_code ignored;
  const auto caller = unmapped(socket.remote_endpoint(ignored).address());
  const Admission admission = place.give_to(caller);
  if (admission != Admission::taken) {
    loop_.metrics().hit(telemetry::Limit::caller_connections);
    log_excess(caller);
  }
  if (admission == Admission::closed) {
    return;
  }
  socket.non_blocking(true, ignored);
  keep_alive(socket, kClientTimeout);
  std::unique_ptr<Greeting> greeting;
  if (tls_ != nullptr) {
    greeting = std::make_unique<TlsGreeting>(*this, std::move(socket), std::move(place));
  } else {
    greeting = std::make_unique<PlainGreeting>(*this, std::move(socket), std::move(place));
  }
  Greeting* const key = greeting.get();
  greetings_.emplace(key, std::move(greeting));
  if (admission == Admission::refused) {
    key->hurry();
  }
  key->wait();
}

void Listener::resume() {
  pause_timer_.cancel();
  accept_next();
}

void Listener::close() {
  error_code error;
  while (!error && acceptor_.is_open()) {
    auto place = quota_.take();
    if (!place) {
      break;
    }
    tcp::socket socket{loop_.io()};
    acceptor_.accept(socket, error);
    if (!error) {
      admit(std::move(socket), *std::move(place));
    }
  }
  for (const auto& [key, greeting] : greetings_) {
    greeting->hurry();
  }
  pause_timer_.cancel();
  acceptor_.close(error);
}

}  // namespace router
