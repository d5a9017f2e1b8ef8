// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/resilience/control.hpp"

#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <nlohmann/json.hpp>

namespace bench {

using boost::asio::ip::udp;

Control::Control(std::uint16_t port, Workplace& workplace)
    : workplace_{workplace},
      socket_{context_, udp::endpoint{boost::asio::ip::address_v4::loopback(), port}} {
  receive();
  thread_ = std::thread{[this] { context_.run(); }};
}

Control::~Control() {
  context_.stop();
  thread_.join();
}

void Control::receive() {
  socket_.async_receive_from(boost::asio::buffer(datagram_),
                             asker_,
                             [this](const boost::system::error_code& error, std::size_t n_bytes) {
                               if (!error) {
                                 obey({datagram_.data(), n_bytes});
                                 report();
                               }
                               receive();
                             });
}

void Control::obey(std::string_view text) {
  const nlohmann::json wanted = nlohmann::json::parse(text, nullptr, false);
  if (!wanted.is_object()) {
    return;
  }
  Day day = workplace_.day();
  day.service_time =
      std::chrono::microseconds{wanted.value("service_us", day.service_time.count())};
  day.workers = wanted.value("workers", day.workers);
  day.failures_permille = wanted.value("failures_permille", day.failures_permille);
  workplace_.set(day);
}

void Control::report() {
  const Work work = workplace_.work();
  const std::string text = nlohmann::json{
      {"begun", work.begun},
      {"done", work.done},
      {"failed", work.failed},
      {"given_up",
       work.given_up}}.dump();
  boost::system::error_code ignored;  // an asker that has gone needs no answer
  socket_.send_to(boost::asio::buffer(text), asker_, 0, ignored);
}

}  // namespace bench
