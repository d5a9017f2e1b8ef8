// SPDX-License-Identifier: Apache-2.0
// Holds snapshots against a model that knows no history: after any sequence of events, the snapshot
// must be the one that the objects there are at that moment give.
#include "router/control/builder.hpp"
#include "tests/router/control/cluster_model.hpp"
#include "tests/router/control/random_objects.hpp"
#include "tests/support/chance.hpp"
#include "tests/support/seeds.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace router;
using namespace router::control;
using k8s_client::EndpointSlice;
using k8s_client::ObjectKey;
using test::Chance;
using test::ClusterModel;
using test::kHere;
using test::RandomObjects;
using test::text_of;

namespace {

constexpr int kEvents = 200;

/// Lets one event happen to both.
void happen(Chance& chance, ClusterModel& model, Builder& builder) {
  RandomObjects objects{chance};
  if (chance.one_in(50)) {
    model.zone = objects.zone();
    builder.set_zone(model.zone);
    return;
  }
  const bool is_deletion = chance.one_in(3);
  if (chance.one_in(3)) {
    const ObjectKey key = objects.service_key();
    model.services.erase(key);
    if (is_deletion) {
      builder.set_service(key, nullptr);
      return;
    }
    const k8s_client::Service& made = model.services[key] = objects.service(key);
    builder.set_service(key, std::make_shared<const k8s_client::Service>(made));
    return;
  }
  const ObjectKey key = objects.slice_key();
  model.slices.erase(key);
  if (is_deletion) {
    builder.set_slice(key, nullptr);
    return;
  }
  const EndpointSlice& made = model.slices[key] = objects.slice(key);
  builder.set_slice(key, std::make_shared<const EndpointSlice>(made));
}

/// Every port keeps the id that it got first, and ids have no gaps.
class IdCheck {
 public:
  [[nodiscard]] bool holds(const Snapshot& snapshot) {
    bool is_kept = true;
    snapshot.services.for_each([&](const Service& service) {
      for (const ServicePort& port : service.ports) {
        const auto [known, is_new] =
            ids_.emplace(std::pair{full_name(service), port.number}, port.id);
        used_.insert(port.id);
        is_kept =
            is_kept && known->second == port.id && snapshot.services.with_port(port.id) == &service;
      }
    });
    // Ids that were given out between two snapshots may not have been seen; 6 Services of 3 ports.
    return is_kept && used_.size() == ids_.size() && (used_.empty() || *used_.rbegin() < 18);
  }

 private:
  std::map<std::pair<std::string, std::uint16_t>, ClusterId> ids_;
  std::set<ClusterId> used_;
};

}  // namespace

TEST_CASE("Builder: any history ends in what the objects of the moment give",
          "[builder][property]") {
  const auto seed = GENERATE(test::seeds(300, 3000));
  CAPTURE(seed);
  Chance chance{seed};
  ClusterModel model{.node = kHere};
  Builder builder{kHere};
  IdCheck ids;
  std::optional<std::string> last;

  for (int event = 0; event < kEvents; ++event) {
    CAPTURE(event);
    happen(chance, model, builder);
    if (!chance.one_in(5) && event != kEvents - 1) {
      continue;  // several changes go into one snapshot
    }
    const SnapshotPtr snapshot = builder.build();
    const std::string expected = model.text();

    REQUIRE(static_cast<bool>(snapshot) == (last != expected));  // published if and only if needed
    if (snapshot) {
      REQUIRE(text_of(*snapshot) == expected);
      REQUIRE(ids.holds(*snapshot));
      last = expected;
    }
  }
}

namespace {

/// One Service, all of its slices, and where this router is; `model` and `builder` get the same.
class StandAlone {
 public:
  explicit StandAlone(Chance& chance)
      : chance_{chance}, model{.node = chance.one_in(10) ? "" : kHere}, builder{model.node} {
    model.zone = objects_.zone();
    builder.set_zone(model.zone);
    add_service();
    const RandomObjects::Lean lean{.hints_nodes = chance.one_in(2),
                                   .hints_zones = chance.one_in(2),
                                   .has_no_ready = chance.one_in(3),
                                   .hosts = 8};
    for (int i = chance.below(5); i > 0; --i) {
      add_slice(fmt::format("slice-{}", i), lean);
    }
  }

  [[nodiscard]] const k8s_client::Service& service() const {
    return model.services.begin()->second;
  }

 private:
  void add_service() {
    const ObjectKey key = objects_.service_key();
    const k8s_client::Service& made = model.services[key] = objects_.service(key);
    builder.set_service(key, std::make_shared<const k8s_client::Service>(made));
  }

  void add_slice(const std::string& name, const RandomObjects::Lean& lean) {
    const ObjectKey key{.ns = service().meta.key.ns, .name = name};
    EndpointSlice& made = model.slices[key] = objects_.slice(key, lean);
    made.service_name = service().meta.key.name;
    made.service_uid = chance_.one_in(10) ? "" : service().meta.uid;
    builder.set_slice(key, std::make_shared<const EndpointSlice>(made));
  }

  Chance& chance_;
  RandomObjects objects_{chance_};

 public:
  ClusterModel model;
  Builder builder;
};

/// How many ports were selected for by each rule.
class RuleCounts {
 public:
  void add(const StandAlone& one) {
    for (const k8s_client::ServicePort& port : one.service().ports) {
      ++counts_.at(static_cast<std::size_t>(one.model.chosen(one.service(), port.name).rule));
    }
  }

  [[nodiscard]] int fewest() const { return *std::min_element(counts_.begin(), counts_.end()); }

 private:
  std::array<int, static_cast<std::size_t>(ClusterModel::Rule::count)> counts_{};
};

}  // namespace

TEST_CASE("Builder: endpoints are selected by kube-proxy's rules, whatever Service and slices say",
          "[builder][property]") {
  RuleCounts rules;
  for (unsigned seed = 1; seed <= 4000; ++seed) {
    CAPTURE(seed);
    Chance chance{seed};
    StandAlone one{chance};

    const SnapshotPtr snapshot = one.builder.build();

    REQUIRE(text_of(*snapshot) == one.model.text());
    rules.add(one);
  }
  CHECK(rules.fewest() >= 20);  // none of the rules goes untested
}
