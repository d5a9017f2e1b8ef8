// SPDX-License-Identifier: Apache-2.0
#include "router/control/control_plane.hpp"

#include "k8s_client/cancellation.hpp"
#include "router/control/builder.hpp"
#include "router/control/config_file.hpp"
#include "router/control/config_map.hpp"
#include "router/control/dns_resolver.hpp"
#include "router/control/external_names.hpp"
#include "router/control/publisher.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace router::control {

namespace asio = boost::asio;

namespace {

/// `--config` is read this often. By content and not by inotify, since it may be a link into a
/// mount that kubelet swaps, or lie on a file system that tells of no changes; it is a few
/// kilobytes.
constexpr std::chrono::seconds kConfigFileInterval{1};

std::string origin_of(const ControlPlane::Options& options) {
  return options.config_file
             ? "file " + options.config_file->string()
             : fmt::format("ConfigMap {}/{}", options.config_namespace, kConfigMapName);
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

std::string joined(const std::vector<ConfigError>& errors) {
  std::string text;
  for (const ConfigError& error : errors) {
    text += (text.empty() ? "" : "; ") + error.text();
  }
  return text;
}

}  // namespace

struct ControlPlane::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor runs_on,
        k8s_client::Clock& time,
        Options given,
        LogSink log_sink,
        Publish publish_snapshot)
      : executor{std::move(runs_on)},
        clock{time},
        options{std::move(given)},
        log{std::move(log_sink)},
        publish{std::move(publish_snapshot)},
        builder{options.node},
        config{origin_of(options)},
        rng{options.seed},
        publisher{executor, clock, [this] { build_and_publish(); }},
        resolver{executor, options.dns_servers},
        external_names{executor, clock, resolver, options.allow_loopback, external_names_events()} {
    if (options.saved_view) {
      keeper.emplace(executor, clock, *options.saved_view, options.node, stores, log);
    }
  }

  void follow_stores();
  void restore();
  void await_pods(bool is_awaited);
  void keep_view(void (ViewKeeper::*keep)(const std::vector<k8s_client::WatchStatus>& watches,
                                          const ViewKeeper::ConfigMapPtr& config_map));
  void follow_external_names();
  [[nodiscard]] ExternalNames::Events external_names_events();
  void stop();
  void read_config_map();
  void read_config_file();
  void look_again();
  void on_config(ConfigState::Outcome outcome);
  void post_event(const std::string& message);
  static asio::awaitable<void> make_event(std::shared_ptr<State> state, k8s_client::EventNote note);
  void build_and_publish();
  void copy_status();
  [[nodiscard]] std::string unread() const;
  [[nodiscard]] std::string why_not_ready() const;
  [[nodiscard]] k8s_client::Store<k8s_client::ConfigMap>::Pointer find_config_map() const;
  asio::awaitable<void> repeat(std::chrono::seconds interval, void (State::*act)());

  asio::any_io_executor executor;
  k8s_client::Clock& clock;
  Options options;
  LogSink log;
  Publish publish;
  k8s_client::Stores stores;
  Builder builder;
  ConfigState config;
  k8s_client::Store<k8s_client::ConfigMap>::Pointer good_config_map;  // of `config.document()`
  std::optional<ViewKeeper> keeper;
  std::optional<k8s_client::Clock::TimePoint> pods_awaited_until;
  std::mt19937_64 rng;
  Publisher publisher;
  DnsResolver resolver;
  ExternalNames external_names;
  std::unique_ptr<k8s_client::Source> source;
  asio::cancellation_signal cancel_status;
  asio::cancellation_signal cancel_file;
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
  if (options.config_file) {
    return;
  }
  stores.config_maps.on_change([this](const auto& /*key*/, const auto& /*before*/, const auto&) {
    if (stores.config_maps.is_synced()) {
      read_config_map();
    }
  });
  stores.config_maps.on_synced([this] { read_config_map(); });
}

void ControlPlane::State::restore() {
  if (!keeper || !keeper->restore()) {
    return;
  }
  await_pods(!stores.pods.is_synced());
  if (!options.config_file) {
    read_config_map();
  }
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
              }};
}

void ControlPlane::State::follow_external_names() {
  std::set<std::string> names;
  for (const auto& [name, ports] : config.document()->external_names) {
    names.insert(name);
  }
  external_names.set_names(names);
}

k8s_client::Store<k8s_client::ConfigMap>::Pointer ControlPlane::State::find_config_map() const {
  auto found = stores.config_maps.find(
      {.ns = options.config_namespace, .name = std::string{kConfigMapName}});
  if (found || !options.config_in_any_namespace) {
    return found;
  }
  for (const auto& [key, config_map] : stores.config_maps.all()) {
    if (key.name == kConfigMapName) {
      return config_map;
    }
  }
  return nullptr;
}

void ControlPlane::State::read_config_map() {
  const auto config_map = find_config_map();
  const auto doubt = source ? source->doubt_about_config_map(config_map.get()) : std::nullopt;
  if (doubt) {
    on_config(config.see_unreadable(*doubt));
    return;
  }
  if (!config_map) {
    on_config(config.see_absent());
    return;
  }
  const auto document = document_of(*config_map);
  const auto outcome = document ? config.see(*document, clock.utc_now())
                                : config.see_unreadable(document.error().message());
  if (outcome == ConfigState::Outcome::applied) {
    good_config_map = config_map;
  }
  on_config(outcome);
}

void ControlPlane::State::read_config_file() {
  const auto text = control::read_config_file(*options.config_file);
  on_config(text ? config.see(*text, clock.utc_now())
                 : config.see_unreadable(text.error().message()));
}

// A file that breaks, or is mended to what it was, changes no store.
void ControlPlane::State::look_again() {
  if (!options.config_file && stores.config_maps.is_synced()) {
    read_config_map();
  }
  if (pods_awaited_until && clock.now() >= *pods_awaited_until) {
    log(LogLevel::warning,
        "this node's Pods have not been listed in time: callers are told by the saved view",
        "");
    await_pods(false);
  }
  keep_view(&ViewKeeper::look);
  copy_status();
}

void ControlPlane::State::keep_view(
    void (ViewKeeper::*keep)(const std::vector<k8s_client::WatchStatus>& watches,
                             const ViewKeeper::ConfigMapPtr& config_map)) {
  if (keeper && source && is_ready && stores.is_known()) {
    ((*keeper).*keep)(source->status(), options.config_file ? find_config_map() : good_config_map);
  }
}

void ControlPlane::State::on_config(ConfigState::Outcome outcome) {
  const ConfigStatus& now = config.status();
  switch (outcome) {
    case ConfigState::Outcome::unchanged:
      return;
    case ConfigState::Outcome::applied:
      builder.set_config(*config.document());
      follow_external_names();
      log(LogLevel::info,
          now.present ? now.origin + " is in force"
                      : "there is no " + now.origin + ": the defaults are in force",
          "");
      break;
    case ConfigState::Outcome::rejected:
      log(LogLevel::error,
          fmt::format("{} is wrong; {}",
                      now.origin,
                      config.document() == nullptr ? "not ready until it is mended"
                                                   : "the last good configuration stays in force"),
          joined(config.errors()));
      post_event(joined(config.errors()));
      break;
    case ConfigState::Outcome::gone:
      log(LogLevel::warning,
          origin_of(options) + " is gone; the last good configuration stays in force",
          "");
      break;
  }
  publisher.request();
}

void ControlPlane::State::post_event(const std::string& message) {
  const auto config_map = options.config_file ? nullptr : find_config_map();
  if (!config_map || !source) {
    return;
  }
  k8s_client::EventNote note{.type = k8s_client::EventNote::Type::warning,
                             .about = config_map->meta,
                             .reason = "InvalidConfiguration",
                             .message = message,
                             .reporter = options.node};
  asio::co_spawn(executor, make_event(shared_from_this(), std::move(note)), asio::detached);
}

asio::awaitable<void> ControlPlane::State::make_event(std::shared_ptr<State> state,
                                                      k8s_client::EventNote note) {
  std::uniform_int_distribution<k8s_client::Clock::Duration::rep> anywhere{
      0, k8s_client::Clock::Duration{kMaxEventDelay}.count()};
  co_await state->clock.sleep_for(k8s_client::Clock::Duration{anywhere(state->rng)});
  const bool is_past = joined(state->config.errors()) != note.message;
  if (!state->source || is_past) {
    co_return;  // stopped, mended, or wrong in another way meanwhile
  }
  const k8s_client::Result<void> made = co_await state->source->create_event(std::move(note));
  if (!made && !state->is_stopped) {
    state->log(
        LogLevel::warning, "cannot make an Event about the configuration", made.error().message());
  }
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
      {
        const std::scoped_lock lock{mutex};
        snapshot = next;
        ages.see(*next, clock.now());
      }
      publish(std::move(next));
      is_ready = true;
    }
  }
  copy_status();
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
  return "the first snapshot is being made";
}

void ControlPlane::State::copy_status() {
  ControlStatus next;
  if (source) {
    next.watches = source->status();
  }
  next.config = config.status();
  next.saved_view = keeper ? keeper->status() : SavedViewStatus{};
  next.endpoints = builder.endpoint_counts();
  next.ready = is_ready;
  next.not_ready_reason = is_ready ? "" : why_not_ready() + why_not_synced(next.watches);
  const std::scoped_lock lock{mutex};
  next.generation = snapshot ? snapshot->generation : 0;
  status = std::move(next);
}

asio::awaitable<void> ControlPlane::State::repeat(std::chrono::seconds interval,
                                                  void (State::*act)()) {
  while (!is_stopped) {
    co_await clock.sleep_for(interval);
    if (!is_stopped) {
      (this->*act)();
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
  cancel_file.emit(asio::cancellation_type::terminal);
  if (source) {
    source->stop();
    // Here and not with the state, whose last owner may be a coroutine that the loop's end
    // destroys.
    source.reset();
  }
}

ControlPlane::ControlPlane(asio::any_io_executor executor,
                           k8s_client::Clock& clock,
                           Options options,
                           LogSink log,
                           Publish publish)
    : state_{std::make_shared<State>(
          std::move(executor), clock, std::move(options), std::move(log), std::move(publish))} {
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
  const auto spawn = [this](asio::cancellation_signal& cancel, asio::awaitable<void> running) {
    // The handler holds the state for as long as the coroutine runs.
    auto on_end = [state = state_](const std::exception_ptr& thrown) {
      k8s_client::rethrow_unless_cancelled(thrown);
    };
    asio::co_spawn(state_->executor,
                   std::move(running),
                   asio::bind_cancellation_slot(cancel.slot(), std::move(on_end)));
  };
  state_->source = std::move(source);
  state_->restore();
  if (state_->options.config_file) {
    state_->read_config_file();
    spawn(state_->cancel_file, state_->repeat(kConfigFileInterval, &State::read_config_file));
  }
  state_->source->start();
  spawn(state_->cancel_status, state_->repeat(kStatusInterval, &State::look_again));
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

std::vector<EndpointSince> ControlPlane::endpoints() const {
  const std::scoped_lock lock{state_->mutex};
  return state_->ages.all();
}

bool ControlPlane::is_ready() const {
  return state_->is_ready;
}

}  // namespace router::control
