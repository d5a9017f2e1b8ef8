// SPDX-License-Identifier: Apache-2.0
#include "router/listen/listener.hpp"

#include "router/worker/keep_alive.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/smart_ptr/local_shared_ptr.hpp>
#include <boost/smart_ptr/make_local_shared.hpp>

namespace router {

using boost::asio::ip::tcp;

/// A connection whose protocol is not known yet.
class Listener::Greeting final : public Disposable {
 public:
  Greeting(Listener& listener, tcp::socket socket)
      : listener_{listener},
        socket_{std::move(socket)},
        self_{boost::make_local_shared<Greeting*>(this)} {
    listener_.loop_.arm(timer_, listener_.loop_.now() + kFirstByteTimeout);
    wait();
  }
  ~Greeting() override { *self_ = nullptr; }

  void hurry() { listener_.loop_.arm(timer_, listener_.loop_.now() + kClosingTimeout); }

 private:
  static constexpr std::string_view kPreface = "PRI";

  void wait() {
    socket_.async_wait(tcp::socket::wait_read, [self = self_](error_code error) {
      if (*self != nullptr) {
        (*self)->listener_.loop_.begin_turn();
        (*self)->on_readable(error);
      }
    });
  }

  void on_readable(error_code error) {
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
      on_timeout();
      return;
    }
    const auto* const text = reinterpret_cast<const char*>(bytes_.data());
    const bool may_be_h2 = kPreface.starts_with(std::string_view{text, n_read_});
    if (may_be_h2 && n_read_ < kPreface.size()) {
      wait();
      return;
    }
    const auto owned = release();
    listener_.events_.on_accepted(std::move(socket_),
                                  may_be_h2 ? WireProtocol::h2 : WireProtocol::http1,
                                  std::span{bytes_}.first(n_read_));
    listener_.events_.on_greeting_over();
  }

  void on_timeout() {
    listener_.loop_.destroy_later(release());
    listener_.events_.on_greeting_over();
  }

  std::unique_ptr<Greeting> release() {
    auto owned = std::move(listener_.greetings_.extract(this).mapped());
    timer_.cancel();
    return owned;
  }

  Listener& listener_;
  tcp::socket socket_;
  std::array<std::byte, kPreface.size()> bytes_{};
  std::size_t n_read_ = 0;
  Timer timer_{on_timer<&Greeting::on_timeout>, this};
  /// Shared with the wait in flight, which may complete after the greeting is gone: then it holds
  /// null.
  boost::local_shared_ptr<Greeting*> self_;
};

Listener::Listener(Loop& loop, ListenerEvents& events)
    : loop_{loop}, events_{events}, acceptor_{loop.io()} {}

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
  if (is_waiting_ || !acceptor_.is_open() || !events_.has_room()) {
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
  error_code error;
  tcp::socket socket{loop_.io()};
  acceptor_.accept(socket, error);
  if (error == boost::asio::error::would_block || error == boost::asio::error::connection_aborted) {
    return true;  // gone before we came
  }
  if (error) {
    loop_.arm(pause_timer_, loop_.now() + kAcceptPause);
    return false;
  }
  greet(std::move(socket));
  return true;
}

void Listener::greet(tcp::socket socket) {
  error_code ignored;
  socket.non_blocking(true, ignored);
  keep_alive(socket);
  auto greeting = std::make_unique<Greeting>(*this, std::move(socket));
  Greeting* const key = greeting.get();
  greetings_.emplace(key, std::move(greeting));
}

void Listener::resume() {
  accept_next();
}

void Listener::close() {
  error_code error;
  while (!error && acceptor_.is_open()) {
    tcp::socket socket{loop_.io()};
    acceptor_.accept(socket, error);
    if (!error) {
      greet(std::move(socket));
    }
  }
  for (const auto& [key, greeting] : greetings_) {
    greeting->hurry();
  }
  pause_timer_.cancel();
  acceptor_.close(error);
}

}  // namespace router
