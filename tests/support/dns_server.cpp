// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dns_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <utility>

namespace test {
namespace {

// RFC 1035 section 4.1
constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kTypeAndClassBytes = 4;
constexpr std::size_t kMaxMessageBytes = 4096;
constexpr std::uint16_t kTypeA = 1;
constexpr std::uint16_t kTypeAaaa = 28;
constexpr std::uint16_t kIsAnswer = 0x8580;  // QR, AA, RD, RA
constexpr std::uint16_t kServerFailure = 2;
constexpr std::uint16_t kNoSuchName = 3;
constexpr int kPollMs = 20;

void put16(std::string& into, std::size_t number) {
  into += static_cast<char>(number >> 8U & 0xFFU);
  into += static_cast<char>(number & 0xFFU);
}

/// `api.example.com` of the labels at the front of `text`, which are taken off.
std::string take_name(std::string_view& text) {
  std::string name;
  while (!text.empty() && text.front() != 0) {
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(text.front()));
    name += (name.empty() ? "" : ".") + std::string{text.substr(1, size)};
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  text.remove_prefix(std::min<std::size_t>(1, text.size()));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return name;
}

/// The address as bytes; its family follows from the type.
std::string bytes_of(const std::string& address, std::uint16_t type) {
  std::string bytes(type == kTypeA ? sizeof(in_addr) : sizeof(in6_addr), '\0');
  if (inet_pton(type == kTypeA ? AF_INET : AF_INET6, address.c_str(), bytes.data()) != 1) {
    throw std::runtime_error{address + " is no address of its family"};
  }
  return bytes;
}

std::string record_of(const std::string& address, std::uint16_t type, std::uint32_t ttl_s) {
  std::string record;
  put16(record, 0xC00C);  // the name of the question
  put16(record, type);
  put16(record, 1);  // class IN
  put16(record, ttl_s >> 16U);
  put16(record, ttl_s & 0xFFFFU);
  const std::string bytes = bytes_of(address, type);
  put16(record, bytes.size());
  return record + bytes;
}

}  // namespace

DnsServer::DnsServer() : socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) {
    throw std::runtime_error{"cannot bind the DNS server"};
  }
  thread_ = std::thread{[this] { serve(); }};
}

DnsServer::~DnsServer() {
  is_over_ = true;
  thread_.join();
}

std::string DnsServer::address() const {
  return "127.0.0.1:" + std::to_string(local_port(socket_));
}

void DnsServer::set(const std::string& name, DnsRecords records) {
  const std::lock_guard lock{mutex_};
  records_[name] = std::move(records);
}

std::size_t DnsServer::questions(const std::string& name) const {
  const std::lock_guard lock{mutex_};
  const auto found = questions_.find(name);
  return found == questions_.end() ? 0 : found->second;
}

void DnsServer::serve() {
  std::array<char, kMaxMessageBytes> buffer{};
  while (!is_over_) {
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kPollMs) <= 0) {
      continue;
    }
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* const peer = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, peer, &size);
    if (n > static_cast<ssize_t>(kHeaderBytes)) {
      const std::string reply = reply_to({buffer.data(), static_cast<std::size_t>(n)});
      if (!reply.empty()) {
        ::sendto(socket_.get(), reply.data(), reply.size(), 0, peer, size);
      }
    }
  }
}

std::string DnsServer::reply_to(std::string_view question) {
  std::string_view rest = question.substr(kHeaderBytes);
  const std::string name = take_name(rest);
  const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(rest.at(1)));
  const std::size_t n_asked = question.size() - rest.size() + kTypeAndClassBytes;

  const std::lock_guard lock{mutex_};
  ++questions_[name];
  const auto known = records_.find(name);
  const DnsRecords records = known == records_.end() ? DnsRecords{} : known->second;
  if (records.is_silent) {
    return "";
  }
  const bool is_broken = type == kTypeA ? records.is_v4_broken : records.is_v6_broken;
  std::string answers;
  std::size_t n_answers = 0;
  if (!is_broken && (type == kTypeA || type == kTypeAaaa)) {
    for (const std::string& address : type == kTypeA ? records.v4 : records.v6) {
      answers += record_of(address, type, records.ttl_s);
      ++n_answers;
    }
  }
  std::string reply{question.substr(0, 2)};
  const std::uint16_t code = known == records_.end() ? kNoSuchName : kServerFailure;
  put16(reply, known == records_.end() || is_broken ? kIsAnswer | code : kIsAnswer);
  for (const std::size_t count : {std::size_t{1}, n_answers, std::size_t{0}, std::size_t{0}}) {
    put16(reply, count);
  }
  reply += question.substr(kHeaderBytes, n_asked - kHeaderBytes);
  return reply + answers;
}

}  // namespace test
