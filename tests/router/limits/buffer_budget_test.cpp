// SPDX-License-Identifier: Apache-2.0
#include "router/limits/buffer_budget.hpp"

#include <catch2/catch.hpp>

using router::BufferBudget;
using router::BufferShare;
using router::CountedBytes;
using router::Pressure;

namespace {

constexpr std::size_t kNarrowAt = BufferBudget::kNarrowAtBytes;

}  // namespace

TEST_CASE("BufferBudget: the pressure is that of all cores together", "[limits]") {
  BufferBudget budget;
  BufferShare one;
  BufferShare other;
  one.join(budget);
  other.join(budget);

  one.add(kNarrowAt / 4);
  CHECK_FALSE(one.post());
  other.add(kNarrowAt / 4);
  CHECK_FALSE(other.post());
  CHECK(other.pressure() == Pressure::high);
  other.add(kNarrowAt / 2);
  CHECK(other.post());
  CHECK(other.pressure() == Pressure::full);
  CHECK(one.post());  // hears of it in its next turn
  CHECK(one.pressure() == Pressure::full);
  CHECK_FALSE(one.post());  // once
}

TEST_CASE("BufferBudget: windows grow by so much together, and by what was given back",
          "[limits]") {
  BufferBudget budget;
  BufferShare one;
  BufferShare other;
  one.join(budget);
  other.join(budget);

  CHECK(one.grow(BufferBudget::kMaxGrownBytes - 100));
  CHECK_FALSE(other.grow(101));
  CHECK(other.grow(100));
  CHECK_FALSE(one.grow(1));

  one.shrink(50);
  CHECK(other.grow(50));
  CHECK_FALSE(other.grow(1));
}

TEST_CASE("BufferBudget: it ends a quarter below where it began", "[limits]") {
  BufferShare share;
  share.add(kNarrowAt);
  share.post();

  share.subtract(kNarrowAt / 4);
  share.post();
  CHECK(share.pressure() == Pressure::full);
  share.subtract(1);
  share.post();
  CHECK(share.pressure() == Pressure::high);
  share.subtract(kNarrowAt / 2);
  share.post();
  CHECK(share.pressure() == Pressure::none);
}

TEST_CASE("BufferBudget: a buffer counts with what is in it, until it is gone", "[limits]") {
  BufferShare share;
  {
    CountedBytes buffer{share};
    buffer.set(100);
    CHECK(share.n_bytes() == 100);
    buffer.set(30);
    CHECK(share.n_bytes() == 30);
  }
  CHECK(share.n_bytes() == 0);
}
