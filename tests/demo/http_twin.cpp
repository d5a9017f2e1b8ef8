// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/http_twin.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace demo {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

tcp::endpoint endpoint_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  error_code failed;
  const auto ip =
      asio::ip::make_address(colon == std::string::npos ? "" : address.substr(0, colon), failed);
  if (failed) {
    throw std::runtime_error{address + ": not ADDR:PORT"};
  }
  return {ip, static_cast<std::uint16_t>(std::stoul(address.substr(colon + 1)))};
}

std::string text_of(const tcp::endpoint& endpoint) {
  return endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

}  // namespace

/// The listening socket and what is known of the open connections.
class HttpTwin::Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(const std::string& address, std::string pod, Respond respond)
      : pod_{std::move(pod)}, respond_{std::move(respond)} {
    const tcp::endpoint wanted = endpoint_of(address);
    try {
      acceptor_.open(wanted.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address{true});
      acceptor_.bind(wanted);
      acceptor_.listen();
    } catch (const boost::system::system_error& error) {
      throw std::runtime_error{"cannot listen on " + address + ": " + error.code().message()};
    }
    address_ = text_of(acceptor_.local_endpoint());
  }

  void start() {
    acceptor_thread_ = std::thread{[this] { accept(); }};
  }

  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  void stop_accepting() {
    {
      const std::lock_guard lock{mutex_};
      if (std::exchange(draining_, true)) {
        return;
      }
    }
    // Wakes the blocked accept, which closing the socket would not.
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    acceptor_thread_.join();
    acceptor_.close();
  }

  void wait_until_quiet(std::chrono::milliseconds quiet, std::chrono::milliseconds limit) {
    const Clock::time_point until = Clock::now() + limit;
    std::unique_lock lock{mutex_};
    last_request_ = Clock::now();
    while (!open_.empty() && Clock::now() < until) {
      if (busy_ == 0 && Clock::now() >= last_request_ + quiet) {
        break;
      }
      changed_.wait_for(lock, quiet);
    }
  }

  void close_all() {
    std::unique_lock lock{mutex_};
    for (tcp::socket* socket : open_) {
      error_code ignored;
      socket->shutdown(tcp::socket::shutdown_receive, ignored);  // its thread reads the end
    }
    changed_.wait_for(lock, std::chrono::seconds{1}, [this] { return open_.empty(); });
  }

 private:
  void accept() {
    for (;;) {
      error_code failed;
      tcp::socket socket{loop_};
      acceptor_.accept(socket, failed);
      const std::lock_guard lock{mutex_};
      if (draining_) {
        return;
      }
      if (!failed) {
        std::thread{[self = shared_from_this()](tcp::socket taken) { self->serve(taken); },
                    std::move(socket)}
            .detach();
      }
    }
  }

  void serve(tcp::socket& socket) {
    error_code failed;
    socket.set_option(tcp::no_delay{true}, failed);
    {
      const std::lock_guard lock{mutex_};
      open_.insert(&socket);
    }
    boost::beast::flat_buffer buffer;
    bool keep = true;
    while (keep && !failed) {
      http::request<http::string_body> request;
      http::read(socket, buffer, request, failed);
      if (!failed) {
        keep = answer(socket, request, failed);
      }
    }
    const std::lock_guard lock{mutex_};
    open_.erase(&socket);
    changed_.notify_all();
  }

  /// Whether the connection is kept.
  bool answer(tcp::socket& socket,
              const http::request<http::string_body>& request,
              error_code& failed) {
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): Beast moves it into its parser and back
    bool keep = request.keep_alive();
    {
      const std::lock_guard lock{mutex_};
      ++busy_;
    }
    HttpReply reply = respond_({.host = std::string{request[http::field::host]},
                                .target = std::string{request.target()},
                                .body = request.body()});
    {
      const std::lock_guard lock{mutex_};
      keep = keep && !draining_;
    }
    http::response<http::string_body> response{http::int_to_status(reply.status),
                                               request.version()};
    response.set(http::field::content_type, "application/json");
    response.set("x-pod", pod_);
    response.keep_alive(keep);
    response.body() = std::move(reply.json);
    response.prepare_payload();
    http::write(socket, response, failed);
    const std::lock_guard lock{mutex_};
    --busy_;
    last_request_ = Clock::now();
    changed_.notify_all();
    return keep;
  }

  const std::string pod_;
  const Respond respond_;
  asio::io_context loop_{1};
  tcp::acceptor acceptor_{loop_};
  std::string address_;
  std::thread acceptor_thread_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::set<tcp::socket*> open_;
  int busy_ = 0;  // connections whose request is being answered
  Clock::time_point last_request_;
  bool draining_ = false;
};

HttpTwin::HttpTwin(const std::string& address, std::string pod, Respond respond)
    : listener_{std::make_shared<Listener>(address, std::move(pod), std::move(respond))} {
  listener_->start();
}

// NOLINTNEXTLINE(bugprone-exception-escape): a mutex or a thread that fails here ends the process
HttpTwin::~HttpTwin() {
  listener_->stop_accepting();
  listener_->close_all();
}

const std::string& HttpTwin::address() const noexcept {
  return listener_->address();
}

void HttpTwin::drain(std::chrono::milliseconds quiet, std::chrono::milliseconds limit) {
  listener_->stop_accepting();
  listener_->wait_until_quiet(quiet, limit);
  listener_->close_all();
}

}  // namespace demo
