// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http1_upstream.hpp"

#include "tests/support/http1_client.hpp"

#include <array>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace test {

/// Reads requests from one connection until its end, or the upstream's.
class Http1Upstream::Reader {
 public:
  Reader(const Fd& socket, const Fd& stop) : socket_{socket}, stop_{stop} {}

  std::optional<Http1Request> next() {
    Http1Request request;
    taken_.clear();
    std::string line;
    if (!take_line(request.request_line)) {
      return std::nullopt;
    }
    while (take_line(line) && !line.empty()) {
      const std::size_t colon = line.find(':');
      const std::size_t value = line.find_first_not_of(' ', colon + 1);
      request.headers.push_back(
          {line.substr(0, colon), value == std::string::npos ? "" : line.substr(value)});
    }
    if (!read_body(request)) {
      return std::nullopt;
    }
    request.raw = taken_;
    return request;
  }

 private:
  bool read_body(Http1Request& request) {
    if (request.header("transfer-encoding")) {
      std::string line;
      std::size_t size = 0;
      do {
        if (!take_line(line)) {
          return false;
        }
        size = std::stoul(line, nullptr, 16);
        if (size > 0 && !(take(size, request.body) && take_line(line))) {
          return false;
        }
      } while (size > 0);
      while (take_line(line)) {
        if (line.empty()) {
          return true;
        }
      }
      return false;
    }
    const auto length = request.header("content-length");
    return !length || take(std::stoul(*length), request.body);
  }

  bool take(std::size_t size, std::string& into) {
    while (buffer_.size() < size) {
      if (!read_more()) {
        return false;
      }
    }
    into += buffer_.substr(0, size);
    taken_ += buffer_.substr(0, size);
    buffer_.erase(0, size);
    return true;
  }

  bool take_line(std::string& line) {
    std::size_t end = buffer_.find("\r\n");
    while (end == std::string::npos) {
      if (!read_more()) {
        return false;
      }
      end = buffer_.find("\r\n");
    }
    std::string with_end;
    take(end + 2, with_end);
    line = with_end.substr(0, end);
    return true;
  }

  bool read_more() {
    for (;;) {
      std::array wanted{pollfd{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                        pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
      poll(wanted.data(), wanted.size(), -1);
      if (wanted[1].revents != 0) {
        return false;
      }
      const Received received = receive_some(socket_);
      buffer_ += received.bytes;
      if (!received.bytes.empty() || received.closed) {
        return !received.closed;
      }
    }
  }

  const Fd& socket_;
  const Fd& stop_;
  std::string buffer_;
  std::string taken_;
};

Http1Answer http1_answer(int status, const std::string& body, const Headers& extra) {
  std::string raw = "HTTP/1.1 " + std::to_string(status) +
                    " Scripted\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  for (const Header& header : extra) {
    raw += header.name + ": " + header.value + "\r\n";
  }
  return {.raw = raw + "\r\n" + body};
}

Http1Upstream::Http1Upstream(Script script)
    : script_{std::move(script)},
      listener_{listen_on_loopback(0)},
      stop_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)},
      port_{local_port(listener_)},
      acceptor_{[this] { accept_until_stopped(); }} {}

Http1Upstream::Http1Upstream(const Http1Answer& answer)
    : Http1Upstream{[answer](const Http1Request&) { return answer; }} {}

Http1Upstream::~Http1Upstream() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(stop_.get(), &one, sizeof one);
  acceptor_.join();
  for (std::thread& server : servers_) {
    server.join();
  }
}

std::vector<Http1Request> Http1Upstream::requests() const {
  const std::lock_guard lock{mutex_};
  return requests_;
}

int Http1Upstream::requests_seen() const {
  const std::lock_guard lock{mutex_};
  return static_cast<int>(requests_.size());
}

int Http1Upstream::connections_seen() const {
  const std::lock_guard lock{mutex_};
  return n_connections_;
}

void Http1Upstream::accept_until_stopped() {
  for (;;) {
    std::array wanted{pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                      pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    poll(wanted.data(), wanted.size(), -1);
    if (wanted[1].revents != 0) {
      return;
    }
    Fd socket = accept_from(listener_);
    if (!socket.is_open()) {
      continue;
    }
    int number = 0;
    {
      const std::lock_guard lock{mutex_};
      number = ++n_connections_;
    }
    servers_.emplace_back([this, number, accepted = std::move(socket)]() mutable {
      serve(std::move(accepted), number);
    });
  }
}

void Http1Upstream::serve(Fd socket, int number) {
  Reader reader{socket, stop_};
  while (auto request = reader.next()) {
    request->connection = number;
    const Http1Answer answer = script_(*request);
    {
      const std::lock_guard lock{mutex_};
      requests_.push_back(*std::move(request));
    }
    try {
      send_all(socket, answer.raw, Deadline{"the router to take a reply"});
    } catch (const Failure&) {
      return;  // the router went away, which tests see from its side
    }
    if (answer.then_close) {
      return;
    }
  }
}

}  // namespace test
