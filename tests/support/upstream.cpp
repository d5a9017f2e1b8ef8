// SPDX-License-Identifier: Apache-2.0
#include "tests/support/upstream.hpp"

#include "tests/support/upstream_connection.hpp"

#include <algorithm>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace test {

Script answer(int status, const std::string& body, const Headers& headers) {
  return always({.status = status, .headers = headers, .body = body});
}

Script always(const Answer& answer) {
  return {.answer = [answer](const SeenRequest&) { return answer; }};
}

Script refuse_every_stream() {
  return always({.at_head = true, .reset = NGHTTP2_REFUSED_STREAM});
}

Answer grpc_answer(const std::vector<std::string>& payloads,
                   int grpc_status,
                   const std::string& grpc_message) {
  Answer answer{.headers = {{"content-type", "application/grpc"}}};
  for (const std::string& payload : payloads) {
    answer.body += grpc_frame(payload);
  }
  answer.trailers = {{"grpc-status", std::to_string(grpc_status)}};
  if (!grpc_message.empty()) {
    answer.trailers.push_back({"grpc-message", grpc_message});
  }
  return answer;
}

Answer grpc_trailers_only(int grpc_status, const std::string& grpc_message) {
  return {.headers = {{"content-type", "application/grpc"},
                      {"grpc-status", std::to_string(grpc_status)},
                      {"grpc-message", grpc_message}}};
}

Answer grpc_echo() {
  Answer answer = grpc_answer({});
  answer.echo = true;
  return answer;
}

Upstream::Upstream(Script script)
    : script_{std::move(script)},
      listener_{listen_on_loopback(0)},
      wake_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)},
      port_{local_port(listener_)},
      thread_{[this] { run(); }} {}

Upstream::~Upstream() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  wake();
  thread_.join();
}

void Upstream::set_script(Script script) {
  const std::lock_guard lock{mutex_};
  script_ = std::move(script);
}

void Upstream::release() {
  const std::lock_guard lock{mutex_};
  for (const auto& connection : connections_) {
    connection->release();
  }
  wake();
}

void Upstream::reset_streams(std::uint32_t code) {
  const std::lock_guard lock{mutex_};
  for (const auto& connection : connections_) {
    connection->reset_streams(code);
  }
  wake();
}

void Upstream::go_away_gracefully(Milliseconds later) {
  const std::lock_guard lock{mutex_};
  for (const auto& connection : connections_) {
    connection->announce_shutdown();
  }
  timers_.emplace(SteadyClock::now() + later, [this] {
    for (const auto& connection : connections_) {
      connection->finish_shutdown();
    }
  });
  wake();
}

void Upstream::close_connections() {
  const std::lock_guard lock{mutex_};
  for (const auto& connection : connections_) {
    connection->abort();
  }
  wake();
}

void Upstream::vanish() {
  const std::lock_guard lock{mutex_};
  for (const auto& connection : connections_) {
    cut_off(connection->fd());
  }
}

void Upstream::stop_listening() {
  std::unique_lock lock{mutex_};
  listener_.close();
  wake();
  // The port is taken as long as the thread's poll still refers to the socket.
  changed_.wait_for(lock, kPatience, [this, before = n_turns_] { return n_turns_ > before; });
}

void Upstream::listen_again() {
  const std::lock_guard lock{mutex_};
  listener_ = listen_on_loopback(port_);
  wake();
}

std::vector<SeenRequest> Upstream::requests() const {
  const std::lock_guard lock{mutex_};
  std::vector<SeenRequest> copies;
  copies.reserve(requests_.size());
  for (const auto& request : requests_) {
    copies.push_back(*request);
  }
  return copies;
}

int Upstream::requests_seen() const {
  const std::lock_guard lock{mutex_};
  return n_requests_;
}

int Upstream::requests_open() const {
  const std::lock_guard lock{mutex_};
  return n_open_;
}

int Upstream::connections_seen() const {
  const std::lock_guard lock{mutex_};
  return n_connections_;
}

int Upstream::connections_open() const {
  const std::lock_guard lock{mutex_};
  return static_cast<int>(connections_.size());
}

int Upstream::max_streams_open() const {
  const std::lock_guard lock{mutex_};
  return max_streams_open_;
}

int Upstream::streams_over_limit() const {
  const std::lock_guard lock{mutex_};
  return streams_over_limit_;
}

std::vector<std::string> Upstream::complaints() const {
  const std::lock_guard lock{mutex_};
  return complaints_;
}

void Upstream::clear() {
  const std::lock_guard lock{mutex_};
  requests_.clear();
}

SeenRequest Upstream::wait_for(std::size_t n,
                               const std::string& what,
                               const std::function<bool(const SeenRequest&)>& holds,
                               Milliseconds patience) const {
  std::unique_lock lock{mutex_};
  const bool came = changed_.wait_for(
      lock, patience, [&] { return requests_.size() >= n && holds(*requests_[n - 1]); });
  if (!came) {
    throw Failure{"upstream: request " + std::to_string(n) + " of " +
                  std::to_string(requests_.size()) + ": " + what + " has not come in time"};
  }
  return *requests_[n - 1];
}

SeenRequest Upstream::wait_for_request(std::size_t n) const {
  return wait_for(n, "its head", [](const SeenRequest&) { return true; });
}

void Upstream::wait_until_open(int n_requests) const {
  std::unique_lock lock{mutex_};
  if (!changed_.wait_for(lock, kPatience, [&] { return n_open_ == n_requests; })) {
    throw Failure{"upstream: " + std::to_string(n_open_) + " requests are open, not " +
                  std::to_string(n_requests)};
  }
}

void Upstream::run() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    std::vector<pollfd> wanted{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                               {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    for (const auto& connection : connections_) {
      wanted.push_back(
          {.fd = connection->fd(), .events = connection->wanted_events(), .revents = 0});
    }
    const int timeout_ms = until_next_timer_ms();
    lock.unlock();
    poll(wanted.data(), wanted.size(), timeout_ms);
    lock.lock();
    std::uint64_t woken = 0;
    [[maybe_unused]] const ssize_t n = read(wake_.get(), &woken, sizeof woken);
    // Connections are only added below, and removed in serve_connections: the order is still that
    // of `wanted`.
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i]->on_ready(wanted[i + 2].revents);
    }
    accept_all();
    run_due_timers();
    serve_connections();
    ++n_turns_;
    changed_.notify_all();
  }
  connections_.clear();
}

void Upstream::accept_all() {
  while (listener_.is_open()) {
    Fd socket = accept_from(listener_);
    if (!socket.is_open()) {
      return;
    }
    ++n_connections_;
    connections_.push_back(
        std::make_unique<UpstreamConnection>(*this, std::move(socket), n_connections_));
  }
}

void Upstream::serve_connections() {
  for (const auto& connection : connections_) {
    connection->flush();
  }
  std::erase_if(connections_, [](const auto& connection) { return connection->is_over(); });
}

void Upstream::run_due_timers() {
  while (!timers_.empty() && timers_.begin()->first <= SteadyClock::now()) {
    const auto due = timers_.extract(timers_.begin());
    due.mapped()();
  }
}

int Upstream::until_next_timer_ms() const {
  if (timers_.empty()) {
    return -1;
  }
  const auto left = std::chrono::ceil<Milliseconds>(timers_.begin()->first - SteadyClock::now());
  return static_cast<int>(std::max<Milliseconds::rep>(left.count(), 0));
}

void Upstream::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof one);
}

}  // namespace test
