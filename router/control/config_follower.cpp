// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_follower.hpp"

#include "k8s_client/cancellation.hpp"
#include "router/control/config_file.hpp"
#include "router/control/config_map.hpp"

#include <exception>
#include <random>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

namespace router::control {

namespace asio = boost::asio;

namespace {

/// `--config` is read this often. By content and not by inotify, since it may be a link into a
/// mount that kubelet swaps, or lie on a file system that tells of no changes; it is a few
/// kilobytes.
constexpr std::chrono::seconds kFileInterval{1};

std::string origin_of(const ConfigFollower::Options& options) {
  return options.file ? "file " + options.file->string()
                      : fmt::format("ConfigMap {}/{}", options.config_namespace, kConfigMapName);
}

std::string joined(const std::vector<ConfigError>& errors) {
  std::string text;
  for (const ConfigError& error : errors) {
    text += (text.empty() ? "" : "; ") + error.text();
  }
  return text;
}

}  // namespace

struct ConfigFollower::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor runs_on,
        k8s_client::Clock& time,
        Options given,
        ConfigMaps& looked_at,
        LogSink log_sink,
        std::function<void(ConfigState::Outcome)> told)
      : executor{std::move(runs_on)},
        clock{time},
        options{std::move(given)},
        config_maps{looked_at},
        log{std::move(log_sink)},
        on_news{std::move(told)},
        config{origin_of(options)},
        rng{options.seed} {}

  void follow_store();
  void read_config_map();
  void read_file();
  asio::awaitable<void> follow_file();
  void see(ConfigState::Outcome outcome);
  void tell(ConfigState::Outcome outcome);
  void post_event(const std::string& message);
  static asio::awaitable<void> make_event(std::shared_ptr<State> state, k8s_client::EventNote note);
  [[nodiscard]] ConfigMaps::Pointer find_config_map() const;

  asio::any_io_executor executor;
  k8s_client::Clock& clock;
  Options options;
  ConfigMaps& config_maps;
  LogSink log;
  std::function<void(ConfigState::Outcome)> on_news;
  ConfigState config;
  ConfigMaps::Pointer good_config_map;  // of `config.document()`
  std::mt19937_64 rng;
  k8s_client::Source* source = nullptr;  // the owner's; null before the start and after the stop
  bool is_stopped = false;
  asio::cancellation_signal cancel_file;
};

void ConfigFollower::State::follow_store() {
  if (options.file) {
    return;
  }
  config_maps.on_change([this](const auto& /*key*/, const auto& /*before*/, const auto&) {
    if (config_maps.is_synced()) {
      read_config_map();
    }
  });
  config_maps.on_synced([this] { read_config_map(); });
}

ConfigFollower::ConfigMaps::Pointer ConfigFollower::State::find_config_map() const {
  auto found =
      config_maps.find({.ns = options.config_namespace, .name = std::string{kConfigMapName}});
  if (found || !options.in_any_namespace) {
    return found;
  }
  for (const auto& [key, config_map] : config_maps.all()) {
    if (key.name == kConfigMapName) {
      return config_map;
    }
  }
  return nullptr;
}

void ConfigFollower::State::read_config_map() {
  const auto config_map = find_config_map();
  const auto doubt =
      source != nullptr ? source->doubt_about_config_map(config_map.get()) : std::nullopt;
  if (doubt) {
    see(config.see_unreadable(*doubt));
    return;
  }
  if (!config_map) {
    see(config.see_absent());
    return;
  }
  const auto document = document_of(*config_map);
  const auto outcome = document ? config.see(*document, clock.utc_now())
                                : config.see_unreadable(document.error().message());
  if (outcome == ConfigState::Outcome::applied) {
    good_config_map = config_map;
  }
  see(outcome);
}

void ConfigFollower::State::read_file() {
  const auto text = read_config_file(*options.file);
  see(text ? config.see(*text, clock.utc_now()) : config.see_unreadable(text.error().message()));
}

asio::awaitable<void> ConfigFollower::State::follow_file() {
  while (!is_stopped) {
    co_await clock.sleep_for(kFileInterval);
    if (!is_stopped) {
      read_file();
    }
  }
}

void ConfigFollower::State::see(ConfigState::Outcome outcome) {
  if (outcome != ConfigState::Outcome::unchanged) {
    tell(outcome);
    on_news(outcome);
  }
}

void ConfigFollower::State::tell(ConfigState::Outcome outcome) {
  const ConfigStatus& now = config.status();
  switch (outcome) {
    case ConfigState::Outcome::unchanged:
      break;
    case ConfigState::Outcome::applied:
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
}

void ConfigFollower::State::post_event(const std::string& message) {
  const auto config_map = options.file ? nullptr : find_config_map();
  if (!config_map || source == nullptr) {
    return;
  }
  k8s_client::EventNote note{.type = k8s_client::EventNote::Type::warning,
                             .about = config_map->meta,
                             .reason = "InvalidConfiguration",
                             .message = message,
                             .reporter = options.node};
  asio::co_spawn(executor, make_event(shared_from_this(), std::move(note)), asio::detached);
}

asio::awaitable<void> ConfigFollower::State::make_event(std::shared_ptr<State> state,
                                                        k8s_client::EventNote note) {
  std::uniform_int_distribution<k8s_client::Clock::Duration::rep> anywhere{
      0, k8s_client::Clock::Duration{kMaxEventDelay}.count()};
  co_await state->clock.sleep_for(k8s_client::Clock::Duration{anywhere(state->rng)});
  const bool is_past = joined(state->config.errors()) != note.message;
  if (state->source == nullptr || is_past) {
    co_return;  // stopped, mended, or wrong in another way meanwhile
  }
  const k8s_client::Result<void> made = co_await state->source->create_event(std::move(note));
  if (!made && !state->is_stopped) {
    state->log(
        LogLevel::warning, "cannot make an Event about the configuration", made.error().message());
  }
}

ConfigFollower::ConfigFollower(asio::any_io_executor executor,
                               k8s_client::Clock& clock,
                               Options options,
                               ConfigMaps& config_maps,
                               LogSink log,
                               std::function<void(ConfigState::Outcome)> on_news)
    : state_{std::make_shared<State>(std::move(executor),
                                     clock,
                                     std::move(options),
                                     config_maps,
                                     std::move(log),
                                     std::move(on_news))} {
  state_->follow_store();
}

ConfigFollower::~ConfigFollower() {
  stop();
}

void ConfigFollower::start(k8s_client::Source& source) {
  state_->source = &source;
  if (!state_->options.file) {
    if (state_->config_maps.is_known()) {  // by a saved view
      state_->read_config_map();
    }
    return;
  }
  state_->read_file();
  // The handler holds the state for as long as the coroutine runs.
  auto on_end = [state = state_](const std::exception_ptr& thrown) {
    k8s_client::rethrow_unless_cancelled(thrown);
  };
  asio::co_spawn(state_->executor,
                 state_->follow_file(),
                 asio::bind_cancellation_slot(state_->cancel_file.slot(), std::move(on_end)));
}

void ConfigFollower::look() {
  if (!state_->options.file && state_->config_maps.is_synced()) {
    state_->read_config_map();
  }
}

void ConfigFollower::stop() {
  if (!std::exchange(state_->is_stopped, true)) {
    state_->source = nullptr;
    state_->cancel_file.emit(asio::cancellation_type::terminal);
  }
}

const ConfigDocument* ConfigFollower::document() const noexcept {
  return state_->config.document();
}

const ConfigStatus& ConfigFollower::status() const noexcept {
  return state_->config.status();
}

ConfigFollower::ConfigMaps::Pointer ConfigFollower::config_map() const {
  return state_->options.file ? state_->find_config_map() : state_->good_config_map;
}

}  // namespace router::control
