// SPDX-License-Identifier: Apache-2.0
#include "router/admin/http_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <netdb.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace router::admin {
namespace {

constexpr int kBacklog =
    1024;  // cpp-httplib's own is 5: a burst would wait a second for its SYN to be sent again

/// Threads made when a task finds none idle, up to a bound; further tasks wait. Where the system
/// has no thread to give, the oldest connection is shut down so that one becomes free.
class GrowingThreads final : public httplib::TaskQueue {
 public:
  /// `connections` must outlive the queue.
  GrowingThreads(std::size_t max_threads, Connections& connections)
      : max_threads_{max_threads}, connections_{connections} {}

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock{mutex_};
    const bool is_thread_wanted = tasks_.size() >= n_idle_ && threads_.size() < max_threads_;
    if (is_thread_wanted && !add_thread()) {
      if (threads_.empty()) {
        lock.unlock();
        task();  // on the thread that accepts: slow, but an answer
        return;
      }
      connections_.evict_oldest();
    }
    tasks_.push_back(std::move(task));
    has_task_.notify_one();
  }

  void shutdown() override {
    {
      const std::lock_guard lock{mutex_};
      is_ending_ = true;
    }
    has_task_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

 private:
  [[nodiscard]] bool add_thread() {
    try {
      threads_.emplace_back([this] { work(); });
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }

  void work() {
    std::unique_lock lock{mutex_};
    for (;;) {
      ++n_idle_;
      has_task_.wait(lock, [this] { return is_ending_ || !tasks_.empty(); });
      --n_idle_;
      if (tasks_.empty()) {
        return;
      }
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  const std::size_t max_threads_;
  Connections& connections_;
  std::mutex mutex_;
  std::condition_variable has_task_;
  bool is_ending_ = false;
  std::size_t n_idle_ = 0;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
};

std::pair<std::string, int> name_of(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const int failed = ::getnameinfo(reinterpret_cast<const sockaddr*>(&address),
                                   size,
                                   host.data(),
                                   host.size(),
                                   port.data(),
                                   port.size(),
                                   NI_NUMERICHOST | NI_NUMERICSERV);
  return failed != 0 ? std::pair{std::string{}, 0}
                     : std::pair{std::string{host.data()}, std::atoi(port.data())};
}

/// One connection as cpp-httplib reads and writes it, with bounds in time and size.
class BoundedStream final : public httplib::Stream {
 public:
  using TimePoint = HttpServer::TimePoint;

  BoundedStream(int socket, Connections& connections, const std::function<TimePoint()>& now)
      : socket_{socket},
        connections_{connections},
        id_{connections.enter(socket)},
        now_{now},
        read_until_{now() + HttpServer::kHeadTimeout} {}
  BoundedStream(const BoundedStream&) = delete;
  BoundedStream& operator=(const BoundedStream&) = delete;
  ~BoundedStream() override { connections_.leave(id_); }

  [[nodiscard]] bool is_readable() const override { return wait_for(POLLIN, read_until_); }
  [[nodiscard]] bool is_writable() const override {
    return wait_for(POLLOUT, now_() + HttpServer::kWriteTimeout);
  }

  ssize_t read(char* into, std::size_t size) override {
    if (begin_ == end_ && !refill()) {
      return -1;
    }
    const std::size_t taken = std::min(size, end_ - begin_);
    std::memcpy(into, buffer_.data() + begin_, taken);
    begin_ += taken;
    return static_cast<ssize_t>(taken);
  }

  ssize_t write(const char* from, std::size_t size) override {
    connections_.set_pending(id_, size);
    if (!is_writable()) {
      return -1;
    }
    // cpp-httplib calls again for what was not taken.
    return ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    ::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    std::tie(ip, port) = name_of(address, size);
  }

  void get_local_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    std::tie(ip, port) = name_of(address, size);
  }

  [[nodiscard]] socket_t socket() const override { return socket_; }

 private:
  [[nodiscard]] bool wait_for(short what, TimePoint until) const {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now_());
      pollfd poll_fd{.fd = socket_, .events = what, .revents = 0};
      const int ready =
          ::poll(&poll_fd, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
      if (ready >= 0 || errno != EINTR) {
        return ready > 0;
      }
    }
  }

  bool refill() {
    if (bytes_read_ >= HttpServer::kMaxRequestBytes || !is_readable()) {
      return false;
    }
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) {
      return false;
    }
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    bytes_read_ += end_;
    return true;
  }

  int socket_;
  Connections& connections_;
  Connections::Id id_;
  const std::function<TimePoint()>& now_;
  TimePoint read_until_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t bytes_read_ = 0;
  std::array<char, 4096> buffer_{};
};

}  // namespace

HttpServer::HttpServer(std::function<TimePoint()> now) : now_{std::move(now)} {
  new_task_queue = [this] {  // cpp-httplib owns and deletes it
    return new GrowingThreads{kThreads, connections_};
  };
  set_payload_max_length(kMaxRequestBytes);
  set_tcp_nodelay(true);
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
}

int HttpServer::bind(const std::string& host, int port) {
  errno = 0;
  if (port == 0) {
    port = bind_to_any_port(host);
  } else if (!bind_to_port(host, port)) {
    port = -1;
  }
  if (port > 0) {
    ::listen(svr_sock_, kBacklog);
  }
  return port > 0 ? port : -1;
}

void HttpServer::stop_all() {
  stop();
  connections_.shut_down_all();
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  bool was_answered = false;
  {
    BoundedStream stream{socket, connections_, now_};
    bool is_closed = false;
    // One request a connection: none is ever idle, and nobody here asks often.
    was_answered = process_request(stream, true, is_closed, nullptr);
  }
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
  return was_answered;
}

}  // namespace router::admin
