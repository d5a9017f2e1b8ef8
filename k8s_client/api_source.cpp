// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/api_source.hpp"

#include "k8s_client/api_connection.hpp"
#include "k8s_client/auditor.hpp"
#include "k8s_client/cancellation.hpp"
#include "k8s_client/create_event.hpp"
#include "k8s_client/http_list_watch.hpp"
#include "k8s_client/reflector.hpp"
#include "k8s_client/store_sink.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

namespace k8s_client {

namespace asio = boost::asio;

namespace {

/// All that one resource needs; the members refer to each other, so it stays where it is.
template <class Object>
struct Followed {
  Followed(std::string resource,
           std::string path,
           const ApiSource::Options& options,
           Store<Object>& store,
           Clock& clock)
      : connection{options.server, clock},
        list_watch{std::move(path), connection},
        audit_connection{options.server, clock},
        audit_lister{list_watch.path(), audit_connection, HttpListWatch::Form::audit},
        sink{store},
        auditor{audit_lister, sink, clock, ~options.seed ^ std::hash<std::string>{}(resource)},
        // The same seed would make the resources of one node retry in step.
        reflector{resource,
                  list_watch,
                  sink,
                  clock,
                  options.seed ^ std::hash<std::string>{}(resource),
                  options.notices,
                  &auditor} {}

  ApiConnection connection;
  HttpListWatch list_watch;
  ApiConnection audit_connection;  // open only while it is used
  HttpListWatch audit_lister;
  StoreSink<Object> sink;
  Auditor auditor;
  Reflector reflector;
  asio::cancellation_signal cancel;
};

std::string node_path(const std::string& node) {
  return "/api/v1/nodes?fieldSelector=metadata.name%3D" + node;
}

std::string pods_path(const std::string& node) {
  return "/api/v1/pods?fieldSelector=spec.nodeName%3D" + node;
}

/// The same for all resources of a node, so that it is paid once until all of them are seen.
Clock::Duration start_delay(const ApiSource::Options& options) {
  std::mt19937_64 rng{options.seed};
  const Clock::Duration at_most = options.max_start_delay;
  return Clock::Duration{
      std::uniform_int_distribution<Clock::Duration::rep>{0, at_most.count()}(rng)};
}

asio::awaitable<void> run_after(Clock::Duration delay, Clock& clock, Reflector& reflector) {
  if (delay > Clock::Duration::zero()) {
    co_await clock.sleep_for(delay);
  }
  co_await reflector.run();
}

}  // namespace

std::string config_map_path(const ObjectKey& key) {
  return "/api/v1/namespaces/" + key.ns + "/configmaps?fieldSelector=metadata.name%3D" + key.name;
}

struct ApiSource::State {
  State(asio::any_io_executor runs_on, Options given, Stores& stores, Clock& time)
      : executor{std::move(runs_on)},
        options{std::move(given)},
        clock{time},
        slice_store{stores.endpoint_slices},
        services{"services", "/api/v1/services", options, stores.services, time},
        slices{"endpointslices",
               "/apis/discovery.k8s.io/v1/endpointslices",
               options,
               stores.endpoint_slices,
               time},
        config_maps{
            "configmaps", config_map_path(options.config_map), options, stores.config_maps, time} {
    if (options.node.empty()) {
      stores.nodes.replace({});
      stores.pods.replace({});
    } else {
      node.emplace("nodes", node_path(options.node), options, stores.nodes, time);
      pods.emplace("pods", pods_path(options.node), options, stores.pods, time);
    }
  }

  template <class Visit>
  void for_each(const Visit& visit) {
    visit(services);
    visit(slices);
    visit(config_maps);
    if (node) {
      visit(*node);
      visit(*pods);
    }
  }

  asio::any_io_executor executor;
  Options options;
  Clock& clock;
  const Store<EndpointSlice>& slice_store;
  Followed<Service> services;
  Followed<EndpointSlice> slices;
  Followed<ConfigMap> config_maps;
  std::optional<Followed<Node>> node;  // with the pods, or neither
  std::optional<Followed<Pod>> pods;
};

ApiSource::ApiSource(asio::any_io_executor executor, Options options, Stores& stores, Clock& clock)
    : state_{std::make_shared<State>(std::move(executor), std::move(options), stores, clock)} {}

ApiSource::~ApiSource() {
  ApiSource::stop();
}

void ApiSource::start() {
  const Clock::Duration delay = start_delay(state_->options);
  state_->for_each([this, delay](auto& followed) {
    // The handler holds the state for as long as the coroutine runs.
    auto on_end = [state = state_](const std::exception_ptr& thrown) {
      rethrow_unless_cancelled(thrown);
    };
    asio::co_spawn(state_->executor,
                   run_after(delay, state_->clock, followed.reflector),
                   asio::bind_cancellation_slot(followed.cancel.slot(), std::move(on_end)));
  });
}

void ApiSource::stop() {
  state_->for_each([](auto& followed) {
    followed.reflector.stop();
    followed.cancel.emit(asio::cancellation_type::terminal);
  });
}

std::vector<WatchStatus> ApiSource::status() const {
  std::vector<WatchStatus> all;
  state_->for_each([&all](const auto& followed) { all.push_back(followed.reflector.status()); });
  return all;
}

void ApiSource::recheck_endpoint(const ObjectKey& service, const asio::ip::address& address) {
  const auto has_it = [&address](const SliceEndpoint& endpoint) {
    error_code failed;
    return asio::ip::make_address(endpoint.address, failed) == address && !failed;
  };
  const auto& all = state_->slice_store.all();
  for (auto slice = all.lower_bound({service.ns, ""});
       slice != all.end() && slice->first.ns == service.ns;
       ++slice) {
    const auto& endpoints = slice->second->endpoints;
    if (slice->second->service_name == service.name &&
        std::any_of(endpoints.begin(), endpoints.end(), has_it)) {
      state_->slices.auditor.recheck_soon(slice->first);
    }
  }
}

asio::awaitable<Result<void>> ApiSource::create_event(EventNote note) {
  // A connection of its own, since those of the reflectors are busy watching; and the state of its
  // own, since the source may be gone before the answer.
  const std::shared_ptr<State> state = state_;
  ApiConnection connection{state->options.server, state->clock};
  co_return co_await k8s_client::create_event(connection, std::move(note), state->clock.utc_now());
}

}  // namespace k8s_client
