// SPDX-License-Identifier: Apache-2.0
#include "router/control/dns_resolver.hpp"

#include <algorithm>
#include <ares.h>
#include <arpa/nameser.h>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <netinet/in.h>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <sys/time.h>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/core.h>

namespace router::control {

namespace asio = boost::asio;
namespace ip = asio::ip;

namespace {

void require_success(int status, const char* what) {
  if (status != ARES_SUCCESS) {
    throw std::runtime_error{std::string{what} + ": " + ares_strerror(status)};
  }
}

/// One question until its answer.
struct Question {
  explicit Question(const asio::any_io_executor& executor)
      : answered{executor, asio::steady_timer::time_point::max()} {}

  asio::steady_timer answered;  // never expires; cancelled to wake the coroutine
  std::optional<int> status;
  std::vector<unsigned char> reply;
};

ip::address to_address(const ares_addrttl& record) {
  ip::address_v4::bytes_type bytes;
  std::memcpy(bytes.data(), &record.ipaddr, bytes.size());
  return ip::address_v4{bytes};
}

ip::address to_address(const ares_addr6ttl& record) {
  ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &record.ip6addr, bytes.size());
  return ip::address_v6{bytes};
}

/// What c-ares reads the records of one family with.
template <class Record>
using Parse = int (*)(const unsigned char*, int, hostent**, Record*, int*);

/// Adds the addresses of one family to `answer`, or why there is no answer for it. `type`: of the
/// records, for people. Returns whether there is one.
template <class Record>
bool take(const Question& question, Parse<Record> parse, std::string_view type, DnsAnswer& answer) {
  std::array<Record, DnsResolver::kMaxAddresses> records{};
  int n_records = DnsResolver::kMaxAddresses;
  int status = question.status.value_or(ARES_ECANCELLED);
  if (status == ARES_SUCCESS) {
    const auto size = static_cast<int>(question.reply.size());
    status = parse(question.reply.data(), size, nullptr, records.data(), &n_records);
  }
  if (status != ARES_SUCCESS) {
    if (status == ARES_ENODATA || status == ARES_ENOTFOUND) {
      return true;
    }
    answer.error +=
        fmt::format("{}{}: {}", answer.error.empty() ? "" : "; ", type, ares_strerror(status));
    return false;
  }
  for (auto record = records.begin(); record != records.begin() + n_records; ++record) {
    const std::chrono::seconds ttl{record->ttl};
    answer.ttl = answer.addresses.empty() ? ttl : std::min(answer.ttl, ttl);
    answer.addresses.push_back(to_address(*record));
  }
  return true;
}

/// Returns once `question` has its status.
asio::awaitable<void> await_answer(Question& question) {
  while (!question.status) {
    co_await question.answered.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

}  // namespace

/// c-ares' channel on the loop: its sockets and its next timeout are waited for.
class DnsResolver::Channel : public std::enable_shared_from_this<Channel> {
 public:
  Channel(asio::any_io_executor executor, const std::string& servers);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() = default;

  /// `type`: of the records, `ns_t_a` or `ns_t_aaaa`. See `await_answer`. Shared with c-ares, which
  /// answers each question once, be it at its own end.
  [[nodiscard]] std::shared_ptr<Question> ask(const std::string& name, int type);

 private:
  enum Direction : std::uint8_t { reading, writing };

  /// One of c-ares' sockets, which it opens and closes itself.
  struct Socket {
    Socket(const asio::any_io_executor& executor, ares_socket_t fd) : descriptor{executor, fd} {}

    asio::posix::stream_descriptor descriptor;
    std::array<bool, 2> wanted{};   // by Direction
    std::array<bool, 2> waiting{};  // likewise: the loop has been asked
  };

  static void on_socket(void* self, ares_socket_t fd, int readable, int writable);
  static void on_answer(void* question, int status, int timeouts, unsigned char* reply, int size);
  void wait(const std::shared_ptr<Socket>& socket, Direction direction);
  void go_on(ares_socket_t readable, ares_socket_t writable);
  void arm();

  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  // Shared with the loop's handlers, which may come when c-ares has closed the socket.
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
  // Last, so that the sockets that it closes at its end are still known.
  std::unique_ptr<ares_channeldata, decltype(&ares_destroy)> channel_{nullptr, &ares_destroy};
};

DnsResolver::Channel::Channel(asio::any_io_executor executor, const std::string& servers)
    : executor_{std::move(executor)}, timer_{executor_} {
  require_success(ares_library_init(ARES_LIB_INIT_ALL), "cannot start c-ares");
  std::string lookups{"b"};  // DNS alone: what a file says has no TTL
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  options.timeout = static_cast<int>(kTimeout.count());
  options.tries = kTries;
  options.lookups = lookups.data();
  options.sock_state_cb = on_socket;
  options.sock_state_cb_data = this;
  constexpr int kSet = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                       ARES_OPT_SOCK_STATE_CB;
  ares_channel made = nullptr;
  require_success(ares_init_options(&made, &options, kSet), "cannot start c-ares");
  channel_.reset(made);
  if (!servers.empty()) {
    require_success(ares_set_servers_ports_csv(channel_.get(), servers.c_str()), "bad DNS servers");
  }
}

std::shared_ptr<Question> DnsResolver::Channel::ask(const std::string& name, int type) {
  auto question = std::make_shared<Question>(executor_);
  ares_query(channel_.get(),
             name.c_str(),
             ns_c_in,
             type,
             on_answer,
             std::make_unique<std::shared_ptr<Question>>(question).release());
  arm();
  return question;
}

void DnsResolver::Channel::on_answer(
    void* question, int status, int /*timeouts*/, unsigned char* reply, int size) {
  const std::unique_ptr<std::shared_ptr<Question>> owned{
      static_cast<std::shared_ptr<Question>*>(question)};
  Question& answered = **owned;
  answered.status = status;
  if (reply != nullptr) {
    answered.reply.assign(reply, reply + size);
  }
  answered.answered.cancel();
}

void DnsResolver::Channel::on_socket(void* self, ares_socket_t fd, int readable, int writable) {
  auto& channel = *static_cast<Channel*>(self);
  if (readable == 0 && writable == 0) {
    if (const auto known = channel.sockets_.find(fd); known != channel.sockets_.end()) {
      known->second->wanted = {};
      known->second->descriptor.release();  // c-ares closes it
      channel.sockets_.erase(known);
    }
    return;
  }
  std::shared_ptr<Socket>& socket = channel.sockets_[fd];
  if (!socket) {
    socket = std::make_shared<Socket>(channel.executor_, fd);
  }
  socket->wanted = {readable != 0, writable != 0};
  channel.wait(socket, reading);
  channel.wait(socket, writing);
}

void DnsResolver::Channel::wait(const std::shared_ptr<Socket>& socket, Direction direction) {
  if (!socket->wanted.at(direction) || std::exchange(socket->waiting.at(direction), true)) {
    return;
  }
  socket->descriptor.async_wait(
      direction == reading ? asio::posix::descriptor_base::wait_read
                           : asio::posix::descriptor_base::wait_write,
      [weak = weak_from_this(), socket, direction](const boost::system::error_code& failure) {
        socket->waiting.at(direction) = false;
        const auto channel = weak.lock();
        if (failure || !channel || !socket->wanted.at(direction)) {
          return;
        }
        const ares_socket_t fd = socket->descriptor.native_handle();
        channel->go_on(direction == reading ? fd : ARES_SOCKET_BAD,
                       direction == writing ? fd : ARES_SOCKET_BAD);
        channel->wait(socket, direction);
      });
}

void DnsResolver::Channel::go_on(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(channel_.get(), readable, writable);
  arm();
}

void DnsResolver::Channel::arm() {
  timeval storage{};
  const timeval* const left = ares_timeout(channel_.get(), nullptr, &storage);
  if (left == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::seconds{left->tv_sec} +
                       std::chrono::microseconds{left->tv_usec});
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failure) {
    if (const auto channel = weak.lock(); channel && !failure) {
      channel->go_on(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
  });
}

DnsResolver::DnsResolver(const asio::any_io_executor& executor, const std::string& servers)
    : channel_{std::make_shared<Channel>(executor, servers)} {}

DnsResolver::~DnsResolver() = default;

asio::awaitable<DnsAnswer> DnsResolver::look_up(std::string name) {
  const std::shared_ptr<Channel> channel = channel_;
  const std::shared_ptr<Question> v4 = channel->ask(name, ns_t_a);
  const std::shared_ptr<Question> v6 = channel->ask(name, ns_t_aaaa);
  co_await await_answer(*v4);
  co_await await_answer(*v6);
  DnsAnswer answer;
  answer.v4_failed = !take<ares_addrttl>(*v4, ares_parse_a_reply, "A", answer);
  answer.v6_failed = !take<ares_addr6ttl>(*v6, ares_parse_aaaa_reply, "AAAA", answer);
  co_return answer;
}

}  // namespace router::control
