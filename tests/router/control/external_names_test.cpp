// SPDX-License-Identifier: Apache-2.0
#include "router/control/external_names.hpp"

#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace router::control;
using namespace std::chrono_literals;
namespace ip = boost::asio::ip;

namespace {

const std::string kName = "api.example.com";

DnsAnswer answer(const std::vector<std::string>& addresses, std::chrono::seconds ttl = 60s) {
  DnsAnswer result;
  for (const std::string& address : addresses) {
    result.addresses.push_back(ip::make_address(address));
  }
  result.ttl = ttl;
  return result;
}

DnsAnswer failure(std::string error) {
  DnsAnswer result;
  result.v4_failed = true;
  result.v6_failed = true;
  result.error = std::move(error);
  return result;
}

/// `addresses` are what one family has; the other one has failed.
DnsAnswer half_failure(const std::vector<std::string>& addresses,
                       std::chrono::seconds ttl,
                       bool is_v4) {
  DnsAnswer result = answer(addresses, ttl);
  result.v4_failed = is_v4;
  result.v6_failed = !is_v4;
  result.error = "timeout";
  return result;
}

/// Says at once what the test wants.
class ScriptedResolver final : public Resolver {
 public:
  boost::asio::awaitable<DnsAnswer> look_up(std::string name) override {
    ++asked[name];
    co_return answers[name];
  }

  std::map<std::string, DnsAnswer> answers;
  std::map<std::string, int> asked;
};

/// Names whose DNS and time belong to the test.
struct Bench {
  explicit Bench(bool allow_loopback = false)
      : names{loop.get_executor(),
              clock,
              resolver,
              allow_loopback,
              {.on_addresses =
                   [this](const std::string& name, const std::vector<ip::address>& addresses) {
                     ++changes;
                     known[name].clear();
                     for (const ip::address& address : addresses) {
                       known[name].push_back(address.to_string());
                     }
                   },
               .on_news =
                   [this](const std::string& name, std::string_view error) {
                     news.push_back(name + ": " + std::string{error});
                   }}} {}

  boost::asio::io_context loop;
  test::SimClock clock{loop};
  ScriptedResolver resolver;
  std::map<std::string, std::vector<std::string>> known;
  int changes = 0;
  std::vector<std::string> news;
  ExternalNames names;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("ExternalNames: a name is looked up at once, and again when its TTL is over",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.2", "192.0.2.1"}, 60s);

  bench.names.set_names({kName});
  bench.clock.settle();
  CHECK(bench.known[kName] == Texts{"192.0.2.1", "192.0.2.2"});
  bench.resolver.answers[kName] = answer({"192.0.2.3"}, 60s);
  bench.clock.advance(59s);
  CHECK(bench.resolver.asked[kName] == 1);
  bench.clock.advance(1s);

  CHECK(bench.resolver.asked[kName] == 2);
  CHECK(bench.known[kName] == Texts{"192.0.2.3"});
}

TEST_CASE("ExternalNames: an answer that is the same in another order is no change",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1", "192.0.2.2"});
  bench.names.set_names({kName});
  bench.clock.settle();

  bench.resolver.answers[kName] = answer({"192.0.2.2", "192.0.2.1", "192.0.2.1"});
  bench.clock.advance(60s);

  CHECK(bench.resolver.asked[kName] == 2);
  CHECK(bench.changes == 1);
}

TEST_CASE("ExternalNames: TTLs are kept within bounds", "[external_names]") {
  const auto [ttl, in_an_hour] = GENERATE(table<std::chrono::seconds, int>({
      {0s, 1 + 3600 / 5},
      {1s, 1 + 3600 / 5},
      {20s, 1 + 3600 / 20},
      {86'400s, 1 + 3600 / 300},
  }));
  CAPTURE(ttl.count());
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1"}, ttl);

  bench.names.set_names({kName});
  bench.clock.advance(1h);

  CHECK(bench.resolver.asked[kName] == in_an_hour);
}

TEST_CASE("ExternalNames: without an answer the last good one stays for a day",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1"});
  bench.names.set_names({kName});
  bench.clock.settle();
  bench.resolver.answers[kName] = failure("timeout");

  bench.clock.advance(23h);
  CHECK(bench.known[kName] == Texts{"192.0.2.1"});
  CHECK(bench.news == Texts{kName + ": timeout"});  // once, not with each failure
  bench.clock.advance(2h);
  CHECK(bench.known[kName].empty());

  bench.resolver.answers[kName] = answer({"192.0.2.2"});
  bench.clock.advance(ExternalNames::kMaxPause);
  CHECK(bench.known[kName] == Texts{"192.0.2.2"});
  CHECK(bench.news.back() == kName + ": ");
}

TEST_CASE("ExternalNames: without an answer for one family its last good one stays for a day",
          "[external_names]") {
  const bool is_v4 = GENERATE(true, false);
  CAPTURE(is_v4);
  const std::string kept = is_v4 ? "192.0.2.1" : "2001:db8::1";
  const std::string fresh = is_v4 ? "2001:db8::2" : "192.0.2.2";
  const Texts both = is_v4 ? Texts{kept, fresh} : Texts{fresh, kept};
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1", "2001:db8::1"}, 60s);
  bench.names.set_names({kName});
  bench.clock.settle();

  bench.resolver.answers[kName] = half_failure({fresh}, 300s, is_v4);
  bench.clock.advance(60s);
  CHECK(bench.known[kName] == both);
  CHECK(bench.news == Texts{kName + ": timeout"});
  bench.clock.advance(23h);
  CHECK(bench.known[kName] == both);
  bench.clock.advance(2h);
  CHECK(bench.known[kName] == Texts{fresh});
  CHECK(bench.news.size() == 1);

  bench.resolver.answers[kName] = answer({"192.0.2.3", "2001:db8::3"});
  bench.clock.advance(ExternalNames::kMaxPause);
  CHECK(bench.known[kName] == Texts{"192.0.2.3", "2001:db8::3"});
  CHECK(bench.news.back() == kName + ": ");
}

TEST_CASE("ExternalNames: without an answer for one family the other one's still counts",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1", "2001:db8::1"});
  bench.names.set_names({kName});
  bench.clock.settle();

  bench.resolver.answers[kName] = half_failure({}, 0s, true);
  bench.clock.advance(60s);

  CHECK(bench.known[kName] == Texts{"192.0.2.1"});
}

TEST_CASE("ExternalNames: without an answer for one family it asks again, at growing distances",
          "[external_names]") {
  const auto [ttl, in_an_hour] = GENERATE(table<std::chrono::seconds, int>({
      {5s, 3600 / 5},  // the other family's TTL is over sooner
      {300s, 3600 / 30},
  }));
  CAPTURE(ttl.count());
  Bench bench;
  bench.resolver.answers[kName] = half_failure({"2001:db8::1"}, ttl, true);

  bench.names.set_names({kName});
  bench.clock.advance(3s);
  CHECK(bench.resolver.asked[kName] == 3);  // at 0 s, 1 s, 3 s
  bench.clock.advance(1h);

  CHECK(bench.resolver.asked[kName] > in_an_hour);
  CHECK(bench.resolver.asked[kName] < in_an_hour + 10);
}

TEST_CASE("ExternalNames: without an answer it asks again, at growing distances",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = failure("timeout");

  bench.names.set_names({kName});
  bench.clock.advance(3s);
  CHECK(bench.resolver.asked[kName] == 3);  // at 0 s, 1 s, 3 s
  bench.clock.advance(1h);

  CHECK(bench.resolver.asked[kName] > 3600 / 30);
  CHECK(bench.resolver.asked[kName] < 3600 / 30 + 10);
}

TEST_CASE("ExternalNames: a name that DNS says has no address loses those it had",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1"});
  bench.names.set_names({kName});
  bench.clock.settle();
  bench.resolver.answers[kName] = answer({});

  bench.clock.advance(60s);

  CHECK(bench.known[kName].empty());
  CHECK(bench.news == Texts{kName + ": it has no address"});
}

TEST_CASE("ExternalNames: of a name that is no longer wanted nothing more is told",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1"});
  bench.names.set_names({kName, "b.example.com"});
  bench.clock.settle();

  bench.names.set_names({"b.example.com"});
  bench.clock.advance(1h);
  CHECK(bench.resolver.asked[kName] == 1);
  CHECK(bench.resolver.asked["b.example.com"] > 1);

  bench.names.set_names({kName, "b.example.com"});
  bench.clock.settle();
  CHECK(bench.resolver.asked[kName] == 2);
  CHECK(bench.changes == 2);
}

TEST_CASE("ExternalNames: asks and tells nothing once it is stopped", "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"192.0.2.1"});
  bench.names.set_names({kName});
  bench.clock.settle();
  bench.resolver.answers[kName] = answer({"192.0.2.2"});

  bench.names.stop();
  bench.clock.advance(1h);

  CHECK(bench.resolver.asked[kName] == 1);
  CHECK(bench.changes == 1);
}

TEST_CASE("ExternalNames: addresses that lead back here are not used, and that is told",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = answer({"127.0.0.1", "192.0.2.1", "169.254.169.254", "::1"});

  bench.names.set_names({kName});
  bench.clock.settle();

  CHECK(bench.known[kName] == Texts{"192.0.2.1"});
  CHECK(bench.news ==
        Texts{kName + ": loopback, link-local, metadata or multicast addresses are not used"});
}

TEST_CASE("ExternalNames: more addresses than are used are cut off, and that is told",
          "[external_names]") {
  Bench bench;
  std::vector<std::string> many;
  for (int i = 1; i <= 100; ++i) {
    many.push_back("192.0.2." + std::to_string(i));
  }
  bench.resolver.answers[kName] = answer(many);

  bench.names.set_names({kName});
  bench.clock.settle();

  CHECK(bench.known[kName].size() == ExternalNames::kMaxAddresses);
  CHECK(bench.news == Texts{kName + ": it has more addresses than are used"});
}

TEST_CASE("may_be_dialled: neither this machine, nor its link, nor groups", "[external_names]") {
  for (const char* const good : {"192.0.2.1",
                                 "10.0.0.1",
                                 "168.63.129.17",
                                 "100.100.100.201",
                                 "2001:db8::1",
                                 "fd00::1",
                                 "fd00:ec2::253"}) {
    CAPTURE(good);
    CHECK(may_be_dialled(ip::make_address(good), false));
  }
  for (const char* const bad : {"0.0.0.0",
                                "0.1.2.3",
                                "169.254.169.254",
                                "168.63.129.16",    // Azure
                                "100.100.100.200",  // Alibaba Cloud
                                "224.0.0.1",
                                "255.255.255.255",
                                "::",
                                "fe80::1",
                                "ff02::1",
                                "fd00:ec2::254",  // AWS
                                "::ffff:168.63.129.16",
                                "::ffff:169.254.169.254"}) {
    CAPTURE(bad);
    CHECK_FALSE(may_be_dialled(ip::make_address(bad), true));
  }
  for (const char* const loopback : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"}) {
    CAPTURE(loopback);
    CHECK_FALSE(may_be_dialled(ip::make_address(loopback), false));
    CHECK(may_be_dialled(ip::make_address(loopback), true));
  }
}
