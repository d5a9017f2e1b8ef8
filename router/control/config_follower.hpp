// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"
#include "router/control/config_state.hpp"
#include "router/control/log_sink.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

namespace router::control {

/// Follows the configuration: ConfigMap `nodeway` as the stores have it, or a file in its place.
/// What is wrong with it goes to the log and, of a ConfigMap, into an Event. Control thread.
class ConfigFollower {
 public:
  using ConfigMaps = k8s_client::Store<k8s_client::ConfigMap>;

  struct Options {
    std::string config_namespace = "nodeway-system";  ///< of ConfigMap `nodeway` (`POD_NAMESPACE`)
    bool in_any_namespace = false;  ///< with files: another namespace does if that has none
    std::optional<std::filesystem::path> file{};  ///< `--config`: instead of the ConfigMap
    std::string node{};                           ///< who reports Events
    std::uint64_t seed = 0;  ///< of how long an Event is put off; must differ between nodes
  };

  /// `on_news` is told of each look that found something else than the one before. `clock` outlives
  /// the executor's context, `config_maps` this object.
  ConfigFollower(boost::asio::any_io_executor executor,
                 k8s_client::Clock& clock,
                 Options options,
                 ConfigMaps& config_maps,
                 LogSink log,
                 std::function<void(ConfigState::Outcome)> on_news);
  ConfigFollower(const ConfigFollower&) = delete;
  ConfigFollower& operator=(const ConfigFollower&) = delete;
  ~ConfigFollower();

  /// Reads the file, or the ConfigMap that a saved view has brought, and follows it from here on.
  /// `source` knows of the ConfigMap
  /// what the stores do not, and makes the Events; it is used until `stop`. Called once.
  void start(k8s_client::Source& source);

  /// Looks at a ConfigMap again: one of a folder that breaks, or is mended to what it was, changes
  /// no store.
  void look();

  /// Looks at nothing any more, and makes no Event. Repeated: no-op.
  void stop();

  /// What is in force; null if nothing can be.
  [[nodiscard]] const ConfigDocument* document() const noexcept;
  [[nodiscard]] const ConfigStatus& status() const noexcept;
  /// What a saved view keeps: the ConfigMap that is in force, or, beside a file, the one that there
  /// is. Null if there is none.
  [[nodiscard]] ConfigMaps::Pointer config_map() const;

 private:
  struct State;
  // Shared with the coroutines under way, which live on until the loop has delivered their
  // cancellation.
  std::shared_ptr<State> state_;
};

/// An Event about a wrong configuration is put off by up to this, drawn anew for each, so that the
/// nodes of a cluster do not make theirs all at once; what is mended by then needs none.
inline constexpr std::chrono::seconds kMaxEventDelay{10};

}  // namespace router::control
