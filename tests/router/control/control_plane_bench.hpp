// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/control_plane.hpp"
#include "tests/router/control/kube_objects.hpp"
#include "tests/router/control/scripted_resolver.hpp"
#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace test {

/// What the source did, and what it is to say; outlives it.
struct Script {
  bool started = false;
  bool stopped = false;
  std::vector<std::string> rechecked;  ///< Services and addresses
  std::vector<k8s_client::EventNote> events;
  bool events_fail = false;
  std::string services_error;
  std::string config_maps_error;
};

/// A source that leaves the stores to the test.
class ScriptedSource final : public k8s_client::Source {
 public:
  ScriptedSource(Script& script, const k8s_client::Stores& stores)
      : script_{script}, stores_{stores} {}

  void start() override { script_.started = true; }
  void stop() override { script_.stopped = true; }

  [[nodiscard]] std::vector<k8s_client::WatchStatus> status() const override {
    k8s_client::WatchStatus services;
    services.resource = "services";
    services.synced = stores_.services.is_synced();
    services.last_error = script_.services_error;
    k8s_client::WatchStatus config_maps;
    config_maps.resource = "configmaps";
    config_maps.synced = stores_.config_maps.is_synced();
    config_maps.last_error = script_.config_maps_error;
    return {services, config_maps};
  }

  [[nodiscard]] std::optional<std::string> doubt_about_config_map(
      const k8s_client::ConfigMap* /*known*/) const override {
    return std::nullopt;
  }

  void recheck_endpoint(const k8s_client::ObjectKey& service,
                        const boost::asio::ip::address& address) override {
    script_.rechecked.push_back(service.ns + "/" + service.name + " " + address.to_string());
  }

  [[nodiscard]] boost::asio::awaitable<k8s_client::Result<void>> create_event(
      k8s_client::EventNote note) override {
    script_.events.push_back(std::move(note));
    if (script_.events_fail) {
      co_return k8s_client::Failure{k8s_client::Errc::forbidden, "events is forbidden"};
    }
    co_return k8s_client::Result<void>{};
  }

 private:
  Script& script_;
  const k8s_client::Stores& stores_;
};

struct Logged {
  router::control::LogLevel level;
  std::string message;
  std::string error;
};

/// A control plane whose cluster, DNS and time belong to the test.
struct Bench {
  explicit Bench(router::control::ControlPlane::Options options = {})
      : control{
            loop.get_executor(),
            clock,
            resolver,
            std::move(options),
            [this](
                router::control::LogLevel level, std::string_view message, std::string_view error) {
              log.push_back({level, std::string{message}, std::string{error}});
            },
            {.on_snapshot =
                 [this](router::SnapshotPtr snapshot) {
                   was_ready_in_publish = control.is_ready();
                   published.push_back(std::move(snapshot));
                 },
             .on_ready =
                 [this] {
                   ++times_ready;
                   n_published_at_ready = published.size();
                   was_ready_when_told = control.status().ready;
                 }}} {}

  void start() {
    control.start(std::make_unique<ScriptedSource>(script, control.stores()));
    clock.settle();
  }

  void sync_cluster() {
    auto& stores = control.stores();
    stores.nodes.replace({});
    stores.pods.replace({});
    stores.services.replace({service("cart", {service_port(80)})});
    stores.endpoint_slices.replace({slice("cart-a", "cart", {endpoint("10.0.0.1")})});
    clock.advance(std::chrono::seconds{1});
  }

  /// Text of the ConfigMap; nothing: there is none.
  void sync_config(const std::optional<std::string>& text,
                   const std::string& ns = "nodeway-system") {
    std::vector<k8s_client::ConfigMap> objects;
    if (text) {
      objects.push_back(config_map(*text, ns));
    }
    control.stores().config_maps.replace(std::move(objects));
    clock.advance(std::chrono::seconds{1});
  }

  void put_config(const std::string& text) {
    control.stores().config_maps.put(config_map(text, "nodeway-system"));
    clock.advance(std::chrono::seconds{1});
  }

  static k8s_client::ConfigMap config_map(const std::string& text, const std::string& ns) {
    k8s_client::ConfigMap object;
    object.meta.key = {.ns = ns, .name = "nodeway"};
    object.meta.uid = "uid-of-config";
    object.data["nodeway.yaml"] = text;
    return object;
  }

  [[nodiscard]] router::Policy cart_policy() const {
    return published.back()->services.find("cart.shop")->ports.front().policy;
  }

  boost::asio::io_context loop;
  SimClock clock{loop};
  ScriptedResolver resolver;
  Script script;
  std::vector<Logged> log;
  std::vector<router::SnapshotPtr> published;
  bool was_ready_in_publish = false;
  int times_ready = 0;
  std::size_t n_published_at_ready = 0;
  bool was_ready_when_told = false;
  router::control::ControlPlane control;
};

inline const std::string kGood = "{version: 1, defaults: {timeout: {connect: 2s}}}";
inline const std::string kWrong = "version: 1\ndefaults: {timeout: {conect: 2s}}\n";

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace test
