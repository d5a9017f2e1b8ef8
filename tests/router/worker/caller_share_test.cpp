// SPDX-License-Identifier: Apache-2.0
#include "router/worker/caller_share.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace router {
namespace {

const auto kGreedy = boost::asio::ip::make_address("10.0.0.1");
const auto kPolite = boost::asio::ip::make_address("10.0.0.2");

/// One core without sockets, and the order in which its requests begin.
struct OneCore {
  explicit OneCore(ClientQuota& quota) : shares{loop, quota} {}
  /// Turns until nothing is left to do.
  void settle() {
    for (int i = 0; i < 20; ++i) {
      turn();
    }
  }
  void turn() { loop.turn(std::chrono::milliseconds{0}); }

  telemetry::CoreMetrics metrics;
  Loop loop{metrics};
  CallerShares shares;
  std::vector<std::string> begun;
};

class Request final : public CallerRequest {
 public:
  Request(OneCore& core, std::string name) : core_{core}, name_{std::move(name)} {}
  void on_turn() override { core_.begun.push_back(name_); }
  void end() { leave_caller(); }

 private:
  OneCore& core_;
  std::string name_;
};

/// A caller with a connection.
class Caller {
 public:
  Caller(OneCore& core, ClientQuota& quota, const boost::asio::ip::address& address)
      : core_{core}, place_{quota.take()} {
    static_cast<void>(place_.value().give_to(address));
    share = core.shares.of(address);
  }
  /// False if it was refused.
  bool send(const std::string& name) {
    Request& request = requests.emplace_back(core_, name);
    if (share->open(request).has_value()) {
      return false;
    }
    share->begin(request);
    return true;
  }
  void send(const std::string& name, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      REQUIRE(send(name));
    }
  }

 private:
  OneCore& core_;
  std::optional<ClientQuota::Place> place_;

 public:
  CallerSharePtr share;
  std::deque<Request> requests;
};

constexpr std::uint64_t kPlenty = 1'000'000;  // descriptors

/// A greedy caller and a polite one, on one core.
struct Neighbours {
  ClientQuota quota{kPlenty};
  OneCore core{quota};
  Caller greedy{core, quota, kGreedy};
  Caller polite{core, quota, kPolite};
};

/// A greedy caller on two cores, and a polite one on the first.
struct TwoCores {
  ClientQuota quota{kPlenty};
  OneCore one{quota};
  OneCore other{quota};
  Caller here{one, quota, kGreedy};
  Caller there{other, quota, kGreedy};
  Caller polite{one, quota, kPolite};

  void join(BufferBudget& budget) {
    one.loop.buffers().join(budget);
    other.loop.buffers().join(budget);
  }
};

constexpr std::size_t kPerTurn = CallerShare::kRequestsPerTurn;

/// How many of the first requests that began were of this name.
std::size_t count(const std::vector<std::string>& begun, const std::string& name) {
  return static_cast<std::size_t>(std::count(begun.begin(), begun.end(), name));
}

}  // namespace

TEST_CASE("CallerShare: a caller that is alone begins all that it has at once", "[worker]") {
  ClientQuota quota{kPlenty};
  OneCore core{quota};
  Caller only{core, quota, kGreedy};

  only.send("one", 10 * kPerTurn);

  CHECK(core.begun.size() == 10 * kPerTurn);
  CHECK(only.share->n_bytes_left() > Loop::kReadBytes);
}

TEST_CASE("CallerShare: beside others a caller has its share of each turn", "[worker]") {
  Neighbours setup;
  auto& [quota, core, greedy, polite] = setup;
  polite.send("first");  // it is active

  greedy.send("greedy", 3 * kPerTurn);
  polite.send("second");

  CHECK(core.begun.size() == kPerTurn + 2);
  CHECK(core.begun.back() == "second");
  CHECK(core.metrics.figure(telemetry::CoreFigure::requests_put_off).read() == 2 * kPerTurn);

  core.turn();  // what has begun outside of a turn ends with it
  core.turn();
  CHECK(count(core.begun, "greedy") == 2 * kPerTurn);
  polite.send("third");
  CHECK(core.begun.back() == "third");

  core.settle();
  CHECK(count(core.begun, "greedy") == 3 * kPerTurn);
}

TEST_CASE("CallerShare: what is put off begins in the order in which it came", "[worker]") {
  Neighbours setup;
  auto& [quota, core, greedy, polite] = setup;
  polite.send("polite");
  greedy.send("greedy", kPerTurn);
  for (const char* const name : {"a", "b", "c", "d"}) {
    greedy.send(name);
  }
  greedy.requests[kPerTurn + 1].end();  // b has been given up

  core.settle();

  const std::vector<std::string> last{core.begun.end() - 3, core.begun.end()};
  CHECK(last == std::vector<std::string>{"a", "c", "d"});
}

TEST_CASE("CallerShare: beside others a caller is read so far in each turn", "[worker]") {
  Neighbours setup;
  auto& [quota, core, greedy, polite] = setup;
  polite.send("polite");
  greedy.send("greedy", 1);

  greedy.share->count_bytes(CallerShare::kBytesPerTurn - 1);
  CHECK(greedy.share->n_bytes_left() == 1);
  greedy.share->count_bytes(1);
  CHECK(greedy.share->n_bytes_left() == 0);
  CHECK(polite.share->n_bytes_left() == CallerShare::kBytesPerTurn);

  core.settle();
  CHECK(greedy.share->n_bytes_left() == CallerShare::kBytesPerTurn);
}

TEST_CASE("CallerShare: a caller's open requests are counted over all cores", "[worker]") {
  TwoCores setup;
  auto& [quota, one, other, here, there, polite] = setup;
  here.send("here", ClientQuota::kMaxRequestsPerCaller - 1);
  one.settle();

  CHECK(there.send("the last"));
  CHECK_FALSE(there.send("one too many"));
  CHECK(here.send("before it could know"));  // the overshoot of a turn
  other.settle();
  CHECK_FALSE(here.send("one too many"));
  CHECK(polite.send("polite"));

  here.requests.front().end();
  here.requests[1].end();
  CHECK(here.send("one more"));
}

TEST_CASE("CallerShare: a caller that has most of a full memory begins nothing new, on any core",
          "[worker]") {
  BufferBudget budget;
  TwoCores setup;
  auto& [quota, one, other, here, there, polite] = setup;
  setup.join(budget);
  Caller far{other, quota, kPolite};
  here.send("here");
  there.send("there");
  CountedBytes body{here.share->buffers()};
  body.set(BufferBudget::kMaxBytes - 1);
  CHECK(one.loop.buffers().n_bytes() == BufferBudget::kMaxBytes - 1);
  one.settle();
  other.settle();

  CHECK(here.send("it is alone"));
  CHECK(polite.send("polite"));
  CHECK_FALSE(here.send("one more"));
  CHECK(there.send("it is alone there"));
  CHECK(far.send("polite"));
  CHECK_FALSE(there.send("one more"));
  CHECK(far.send("polite"));

  body.set(0);
  CHECK(here.send("now"));
}

TEST_CASE("CallerShare: while all memory is used nobody with much of it begins anything new",
          "[worker]") {
  BufferBudget budget;
  TwoCores setup;
  auto& [quota, one, other, here, there, polite] = setup;
  setup.join(budget);
  here.send("here");
  there.send("there");
  CountedBytes heads{here.share->buffers()};
  heads.set(BufferBudget::kMaxBytes - ClientQuota::kModestBytes);
  CountedBytes head{polite.share->buffers()};
  head.set(ClientQuota::kModestBytes);
  one.settle();

  CHECK_FALSE(here.send("one more"));
  CHECK_FALSE(there.send("one more"));
  CHECK_FALSE(polite.send("one more"));
  heads.set(BufferBudget::kMaxBytes);
  head.set(ClientQuota::kModestBytes - 1);
  CHECK(polite.send("polite"));
  CHECK_FALSE(here.send("one more"));
  heads.set(0);
  CHECK(here.send("now"));
}

TEST_CASE("CallerShare: what it held is given back with it, on all cores", "[worker]") {
  TwoCores cores;
  const auto totals = cores.quota.totals_of(kGreedy);
  {
    CountedBytes body{cores.here.share->buffers()};
    body.set(1000);
    cores.here.send("here");
    cores.here.requests.clear();
    cores.one.settle();
    REQUIRE(totals->bytes.read() == 1000);
  }

  cores.here.share.reset();

  CHECK(totals->bytes.read() == 0);
}

TEST_CASE("CallerShare: it is the same for as long as anybody holds it", "[worker]") {
  ClientQuota quota{kPlenty};
  OneCore core{quota};
  {
    Caller caller{core, quota, kGreedy};
    CHECK(core.shares.of(kGreedy) == caller.share);
    CHECK(core.shares.of(kPolite) != caller.share);
    caller.send("open");
    const CallerShare* const before = caller.share.get();
    caller.share.reset();
    CHECK(core.shares.of(kGreedy).get() == before);  // its request holds it
  }
  core.settle();

  Caller again{core, quota, kGreedy};
  again.send("again");
  CHECK(core.begun.back() == "again");
}

}  // namespace router
