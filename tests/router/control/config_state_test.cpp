// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_state.hpp"

#include <chrono>

#include <catch2/catch.hpp>

using namespace router::control;
using Outcome = ConfigState::Outcome;

namespace {
constexpr ConfigState::UtcTime kNow{std::chrono::seconds{1000}};
constexpr const char* kGood = "{version: 1, defaultNamespace: shop}";
constexpr const char* kOther = "{version: 1, defaultNamespace: other}";
constexpr const char* kWrong = "{version: 1, defaultNamespac: shop}";
}  // namespace

TEST_CASE("ConfigState: nothing is in force before the first look", "[config_state]") {
  const ConfigState state{"file x"};

  CHECK(state.document() == nullptr);
  CHECK_FALSE(state.status().valid);
  CHECK(state.status().origin == "file x");
}

TEST_CASE("ConfigState: without a configuration the defaults are in force", "[config_state]") {
  ConfigState state{"file x"};

  CHECK(state.see_absent() == Outcome::applied);
  CHECK(state.see_absent() == Outcome::unchanged);

  REQUIRE(state.document() != nullptr);
  CHECK(*state.document() == ConfigDocument{});
  CHECK(state.status().valid);
  CHECK_FALSE(state.status().present);
  CHECK(state.status().applied == 0);
  CHECK_FALSE(state.status().last_applied_at);
}

TEST_CASE("ConfigState: a good one is in force, once", "[config_state]") {
  ConfigState state{"file x"};

  CHECK(state.see(kGood, kNow) == Outcome::applied);
  CHECK(state.see(kGood, kNow + std::chrono::seconds{1}) == Outcome::unchanged);

  REQUIRE(state.document() != nullptr);
  CHECK(state.document()->default_namespace == "shop");
  CHECK(state.status().present);
  CHECK(state.status().valid);
  CHECK(state.status().applied == 1);
  CHECK(state.status().last_applied_at == kNow);
}

TEST_CASE("ConfigState: a wrong first one is not replaced by the defaults", "[config_state]") {
  ConfigState state{"file x"};

  CHECK(state.see(kWrong, kNow) == Outcome::rejected);

  CHECK(state.document() == nullptr);
  CHECK_FALSE(state.status().valid);
  CHECK(state.status().error.find("1:14: defaultNamespac: unknown field") == 0);
  CHECK(state.status().error_count == 1);
  CHECK(state.status().rejected == 1);
  REQUIRE(state.errors().size() == 1);
}

TEST_CASE("ConfigState: a wrong one leaves the last good one in force, until it is mended",
          "[config_state]") {
  ConfigState state{"file x"};
  REQUIRE(state.see(kGood, kNow) == Outcome::applied);

  CHECK(state.see(kWrong, kNow) == Outcome::rejected);
  CHECK(state.document()->default_namespace == "shop");
  CHECK_FALSE(state.status().valid);

  CHECK(state.see(kOther, kNow) == Outcome::applied);
  CHECK(state.document()->default_namespace == "other");
  CHECK(state.status().valid);
  CHECK(state.status().error.empty());
  CHECK(state.status().applied == 2);
  CHECK(state.status().rejected == 1);
}

TEST_CASE("ConfigState: going back to the last good one is news too", "[config_state]") {
  ConfigState state{"file x"};
  REQUIRE(state.see(kGood, kNow) == Outcome::applied);
  REQUIRE(state.see(kWrong, kNow) == Outcome::rejected);

  CHECK(state.see(kGood, kNow) == Outcome::applied);
  CHECK(state.status().valid);
}

TEST_CASE("ConfigState: a deleted one stays in force", "[config_state]") {
  ConfigState state{"file x"};
  REQUIRE(state.see(kGood, kNow) == Outcome::applied);

  CHECK(state.see_absent() == Outcome::gone);

  CHECK(state.document()->default_namespace == "shop");
  CHECK(state.status().present);
  CHECK(state.status().origin == "file x (gone; its last good content)");
  CHECK(state.see(kOther, kNow) == Outcome::applied);
  CHECK(state.status().origin == "file x");
}

TEST_CASE("ConfigState: deleting a wrong first one leaves the defaults", "[config_state]") {
  ConfigState state{"file x"};
  REQUIRE(state.see(kWrong, kNow) == Outcome::rejected);

  CHECK(state.see_absent() == Outcome::applied);

  REQUIRE(state.document() != nullptr);
  CHECK(*state.document() == ConfigDocument{});
  CHECK(state.status().valid);
}

TEST_CASE("ConfigState: a wrong one over the defaults leaves the defaults", "[config_state]") {
  ConfigState state{"file x"};
  REQUIRE(state.see_absent() == Outcome::applied);

  CHECK(state.see(kWrong, kNow) == Outcome::rejected);
  REQUIRE(state.document() != nullptr);
  CHECK(*state.document() == ConfigDocument{});

  CHECK(state.see_absent() == Outcome::gone);
  CHECK(state.status().valid);
  CHECK_FALSE(state.status().present);
}

TEST_CASE("ConfigState: what cannot be read is wrong, and told once", "[config_state]") {
  ConfigState state{"file x"};

  CHECK(state.see_unreadable("No such file or directory") == Outcome::rejected);
  CHECK(state.see_unreadable("No such file or directory") == Outcome::unchanged);

  CHECK(state.document() == nullptr);
  CHECK(state.status().error == "No such file or directory");
  CHECK(state.status().rejected == 1);
}
