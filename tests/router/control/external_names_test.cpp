// SPDX-License-Identifier: Apache-2.0
#include "router/control/external_names.hpp"

#include "tests/router/control/scripted_resolver.hpp"
#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace router::control;
using namespace std::chrono_literals;
namespace ip = boost::asio::ip;
using test::dns_answer;
using test::dns_failure;

namespace {

const std::string kName = "api.example.com";

/// `addresses` are what one family has; the other one has failed.
DnsAnswer half_failure(const std::vector<std::string>& addresses,
                       std::chrono::seconds ttl,
                       bool is_v4) {
  DnsAnswer result = dns_answer(addresses, ttl);
  result.v4_failed = is_v4;
  result.v6_failed = !is_v4;
  result.error = "timeout";
  return result;
}

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
  test::ScriptedResolver resolver;
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
  bench.resolver.answers[kName] = dns_answer({"192.0.2.2", "192.0.2.1"}, 60s);

  bench.names.set_names({kName});
  bench.clock.settle();
  CHECK(bench.known[kName] == Texts{"192.0.2.1", "192.0.2.2"});
  bench.resolver.answers[kName] = dns_answer({"192.0.2.3"}, 60s);
  bench.clock.advance(59s);
  CHECK(bench.resolver.asked[kName] == 1);
  bench.clock.advance(1s);

  CHECK(bench.resolver.asked[kName] == 2);
  CHECK(bench.known[kName] == Texts{"192.0.2.3"});
}

TEST_CASE("ExternalNames: an answer that is the same in another order is no change",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1", "192.0.2.2"});
  bench.names.set_names({kName});
  bench.clock.settle();

  bench.resolver.answers[kName] = dns_answer({"192.0.2.2", "192.0.2.1", "192.0.2.1"});
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
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1"}, ttl);

  bench.names.set_names({kName});
  bench.clock.advance(1h);

  CHECK(bench.resolver.asked[kName] == in_an_hour);
}

TEST_CASE("ExternalNames: without an answer the last good one stays for a day",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1"});
  bench.names.set_names({kName});
  bench.clock.settle();
  bench.resolver.answers[kName] = dns_failure("timeout");

  bench.clock.advance(23h);
  CHECK(bench.known[kName] == Texts{"192.0.2.1"});
  CHECK(bench.news == Texts{kName + ": timeout"});  // once, not with each failure
  bench.clock.advance(2h);
  CHECK(bench.known[kName].empty());

  bench.resolver.answers[kName] = dns_answer({"192.0.2.2"});
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
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1", "2001:db8::1"}, 60s);
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

  bench.resolver.answers[kName] = dns_answer({"192.0.2.3", "2001:db8::3"});
  bench.clock.advance(ExternalNames::kMaxPause);
  CHECK(bench.known[kName] == Texts{"192.0.2.3", "2001:db8::3"});
  CHECK(bench.news.back() == kName + ": ");
}

TEST_CASE("ExternalNames: without an answer for one family the other one's still counts",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1", "2001:db8::1"});
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
  bench.resolver.answers[kName] = dns_failure("timeout");

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
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1"});
  bench.names.set_names({kName});
  bench.clock.settle();
  bench.resolver.answers[kName] = dns_answer({});

  bench.clock.advance(60s);

  CHECK(bench.known[kName].empty());
  CHECK(bench.news == Texts{kName + ": it has no address"});
}

TEST_CASE("ExternalNames: of a name that is no longer wanted nothing more is told",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1"});
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
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1"});
  bench.names.set_names({kName});
  bench.clock.settle();
  bench.resolver.answers[kName] = dns_answer({"192.0.2.2"});

  bench.names.stop();
  bench.clock.advance(1h);

  CHECK(bench.resolver.asked[kName] == 1);
  CHECK(bench.changes == 1);
}

TEST_CASE("ExternalNames: lookups are counted by how they ended, and answers have an age",
          "[external_names]") {
  const auto count = [](const DnsStatus& status, LookupOutcome outcome) {
    return status.lookups.at(static_cast<std::size_t>(outcome));
  };
  Bench bench;
  bench.resolver.answers[kName] = dns_answer({"192.0.2.1", "2001:db8::1"});
  bench.resolver.answers["never.example.com"] = dns_failure("refused");
  bench.names.set_names({kName, "never.example.com", "none.example.com"});
  bench.clock.settle();

  const DnsStatus first = bench.names.status();
  REQUIRE(first.names.size() == 3);
  CHECK(first.names[0].name == kName);
  CHECK(first.names[0].addresses == 2);
  CHECK(first.names[0].good_at == bench.clock.now());
  CHECK(first.names[0].error.empty());
  CHECK_FALSE(first.names[1].good_at.has_value());
  CHECK(first.names[1].error == "refused");
  CHECK(first.names[2].addresses == 0);
  CHECK(first.names[2].good_at == bench.clock.now());  // that it has none is an answer
  CHECK(count(first, LookupOutcome::answered) == 1);
  CHECK(count(first, LookupOutcome::failed) == 1);
  CHECK(count(first, LookupOutcome::empty) == 1);
  CHECK(count(first, LookupOutcome::partial) == 0);

  const auto answered_at = bench.clock.now() + 60s;
  bench.resolver.answers[kName] = half_failure({"2001:db8::1"}, 60s, true);
  bench.clock.advance(60s);
  bench.resolver.answers[kName] = dns_failure("timeout");
  bench.clock.advance(10s);

  const DnsStatus last = bench.names.status();
  CHECK(count(last, LookupOutcome::partial) == 1);
  CHECK(count(last, LookupOutcome::failed) > 1);
  CHECK(last.names[0].good_at == answered_at);
  CHECK(last.names[0].addresses == 2);
}

TEST_CASE("ExternalNames: a name is unanswered until DNS says anything of it", "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = dns_failure("timeout");
  bench.names.set_names({kName, "none.example.com"});
  bench.clock.settle();
  CHECK(bench.names.unanswered() == Texts{kName});

  bench.resolver.answers[kName] = half_failure({}, 0s, true);
  bench.clock.advance(1s);

  CHECK(bench.names.unanswered().empty());
}

TEST_CASE("ExternalNames: what a process before it knew holds until DNS says something else",
          "[external_names]") {
  Bench before;
  before.resolver.answers[kName] = dns_answer({"192.0.2.1", "2001:db8::1"});
  before.resolver.answers["gone.example.com"] = dns_answer({"192.0.2.9"});
  before.resolver.answers["never.example.com"] = dns_failure("timeout");
  before.names.set_names({kName, "gone.example.com", "never.example.com"});
  before.clock.settle();
  const auto known = before.names.known();
  REQUIRE(known.size() == 2);  // of the other one there is nothing to tell

  Bench bench;
  bench.resolver.answers[kName] = dns_failure("timeout");
  bench.clock.advance(1h);
  bench.names.restore(known);
  CHECK(bench.changes == 0);  // only of names that are wanted
  bench.names.set_names({kName});
  bench.clock.settle();
  CHECK(bench.known[kName] == Texts{"192.0.2.1", "2001:db8::1"});
  CHECK(bench.names.unanswered().empty());
  CHECK(bench.names.status().names.front().good_at == before.clock.now());

  SECTION("for a day after the last answer") {
    bench.clock.advance(22h);
    CHECK(bench.known[kName].size() == 2);
    bench.clock.advance(2h);
    CHECK(bench.known[kName].empty());
  }
  SECTION("which replaces it") {
    bench.resolver.answers[kName] = dns_answer({"192.0.2.2"});
    bench.clock.advance(ExternalNames::kMaxPause);
    CHECK(bench.known[kName] == Texts{"192.0.2.2"});
  }
  SECTION("and is gone once it was not among the names") {
    bench.resolver.answers["gone.example.com"] = dns_failure("timeout");
    bench.names.set_names({kName, "gone.example.com"});
    bench.clock.settle();
    CHECK(bench.known["gone.example.com"].empty());
  }
}

TEST_CASE("ExternalNames: of what is restored, addresses that lead back here are not used",
          "[external_names]") {
  Bench before{/*allow_loopback=*/true};
  before.resolver.answers[kName] = dns_answer({"127.0.0.1", "192.0.2.1"});
  before.names.set_names({kName});
  before.clock.settle();

  Bench bench;
  bench.resolver.silent = {kName};
  bench.names.restore(before.names.known());
  bench.names.set_names({kName});
  bench.clock.settle();

  CHECK(bench.known[kName] == Texts{"192.0.2.1"});
}

TEST_CASE("ExternalNames: addresses that lead back here are not used, and that is told",
          "[external_names]") {
  Bench bench;
  bench.resolver.answers[kName] = dns_answer({"127.0.0.1", "192.0.2.1", "169.254.169.254", "::1"});

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
  bench.resolver.answers[kName] = dns_answer(many);

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
