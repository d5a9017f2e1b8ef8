// SPDX-License-Identifier: Apache-2.0
#include "router/control/control_plane.hpp"

#include "k8s_client/cancellation.hpp"
#include "router/control/builder.hpp"
#include "router/control/config_follower.hpp"
#include "router/control/publisher.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace router::control {

namespace asio = boost::asio;

namespace {

ConfigFollower::Options config_options(const ControlPlane::Options& options) {
  return {.config_namespace = options.config_namespace,
          .in_any_namespace = options.config_in_any_namespace,
          .file = options.config_file,
          .node = options.node,
          .seed = options.seed};
}

// What keeps a resource from being read.
std::string why_not_synced(const std::vector<k8s_client::WatchStatus>& watches) {
  for (const k8s_client::WatchStatus& watch : watches) {
    if (!watch.synced && !watch.last_error.empty()) {
      return ": " + watch.last_error;
    }
  }
  return "";
}

}  // namespace

struct ControlPlane::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor runs_on,
        k8s_client::Clock& time,
        Resolver& resolver,
        Options given,
        LogSink log_sink,
        Events told)
      : executor{std::move(runs_on)},
        clock{time},
        options{std::move(given)},
        log{std::move(log_sink)},
        events{std::move(told)},
        builder{options.node},
        config{executor,
               clock,
               config_options(options),
               stores.config_maps,
               log,
               [this](ConfigState::Outcome outcome) { on_config(outcome); }},
        publisher{executor, clock, [this] { build_and_publish(); }},
        external_names{executor, clock, resolver, options.allow_loopback, external_names_events()} {
    if (options.saved_view) {
      keeper.emplace(
          executor, clock, *options.saved_view, options.node, stores, external_names, log);
    }
  }

  void follow_stores();
  void await_pods(bool is_awaited);
  void keep_view(void (ViewKeeper::*keep)(const std::vector<k8s_client::WatchStatus>& watches,
                                          const ViewKeeper::ConfigMapPtr& config_map));
  void follow_external_names();
  [[nodiscard]] ExternalNames::Events external_names_events();
  void stop();
  void look_again();
  void on_config(ConfigState::Outcome outcome);
  void build_and_publish();
  void publish(SnapshotPtr next);
  void see_readiness();
  void copy_status();
  [[nodiscard]] std::string unread() const;
  [[nodiscard]] std::string why_not_ready() const;
  asio::awaitable<void> look_for_ever();

  asio::any_io_executor executor;
  k8s_client::Clock& clock;
  Options options;
  LogSink log;
  Events events;
  k8s_client::Stores stores;
  Builder builder;
  ConfigFollower config;
  std::optional<k8s_client::Clock::TimePoint> pods_awaited_until;
  std::optional<k8s_client::Clock::TimePoint> answers_awaited_until;  // with the first snapshot
  Publisher publisher;
  ExternalNames external_names;
  std::optional<ViewKeeper> keeper;
  std::unique_ptr<k8s_client::Source> source;
  asio::cancellation_signal cancel_status;
  bool is_stopped = false;

  // What other threads may see. The control plane holds no lock while it works.
  mutable std::mutex mutex;
  ControlStatus status;  // without `rows` and `services`, which are made from the snapshot
  SnapshotPtr snapshot;
  EndpointAges ages;
  std::atomic<bool> is_ready{false};
};

void ControlPlane::State::follow_stores() {
  stores.services.on_change([this](const auto& key, const auto& /*before*/, const auto& after) {
    builder.set_service(key, after);
    publisher.request();
  });
  stores.endpoint_slices.on_change(
      [this](const auto& key, const auto& /*before*/, const auto& after) {
        builder.set_slice(key, after);
        publisher.request();
      });
  stores.nodes.on_change([this](const auto& key, const auto& /*before*/, const auto& after) {
    if (key.name == options.node) {
      builder.set_zone(after ? after->zone : "");
      publisher.request();
    }
  });
  stores.pods.on_change([this](const auto& key, const auto& /*before*/, const auto& after) {
    builder.set_pod(key, after);
    publisher.request();
  });
  stores.services.on_synced([this] { publisher.request(); });
  stores.endpoint_slices.on_synced([this] { publisher.request(); });
  stores.nodes.on_synced([this] { publisher.request(); });
  stores.pods.on_synced([this] { await_pods(false); });
}

/// While this node's pods are those of a saved view, and their list may be about to come.
void ControlPlane::State::await_pods(bool is_awaited) {
  pods_awaited_until = is_awaited ? std::optional{clock.now() + kCallerWait} : std::nullopt;
  builder.await_pods(is_awaited);
  publisher.request();
}

ExternalNames::Events ControlPlane::State::external_names_events() {
  return {.on_addresses =
              [this](const std::string& name, std::vector<asio::ip::address> addresses) {
                builder.set_addresses(name, std::move(addresses));
                publisher.request();
              },
          .on_news =
              [this](const std::string& name, std::string_view error) {
                log(error.empty() ? LogLevel::info : LogLevel::warning,
                    fmt::format("external name {}{}", name, error.empty() ? " is well again" : ""),
                    error);
                publisher.request();  // it may be what readiness waits for
              }};
}

void ControlPlane::State::follow_external_names() {
  std::set<std::string> names;
  for (const auto& [name, ports] : config.document()->external_names) {
    names.insert(name);
  }
  external_names.set_names(names);
}

void ControlPlane::State::look_again() {
  config.look();
  if (pods_awaited_until && clock.now() >= *pods_awaited_until) {
    log(LogLevel::warning,
        "this node's Pods have not been listed in time: callers are told by the saved view",
        "");
    await_pods(false);
  }
  if (!is_ready) {
    publisher.request();  // the time for DNS may be over
  }
  keep_view(&ViewKeeper::look);
  copy_status();
}

void ControlPlane::State::keep_view(
    void (ViewKeeper::*keep)(const std::vector<k8s_client::WatchStatus>& watches,
                             const ViewKeeper::ConfigMapPtr& config_map)) {
  if (keeper && source && is_ready && stores.is_known()) {
    ((*keeper).*keep)(source->status(), config.config_map());
  }
}

void ControlPlane::State::on_config(ConfigState::Outcome outcome) {
  if (outcome == ConfigState::Outcome::applied) {
    builder.set_config(*config.document());
    follow_external_names();
  }
  publisher.request();
}

/// What of the cluster has not been read yet, for people; "" once all has been.
std::string ControlPlane::State::unread() const {
  std::string missing;
  for (const auto& [name, synced] : {std::pair{"Services", stores.services.is_known()},
                                     std::pair{"EndpointSlices", stores.endpoint_slices.is_known()},
                                     std::pair{"this Node", stores.nodes.is_known()},
                                     std::pair{"its Pods", stores.pods.is_known()}}) {
    missing += synced ? "" : fmt::format("{}{}", missing.empty() ? "" : ", ", name);
  }
  return missing;
}

void ControlPlane::State::build_and_publish() {
  if (keeper) {
    keeper->see_change();
  }
  if (unread().empty() && config.document() != nullptr) {
    if (SnapshotPtr next = builder.build()) {
      publish(std::move(next));
    }
  }
  see_readiness();  // after that, so that what DNS has answered is in force
  copy_status();
}

void ControlPlane::State::publish(SnapshotPtr next) {
  {
    const std::scoped_lock lock{mutex};
    snapshot = next;
    ages.see(*next, clock.now());
  }
  events.on_snapshot(std::move(next));
  if (!answers_awaited_until) {
    answers_awaited_until = clock.now() + kFirstAnswerWait;
  }
}

void ControlPlane::State::see_readiness() {
  if (is_ready || !answers_awaited_until) {
    return;
  }
  const std::vector<std::string> unanswered = external_names.unanswered();
  if (!unanswered.empty() && clock.now() < *answers_awaited_until) {
    return;
  }
  if (!unanswered.empty()) {
    log(LogLevel::warning,
        fmt::format("ready without an answer of DNS for {}", fmt::join(unanswered, ", ")),
        "");
  }
  is_ready = true;
  copy_status();  // first: whoever is told may ask
  events.on_ready();
}

std::string ControlPlane::State::why_not_ready() const {
  const std::string missing = unread();
  if (!missing.empty()) {
    return missing + " have not been read yet";
  }
  if (config.document() == nullptr) {
    return config.status().error.empty() ? config.status().origin + " has not been read yet"
                                         : config.status().origin + ": " + config.status().error;
  }
  if (!answers_awaited_until) {
    return "the first snapshot is being made";
  }
  return fmt::format("DNS has not answered yet for {}",
                     fmt::join(external_names.unanswered(), ", "));
}

void ControlPlane::State::copy_status() {
  ControlStatus next;
  if (source) {
    next.watches = source->status();
  }
  next.config = config.status();
  next.dns = external_names.status();
  next.saved_view = keeper ? keeper->status() : SavedViewStatus{};
  next.endpoints = builder.endpoint_counts();
  next.ready = is_ready;
  next.not_ready_reason = is_ready ? "" : why_not_ready() + why_not_synced(next.watches);
  const std::scoped_lock lock{mutex};
  next.generation = snapshot ? snapshot->generation : 0;
  status = std::move(next);
}

asio::awaitable<void> ControlPlane::State::look_for_ever() {
  while (!is_stopped) {
    co_await clock.sleep_for(kStatusInterval);
    if (!is_stopped) {
      look_again();
    }
  }
}

void ControlPlane::State::stop() {
  if (std::exchange(is_stopped, true)) {
    return;
  }
  publisher.stop();
  keep_view(&ViewKeeper::save);
  external_names.stop();
  cancel_status.emit(asio::cancellation_type::terminal);
  config.stop();
  if (source) {
    source->stop();
    // Here and not with the state, whose last owner may be a coroutine that the loop's end
    // destroys.
    source.reset();
  }
}

ControlPlane::ControlPlane(asio::any_io_executor executor,
                           k8s_client::Clock& clock,
                           Resolver& resolver,
                           Options options,
                           LogSink log,
                           Events events)
    : state_{std::make_shared<State>(std::move(executor),
                                     clock,
                                     resolver,
                                     std::move(options),
                                     std::move(log),
                                     std::move(events))} {
  state_->follow_stores();
  state_->copy_status();
}

ControlPlane::~ControlPlane() {
  stop();
}

k8s_client::Stores& ControlPlane::stores() noexcept {
  return state_->stores;
}

void ControlPlane::start(std::unique_ptr<k8s_client::Source> source) {
  state_->source = std::move(source);
  if (state_->keeper && state_->keeper->restore()) {
    state_->await_pods(!state_->stores.pods.is_synced());
  }
  state_->config.start(*state_->source);
  state_->source->start();
  // The handler holds the state for as long as the coroutine runs.
  auto on_end = [state = state_](const std::exception_ptr& thrown) {
    k8s_client::rethrow_unless_cancelled(thrown);
  };
  asio::co_spawn(state_->executor,
                 state_->look_for_ever(),
                 asio::bind_cancellation_slot(state_->cancel_status.slot(), std::move(on_end)));
}

void ControlPlane::recheck(const UnreachableEndpoint& endpoint) {
  if (state_->source) {
    state_->source->recheck_endpoint({endpoint.service_namespace, endpoint.service},
                                     endpoint.address);
  }
}

void ControlPlane::stop() {
  state_->stop();
}

ControlStatus ControlPlane::status() const {
  ControlStatus copy;
  SnapshotPtr snapshot;
  {
    const std::scoped_lock lock{state_->mutex};
    copy = state_->status;
    snapshot = state_->snapshot;
  }
  if (snapshot) {
    copy.rows = rows_of(*snapshot);
    copy.services = count_services(*snapshot);
  }
  return copy;
}

void ControlPlane::show_endpoints(const EndpointFilter& filter,
                                  const EndpointVisitor& visit) const {
  const std::scoped_lock lock{state_->mutex};
  state_->ages.show(filter, visit);
}

bool ControlPlane::is_ready() const {
  return state_->is_ready;
}

}  // namespace router::control
