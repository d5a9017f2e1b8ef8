// SPDX-License-Identifier: Apache-2.0
#include "router/worker/fair_queue.hpp"

#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::FairQueue;
using router::FairWaiter;
using router::TimePoint;

namespace {

constexpr TimePoint kStart = TimePoint{} + 1h;

struct Waiter : FairWaiter<class Waiters> {
  explicit Waiter(std::string its_name) : name{std::move(its_name)} {}
  std::string name;
};

/// A queue, with requests named after their callers.
class Queue {
 public:
  /// `name` begins with its caller's letter.
  Waiter& push(const std::string& name, std::chrono::milliseconds until = 1s) {
    Waiter& made = *waiters_.emplace_back(std::make_unique<Waiter>(name));
    queue.push(made, {.caller = &callers_[name[0]], .until = kStart + until});
    return made;
  }
  Waiter& push_repetition(const std::string& name, std::chrono::milliseconds until = 1s) {
    Waiter& made = *waiters_.emplace_back(std::make_unique<Waiter>(name));
    queue.push(made,
               {.caller = &callers_[name[0]], .until = kStart + until, .is_repetition = true});
    return made;
  }
  /// One that was popped.
  void put_back(Waiter& waiter) {
    queue.put_back(waiter, {.caller = &callers_[waiter.name[0]], .until = kStart});
  }
  /// All that wait, in their order.
  std::string drain() {
    std::string names;
    while (!queue.empty()) {
      names += queue.pop().name + " ";
    }
    return names;
  }
  void destroy(const Waiter& waiter) {
    waiters_.remove_if([&waiter](const auto& each) { return each.get() == &waiter; });
  }

  FairQueue<Waiter, Waiters> queue;

 private:
  std::map<char, char> callers_;
  std::list<std::unique_ptr<Waiter>> waiters_;
};

}  // namespace

TEST_CASE("FairQueue: callers are served in turn, however many requests one has", "[worker]") {
  Queue queue;
  for (const char* const name : {"a1", "a2", "a3", "a4", "b1", "b2", "c1"}) {
    queue.push(name);
  }

  CHECK(queue.drain() == "a1 b1 c1 a2 b2 a3 a4 ");
}

TEST_CASE("FairQueue: who comes late waits for one request of each other caller", "[worker]") {
  Queue queue;
  for (const char* const name : {"a1", "a2", "b1", "b2"}) {
    queue.push(name);
  }
  CHECK(queue.queue.pop().name == "a1");

  queue.push("c1");

  CHECK(queue.drain() == "b1 a2 c1 b2 ");
}

TEST_CASE(
    "FairQueue: of one caller the request whose wait ends first is the first, of equals the "
    "one that came first",
    "[worker]") {
  Queue queue;
  queue.push("a-patient", 3s);
  queue.push("a-hasty", 1s);
  queue.push("a-first", 2s);
  queue.push("a-second", 2s);
  queue.push("b-hastier", 500ms);

  CHECK(queue.drain() == "a-hasty b-hastier a-first a-second a-patient ");
}

TEST_CASE("FairQueue: repetitions wait until no first try does, whoever's it is", "[worker]") {
  Queue queue;
  queue.push_repetition("a-retry", 1ms);
  queue.push_repetition("a-retry-too", 2ms);
  queue.push("b1");
  queue.push_repetition("b-retry");
  queue.push("a1", 3s);

  CHECK(queue.queue.has_more_than(4));
  CHECK(queue.drain() == "b1 a1 a-retry b-retry a-retry-too ");
}

TEST_CASE("FairQueue: of the caller with most, a repetition is crowded out first", "[worker]") {
  Queue queue;
  queue.push_repetition("a-retry");
  for (const char* const name : {"a1", "a2", "b1"}) {
    queue.push(name);
  }

  CHECK(queue.queue.last_of_most().name == "a-retry");
}

TEST_CASE("FairQueue: one that is put back is the next one", "[worker]") {
  Queue queue;
  for (const char* const name : {"a1", "b1", "b2"}) {
    queue.push(name);
  }
  Waiter& first = queue.queue.pop();

  queue.put_back(first);

  CHECK(queue.drain() == "a1 b1 b2 ");
}

TEST_CASE("FairQueue: whoever leaves is forgotten", "[worker]") {
  Queue queue;
  Waiter& only = queue.push("a1");
  queue.push("b1");
  Waiter& second = queue.push("b2");
  queue.destroy(only);
  queue.destroy(second);
  CHECK_FALSE(queue.queue.has_more_than(1));

  queue.push("a2");

  CHECK(queue.queue.has_more_than(1));
  CHECK(queue.drain() == "b1 a2 ");
  CHECK(queue.queue.empty());
}

TEST_CASE("FairQueue: the last one is that of the caller with most", "[worker]") {
  Queue queue;
  for (const char* const name : {"a1", "b1", "b2", "b3", "c1"}) {
    queue.push(name);
  }
  queue.push("b-hasty", 1ms);

  CHECK(queue.queue.last_of_most().name == "b3");
}

TEST_CASE("FairQueue: at random, nobody waits for two requests of a caller between two of its own",
          "[worker]") {
  std::mt19937 random{7};
  Queue queue;
  for (int i = 0; i < 2000; ++i) {
    queue.push(std::string(1, static_cast<char>('a' + random() % 5)));
  }

  std::map<std::string, int> served;
  std::size_t n_callers_seen = 0;
  while (!queue.queue.empty()) {
    ++served[queue.queue.pop().name];
    // A round is over: all have had the same, but those who have none left.
    if (++n_callers_seen % 5 == 0 && n_callers_seen < 1500) {
      for (const auto& [caller, n] : served) {
        CAPTURE(caller);
        CHECK(n == static_cast<int>(n_callers_seen / 5));
      }
    }
  }
  CHECK(n_callers_seen == 2000);
}
