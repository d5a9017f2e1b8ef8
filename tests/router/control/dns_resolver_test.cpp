// SPDX-License-Identifier: Apache-2.0
// The resolver against a DNS server on loopback.
#include "router/control/dns_resolver.hpp"

#include "tests/support/dns_server.hpp"

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>

using namespace router::control;
using namespace std::chrono_literals;

namespace {

DnsAnswer look_up(const std::string& server, const std::string& name) {
  boost::asio::io_context loop;
  DnsResolver resolver{loop.get_executor(), server};
  auto answer = boost::asio::co_spawn(loop, resolver.look_up(name), boost::asio::use_future);
  loop.run();
  return answer.get();
}

std::vector<std::string> texts(const DnsAnswer& answer) {
  std::vector<std::string> result;
  for (const auto& address : answer.addresses) {
    result.push_back(address.to_string());
  }
  return result;
}

}  // namespace

TEST_CASE("DnsResolver: gives the addresses of both families with the least TTL", "[dns]") {
  test::DnsServer server;
  server.set("api.example.com",
             {.v4 = {"192.0.2.1", "192.0.2.2"}, .v6 = {"2001:db8::1"}, .ttl_s = 7});

  const DnsAnswer answer = look_up(server.address(), "api.example.com");

  CHECK(answer.error.empty());
  CHECK_FALSE((answer.v4_failed || answer.v6_failed));
  CHECK(texts(answer) == std::vector<std::string>{"192.0.2.1", "192.0.2.2", "2001:db8::1"});
  CHECK(answer.ttl == 7s);
  CHECK(server.questions("api.example.com") == 2);
}

TEST_CASE("DnsResolver: a name without addresses, and none at all, are answers", "[dns]") {
  test::DnsServer server;
  server.set("empty.example.com", {});

  for (const std::string name : {"empty.example.com", "nowhere.example.com"}) {
    CAPTURE(name);
    const DnsAnswer answer = look_up(server.address(), name);
    CHECK(answer.error.empty());
    CHECK_FALSE((answer.v4_failed || answer.v6_failed));
    CHECK(answer.addresses.empty());
  }
}

TEST_CASE("DnsResolver: one family is enough", "[dns]") {
  test::DnsServer server;
  server.set("six.example.com", {.v6 = {"2001:db8::1"}});

  CHECK(texts(look_up(server.address(), "six.example.com")) ==
        std::vector<std::string>{"2001:db8::1"});
}

TEST_CASE("DnsResolver: a server that fails, or is not there, is an error", "[dns]") {
  test::DnsServer server;
  server.set("api.example.com", {.v4 = {"192.0.2.1"}, .is_v4_broken = true, .is_v6_broken = true});

  const DnsAnswer failed = look_up(server.address(), "api.example.com");
  const DnsAnswer refused =
      look_up("127.0.0.1:" + std::to_string(test::unused_port()), "api.example.com");

  CHECK_FALSE(failed.error.empty());
  CHECK((failed.v4_failed && failed.v6_failed));
  CHECK(failed.addresses.empty());
  CHECK_FALSE(refused.error.empty());
  CHECK((refused.v4_failed && refused.v6_failed));
}

TEST_CASE("DnsResolver: a family that fails is told beside the addresses of the other", "[dns]") {
  test::DnsServer server;
  const bool is_v4 = GENERATE(true, false);
  CAPTURE(is_v4);
  server.set(
      "api.example.com",
      {.v4 = {"192.0.2.1"}, .v6 = {"2001:db8::1"}, .is_v4_broken = is_v4, .is_v6_broken = !is_v4});

  const DnsAnswer answer = look_up(server.address(), "api.example.com");

  CHECK(answer.v4_failed == is_v4);
  CHECK(answer.v6_failed == !is_v4);
  CHECK(answer.error.rfind(is_v4 ? "A: " : "AAAA: ", 0) == 0);
  CHECK(texts(answer) == std::vector<std::string>{is_v4 ? "2001:db8::1" : "192.0.2.1"});
}

TEST_CASE("DnsResolver: many names at once", "[dns]") {
  test::DnsServer server;
  boost::asio::io_context loop;
  DnsResolver resolver{loop.get_executor(), server.address()};
  std::vector<std::future<DnsAnswer>> answers;
  for (int i = 1; i <= 100; ++i) {
    const std::string name = "a" + std::to_string(i) + ".example.com";
    server.set(name, {.v4 = {"192.0.2." + std::to_string(i)}});
    answers.push_back(boost::asio::co_spawn(loop, resolver.look_up(name), boost::asio::use_future));
  }

  loop.run();

  for (std::size_t i = 0; i < answers.size(); ++i) {
    CHECK(texts(answers[i].get()) == std::vector<std::string>{"192.0.2." + std::to_string(i + 1)});
  }
}

TEST_CASE("DnsResolver: may end while a name is looked up", "[dns]") {
  test::DnsServer server;
  boost::asio::io_context loop;
  auto resolver = std::make_unique<DnsResolver>(loop.get_executor(), server.address());
  auto answer =
      boost::asio::co_spawn(loop, resolver->look_up("api.example.com"), boost::asio::use_future);
  loop.poll();

  resolver.reset();
  loop.run();

  CHECK(answer.get().addresses.empty());
}

TEST_CASE("DnsResolver: what is no list of servers is refused", "[dns]") {
  boost::asio::io_context loop;

  CHECK_THROWS_AS((DnsResolver{loop.get_executor(), "nowhere:x"}), std::runtime_error);
}
