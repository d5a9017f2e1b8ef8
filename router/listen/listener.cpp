// SPDX-License-Identifier: Apache-2.0
#include "router/listen/listener.hpp"

#include "router/telemetry/log.hpp"
#include "router/worker/keep_alive.hpp"
#include "router/worker/shortage.hpp"
#include "router/worker/transport.hpp"

#include <algorithm>
#include <array>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace router {

using boost::asio::ip::tcp;

/// A connection whose protocol is not known yet.
class Listener::Greeting : public Disposable, private Pollable {
 public:
  Greeting(Listener& listener,
           Socket socket,
           ClientQuota::Place place,
           std::chrono::seconds timeout)
      : listener_{listener}, socket_{std::move(socket)}, place_{std::move(place)} {
    listener_.loop_.arm(timer_, listener_.loop_.now() + timeout);
    wait_to_read();
  }
  ~Greeting() override { listener_.loop_.poller().forget(*this); }

  void hurry() { listener_.loop_.arm(timer_, listener_.loop_.now() + kClosingTimeout); }

 protected:
  /// It can do what it waits for.
  virtual void go_on() = 0;
  virtual void on_timeout() { give_up(); }

  void wait_to_read() { watch(true, false); }
  void wait_to_write() { watch(false, true); }

  void hand_over(WireProtocol protocol,
                 std::span<const std::byte> already_read,
                 std::unique_ptr<tls::Session> tls = nullptr) {
    const auto owned = release();
    watch(false, false);
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
  Socket socket_;

 private:
  void on_ready(bool /*readable*/, bool /*writable*/) override { go_on(); }
  void watch(bool to_read, bool to_write) {
    listener_.loop_.poller().watch(socket_.number(), *this, to_read, to_write);
  }
  std::unique_ptr<Greeting> release() {
    auto owned = std::move(listener_.greetings_.extract(this).mapped());
    timer_.cancel();
    return owned;
  }

  ClientQuota::Place place_;
  Timer timer_{on_timer<&Greeting::on_timeout>, this};
};

/// Reads the first bytes of a plain connection.
class Listener::PlainGreeting final : public Greeting {
 public:
  PlainGreeting(Listener& listener, Socket socket, ClientQuota::Place place)
      : Greeting{listener, std::move(socket), std::move(place), kFirstByteTimeout} {}

 private:
  static constexpr std::string_view kPreface = "PRI";

  void go_on() override {
    // No more than the preface tells: the connection reads the rest by itself.
    const auto n_bytes = socket_.read(std::span{bytes_}.subspan(n_read_));
    if (n_bytes.has_error() && is_not_ready(n_bytes.error())) {
      return;
    }
    if (n_bytes.has_error() || *n_bytes == 0) {
      give_up();
      return;
    }
    n_read_ += *n_bytes;
    const auto* const text = reinterpret_cast<const char*>(bytes_.data());
    const bool may_be_h2 = kPreface.starts_with(std::string_view{text, n_read_});
    if (may_be_h2 && n_read_ < kPreface.size()) {
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
  TlsGreeting(Listener& listener, Socket socket, ClientQuota::Place place)
      : Greeting{listener, std::move(socket), std::move(place), kHandshakeTimeout},
        session_{std::make_unique<tls::Session>(**listener.tls_)} {}

 private:
  void go_on() override {
    read();
    write();
    if (has_failed_) {
      fail();
    } else if (!output_.empty()) {
      wait_to_write();
    } else if (!session_->is_handshake_done()) {
      wait_to_read();
    } else {
      figure(telemetry::CoreFigure::tls_handshakes).add();
      const bool is_h2 = session_->protocol() == "h2";
      const auto first_bytes = std::exchange(first_bytes_, {});
      hand_over(is_h2 ? WireProtocol::h2 : WireProtocol::http1, first_bytes, std::move(session_));
    }
  }

  void read() {
    const auto buffer = listener_.loop_.read_buffer();
    const auto n_bytes = socket_.read(buffer);
    if (n_bytes.has_error() || *n_bytes == 0) {
      has_failed_ = n_bytes.has_value() || !is_not_ready(n_bytes.error());
      return;
    }
    n_read_ += *n_bytes;
    session_->feed(buffer.first(*n_bytes));
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

  void write() {
    if (output_.empty()) {
      return;
    }
    const auto n_bytes = socket_.write(output_.pending());
    if (n_bytes) {
      output_.mark_written(*n_bytes);
    } else if (!is_not_ready(n_bytes.error())) {
      has_failed_ = true;
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
    : loop_{loop}, quota_{quota}, events_{events}, tls_{tls} {}

Listener::~Listener() {
  loop_.poller().forget(*this);
}

Result<tcp::endpoint> Listener::open(const tcp::endpoint& address) {
  auto opened = Socket::open(address.protocol());
  if (opened.has_error()) {
    return opened.error();
  }
  socket_ = std::move(*opened);
  error_code error = socket_.set_option(SOL_SOCKET, SO_REUSEPORT, 1);
  if (!error) {
    error = socket_.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
  }
  if (!error && address.address().is_v6()) {
    error =
        socket_.set_option(IPPROTO_IPV6, IPV6_V6ONLY, address.address().is_unspecified() ? 0 : 1);
  }
  if (!error) {
    error = socket_.listen(address);
  }
  if (error) {
    return error;
  }
  return socket_.address();
}

bool Listener::accept_one() {
  // Before accepting: what finds no place waits in the kernel, and is not lost.
  auto place = quota_.take();
  if (!place) {
    pause(telemetry::Limit::client_connections);
    return false;
  }
  auto accepted = socket_.accept();
  if (accepted.has_error() && is_shortage(accepted.error())) {
    pause(telemetry::Limit::file_descriptors);
    return false;
  }
  if (accepted.has_error()) {
    return false;  // gone before we came; accept(2) lists the ways
  }
  is_paused_ = false;
  admit(std::move(*accepted), *std::move(place));
  return true;
}

void Listener::pause(telemetry::Limit limit) {
  if (!std::exchange(is_paused_, true)) {
    loop_.metrics().hit(limit);
  }
  watch(false);
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

void Listener::admit(Socket socket, ClientQuota::Place place) {
  const auto caller = socket.peer();
  const Admission admission = place.give_to(caller);
  if (admission != Admission::taken) {
    loop_.metrics().hit(telemetry::Limit::caller_connections);
    log_excess(caller);
  }
  if (admission == Admission::closed) {
    return;
  }
  // What the kernel has taken of a write counts as well as what waits for it.
  keep_alive(socket, Transport::kWriteStall);
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
}

void Listener::resume() {
  pause_timer_.cancel();
  if (socket_.is_open()) {
    watch(true);
  }
}

void Listener::close() {
  while (socket_.is_open() && accept_one()) {
  }
  for (const auto& [key, greeting] : greetings_) {
    greeting->hurry();
  }
  pause_timer_.cancel();
  loop_.poller().forget(*this);
  socket_.close();
}

}  // namespace router
