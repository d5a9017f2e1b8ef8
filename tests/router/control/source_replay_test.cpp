// SPDX-License-Identifier: Apache-2.0
// Replays random histories of a cluster through an API server that is seldom well: once it is, the
// stores hold its objects, and the snapshot is the one that the rules give for them.
#include "k8s_client/reflector.hpp"
#include "k8s_client/store.hpp"
#include "k8s_client/store_sink.hpp"
#include "router/control/builder.hpp"
#include "tests/k8s_client/unreliable_server.hpp"
#include "tests/router/control/cluster_model.hpp"
#include "tests/router/control/random_objects.hpp"
#include "tests/support/chance.hpp"
#include "tests/support/seeds.hpp"
#include "tests/support/sim_clock.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using k8s_client::EndpointSlice;
using k8s_client::ObjectKey;
using k8s_client::Service;
using test::Chance;
using test::UnreliableServer;

namespace {

/// Changes of objects in a sequence, half of them before and half of them after a time of health.
constexpr int kChanges = 40;

/// The longest way back: 120 s of Retry-After, 30 s of pause, a watch that is silent for 150 s, and
/// as much again for a list that fails once more.
constexpr auto kRecovery = 15min;

/// One resource: what there is on the server, and what has become of it here.
template <class Object>
class Resource {
 public:
  Resource(const std::string& name, test::SimClock& clock, unsigned seed)
      : server{clock, seed}, sink_{store}, reflector_{name, server, sink_, clock, seed} {}

  void start(boost::asio::io_context& loop) {
    boost::asio::co_spawn(loop, reflector_.run(), boost::asio::detached);
  }

  void put(Object object) {
    object.meta.resource_version = server.put(object.meta.key, object.to_json());
    history_.emplace_back(object.meta.key, std::move(object));
  }

  void erase(const ObjectKey& key) {
    const std::size_t before = server.position();
    server.erase(key);
    if (server.position() != before) {
      history_.emplace_back(key, std::nullopt);
    }
  }

  void restore(std::size_t position) {
    server.restore(position);
    history_.resize(position);
  }

  /// What is on the server.
  [[nodiscard]] std::map<ObjectKey, Object> objects() const {
    std::map<ObjectKey, Object> objects;
    for (const auto& [key, object] : history_) {
      if (object) {
        objects.insert_or_assign(key, *object);
      } else {
        objects.erase(key);
      }
    }
    return objects;
  }

  [[nodiscard]] bool is_in_step() const {
    const std::map<ObjectKey, Object> expected = objects();
    return store.is_synced() && std::equal(expected.begin(),
                                           expected.end(),
                                           store.all().begin(),
                                           store.all().end(),
                                           [](const auto& one, const auto& stored) {
                                             return one.first == stored.first &&
                                                    one.second == *stored.second;
                                           });
  }

  UnreliableServer server;
  k8s_client::Store<Object> store;

 private:
  std::vector<std::pair<ObjectKey, std::optional<Object>>> history_;  // as long as the server's
  k8s_client::StoreSink<Object> sink_;
  k8s_client::Reflector reflector_;
};

/// A router's view of a cluster, from the API server to the snapshot, under one clock.
class ReplayRig {
 public:
  explicit ReplayRig(unsigned seed) : chance_{seed}, seed_{seed} {
    services.store.on_change([this](const auto& key, const auto& /*before*/, const auto& after) {
      builder_.set_service(key, after);
    });
    slices.store.on_change([this](const auto& key, const auto& /*before*/, const auto& after) {
      builder_.set_slice(key, after);
    });
    services.start(loop_);
    slices.start(loop_);
  }

  void storm() {
    services.server.fall_ill();
    slices.server.fall_ill();
    for (int change = 0; change < kChanges / 2; ++change) {
      happen();
      clock_.advance(pause());
      if (chance_.one_in(3)) {
        build();
      }
    }
  }

  void calm() {
    services.server.heal();
    slices.server.heal();
    clock_.advance(kRecovery);
    build();
  }

  [[nodiscard]] std::string expected() const {
    return test::ClusterModel{.services = services.objects(),
                              .slices = slices.objects(),
                              .node = test::kHere,
                              .zone = zone_}
        .text();
  }
  [[nodiscard]] const std::string& published() const { return published_; }

 private:
  void happen() {
    if (chance_.one_in(15)) {
      zone_ = objects_.zone();
      builder_.set_zone(zone_);
    } else if (chance_.one_in(3)) {
      const ObjectKey key = objects_.service_key();
      change(services, key, objects_.service(key));
    } else {
      const ObjectKey key = objects_.slice_key();
      change(slices, key, objects_.slice(key));
    }
  }

  template <class Object>
  void change(Resource<Object>& resource, const ObjectKey& key, Object object) {
    if (chance_.one_in(3)) {
      resource.server.compact();
    }
    if (chance_.one_in(40)) {
      const auto lost = static_cast<std::size_t>(chance_.below(4));
      resource.restore(resource.server.position() - std::min(lost, resource.server.position()));
    } else if (chance_.one_in(3)) {
      resource.erase(key);
    } else {
      resource.put(std::move(object));
    }
  }

  k8s_client::Clock::Duration pause() {
    const int kind = chance_.below(10);
    return kind < 3   ? 0ms
           : kind < 9 ? std::chrono::milliseconds{chance_.below(20'000)}
                      : std::chrono::milliseconds{chance_.below(300'000)};
  }

  void build() {
    if (const router::SnapshotPtr snapshot = builder_.build()) {
      published_ = test::text_of(*snapshot);
    }
  }

  Chance chance_;
  unsigned seed_;
  test::RandomObjects objects_{chance_};
  boost::asio::io_context loop_;
  test::SimClock clock_{loop_};
  router::control::Builder builder_{test::kHere};
  std::string zone_;
  std::string published_;

 public:
  // Other seeds than the rig's own, or servers and rig would decide in step.
  Resource<Service> services{"services", clock_, seed_ + 1'000'000};
  Resource<EndpointSlice> slices{"endpointslices", clock_, seed_ + 2'000'000};
};

}  // namespace

TEST_CASE("Replay: whatever the API server does, its objects are routed by once it is well",
          "[replay][property]") {
  const auto seed = GENERATE(test::seeds(300, 10'000));
  CAPTURE(seed);
  ReplayRig rig{seed};

  for (int round = 1; round <= 2; ++round) {
    CAPTURE(round);
    rig.storm();
    rig.calm();

    REQUIRE(rig.services.is_in_step());
    REQUIRE(rig.slices.is_in_step());
    REQUIRE(rig.published() == rig.expected());
  }
}

TEST_CASE("Replay: the API server does all that it may do wrong", "[replay]") {
  UnreliableServer::Deeds deeds{};
  for (unsigned seed = 1; seed <= 100; ++seed) {
    ReplayRig rig{seed};
    rig.storm();
    rig.calm();
    for (std::size_t deed = 0; deed < deeds.size(); ++deed) {
      deeds.at(deed) += rig.services.server.deeds().at(deed) + rig.slices.server.deeds().at(deed);
    }
  }

  for (std::size_t deed = 0; deed < deeds.size(); ++deed) {
    CAPTURE(deed);
    CHECK(deeds.at(deed) >= 5);
  }
}
