// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/bench/resilience/workplace.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

namespace bench {

/// Takes JSON datagrams on the UDP port, each with what is to change of the `Day` (`service_us`,
/// `workers`, `failures_permille`), and answers with the `Work` so far. On a thread of its own.
class Control {
 public:
  Control(std::uint16_t port, Workplace& workplace);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control();

 private:
  void receive();
  void obey(std::string_view text);
  void report();

  Workplace& workplace_;
  boost::asio::io_context context_;
  boost::asio::ip::udp::socket socket_;
  boost::asio::ip::udp::endpoint asker_;
  std::array<char, 1024> datagram_{};
  std::thread thread_;
};

}  // namespace bench
