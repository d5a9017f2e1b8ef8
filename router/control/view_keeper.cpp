// SPDX-License-Identifier: Apache-2.0
#include "router/control/view_keeper.hpp"

#include "k8s_client/saved_view.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace router::control {

namespace asio = boost::asio;

namespace {

using k8s_client::SavedView;
using TimePoint = k8s_client::Clock::TimePoint;
using Duration = k8s_client::Clock::Duration;

template <class Object>
auto objects_of(const k8s_client::Store<Object>& store) {
  std::vector<typename k8s_client::Store<Object>::Pointer> objects;
  objects.reserve(store.size());
  for (const auto& [key, object] : store.all()) {
    objects.push_back(object);
  }
  return objects;
}

std::chrono::seconds whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration);
}

}  // namespace

struct ViewKeeper::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor runs_on,
        k8s_client::Clock& time,
        Options given,
        std::string this_node,
        k8s_client::Stores& kept,
        ExternalNames& kept_names,
        LogSink log_sink)
      : executor{std::move(runs_on)},
        clock{time},
        options{std::move(given)},
        node{std::move(this_node)},
        stores{kept},
        external_names{kept_names},
        log{std::move(log_sink)} {
    status.is_kept = true;
  }

  [[nodiscard]] std::string why_useless(const SavedView& view) const;
  void take_over(const SavedView& view);
  [[nodiscard]] bool is_due() const;
  [[nodiscard]] TimePoint as_of(const std::vector<k8s_client::WatchStatus>& watches) const;
  [[nodiscard]] SavedView collect(const std::vector<k8s_client::WatchStatus>& watches,
                                  const ConfigMapPtr& config_map) const;
  void write(SavedView view);
  void on_written(const k8s_client::Result<void>& written);

  asio::any_io_executor executor;
  k8s_client::Clock& clock;
  Options options;
  std::string node;
  k8s_client::Stores& stores;
  ExternalNames& external_names;
  LogSink log;
  SavedViewStatus status;
  std::optional<TimePoint> began_at;  // the last write
  Duration took{};                    // the last write that has ended
  bool is_writing = false;
  bool is_changed = false;  // since the last write has begun
};

std::string ViewKeeper::State::why_useless(const SavedView& view) const {
  if (options.boot_id.empty() || view.boot_id != options.boot_id) {
    return "it was written before the machine was started anew";
  }
  if (view.node != node) {
    return fmt::format("it is that of node '{}', and this one is '{}'", view.node, node);
  }
  const Duration age = clock.now() - view.saved_at;
  if (age < Duration::zero() || age > kMaxAge) {
    return fmt::format(
        "it is {} old, and may be {} at most", whole_seconds(age), whole_seconds(kMaxAge));
  }
  return "";
}

void ViewKeeper::State::take_over(const SavedView& view) {
  status.served_as_of = view.as_of;
  external_names.restore(view.external_names);
  stores.config_maps.restore(view.config_maps);
  stores.nodes.restore(view.nodes);
  stores.pods.restore(view.pods);
  stores.services.restore(view.services);
  stores.endpoint_slices.restore(view.endpoint_slices);
  log(LogLevel::warning,
      fmt::format("serving from a saved view, {} old, until the cluster has been seen whole: "
                  "{} Services, {} EndpointSlices",
                  whole_seconds(clock.now() - view.as_of),
                  view.services.size(),
                  view.endpoint_slices.size()),
      "");
}

bool ViewKeeper::State::is_due() const {
  if (is_writing || !began_at) {
    return !is_writing;
  }
  const Duration pause = is_changed ? Duration{kInterval} : Duration{kRenewal};
  return clock.now() - *began_at >= std::max(pause, took * kMinPauses);
}

/// What has not been listed yet is as old as the saved view that it comes from.
TimePoint ViewKeeper::State::as_of(const std::vector<k8s_client::WatchStatus>& watches) const {
  TimePoint oldest = clock.now();
  for (const k8s_client::WatchStatus& watch : watches) {
    const auto at = watch.synced ? watch.last_contact_at : status.served_as_of;
    oldest = std::min(oldest, at.value_or(oldest));
  }
  return oldest;
}

SavedView ViewKeeper::State::collect(const std::vector<k8s_client::WatchStatus>& watches,
                                     const ConfigMapPtr& config_map) const {
  SavedView view;
  view.boot_id = options.boot_id;
  view.node = node;
  view.saved_at = clock.now();
  view.as_of = as_of(watches);
  view.services = objects_of(stores.services);
  view.endpoint_slices = objects_of(stores.endpoint_slices);
  if (config_map) {
    view.config_maps.push_back(config_map);
  }
  view.nodes = objects_of(stores.nodes);
  view.pods = objects_of(stores.pods);
  view.external_names = external_names.known();
  return view;
}

void ViewKeeper::State::write(SavedView view) {
  began_at = clock.now();
  is_writing = true;
  is_changed = false;
  asio::post(options.writer,
             [view = std::move(view),
              folder = options.folder,
              back_on = executor,
              weak = weak_from_this()] {
               auto written = k8s_client::write_saved_view(folder, view);
               asio::post(back_on, [weak, written = std::move(written)] {
                 if (const auto state = weak.lock()) {
                   state->on_written(written);
                 }
               });
             });
}

void ViewKeeper::State::on_written(const k8s_client::Result<void>& written) {
  is_writing = false;
  took = clock.now() - *began_at;
  const bool has_failed_before = !status.last_error.empty();
  if (written) {
    ++status.saves;
    status.saved_at = began_at;
    status.last_error.clear();
    if (has_failed_before) {
      log(LogLevel::info, "the view of the cluster is saved again", "");
    }
    return;
  }
  ++status.failures;
  is_changed = true;
  status.last_error = written.error().message();
  if (!has_failed_before) {  // told once: a full disk is not told every ten seconds
    log(LogLevel::error,
        "the view of the cluster cannot be saved; it is tried again",
        status.last_error);
  }
}

ViewKeeper::ViewKeeper(const asio::any_io_executor& executor,
                       k8s_client::Clock& clock,
                       Options options,
                       std::string node,
                       k8s_client::Stores& stores,
                       ExternalNames& external_names,
                       LogSink log)
    : state_{std::make_shared<State>(executor,
                                     clock,
                                     std::move(options),
                                     std::move(node),
                                     stores,
                                     external_names,
                                     std::move(log))} {}

ViewKeeper::~ViewKeeper() = default;

bool ViewKeeper::restore() {
  const k8s_client::Result<SavedView> view = k8s_client::read_saved_view(state_->options.folder);
  if (!view && view.error().code == k8s_client::Errc::not_found) {
    state_->log(
        LogLevel::info, "there is no saved view yet in " + state_->options.folder.string(), "");
    return false;
  }
  const std::string why = view ? state_->why_useless(*view) : view.error().message();
  if (!why.empty()) {
    state_->log(LogLevel::warning, "the saved view is not used", why);
    return false;
  }
  state_->take_over(*view);
  return true;
}

void ViewKeeper::see_change() noexcept {
  state_->is_changed = true;
}

void ViewKeeper::look(const std::vector<k8s_client::WatchStatus>& watches,
                      const ConfigMapPtr& config_map) {
  if (state_->status.served_as_of && state_->stores.is_synced()) {
    state_->status.served_as_of.reset();
    state_->log(LogLevel::info, "the cluster has been seen whole: the saved view has ended", "");
  }
  if (state_->is_due()) {
    state_->write(state_->collect(watches, config_map));
  }
}

void ViewKeeper::save(const std::vector<k8s_client::WatchStatus>& watches,
                      const ConfigMapPtr& config_map) {
  asio::post(state_->options.writer,
             [view = state_->collect(watches, config_map), folder = state_->options.folder] {
               // There is nobody left to tell.
               static_cast<void>(k8s_client::write_saved_view(folder, view));
             });
}

SavedViewStatus ViewKeeper::status() const {
  SavedViewStatus copy = state_->status;
  if (state_->stores.is_synced()) {
    copy.served_as_of.reset();  // `look` comes a moment later
  }
  return copy;
}

}  // namespace router::control
