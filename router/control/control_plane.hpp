// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"
#include "router/control/config_state.hpp"
#include "router/control/endpoint_ages.hpp"
#include "router/control/endpoint_table.hpp"
#include "router/control/log_sink.hpp"
#include "router/control/rows.hpp"
#include "router/control/snapshot.hpp"
#include "router/control/view_keeper.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace router::control {

/// How the control plane is doing. Plain copy.
struct ControlStatus {
  bool ready = false;            ///< the cores have a snapshot; stays true from then on
  std::string not_ready_reason;  ///< one line, "" when ready
  std::vector<k8s_client::WatchStatus> watches;  ///< at most kStatusInterval old
  ConfigStatus config;
  SavedViewStatus saved_view;
  std::uint64_t generation = 0;      ///< of the snapshot in force, 0 if none
  std::size_t services = 0;          ///< with at least one TCP port; external names are none
  EndpointCounts endpoints;          ///< in slices; those of external names are in none
  std::vector<ServicePortRow> rows;  ///< by namespace, name, then the Service's order of ports
};

/// Keeps the cores' routing state equal to the cluster and to the configuration:
///
///     Source -> Stores -> Builder -> Snapshot -> publish (the cores)
///     ConfigMap or file -> parse_config ----^
///     DNS -> ExternalNames -----------------^
///
/// Nothing is published before Services, slices, this node, its pods and configuration have been
/// read once and the configuration is valid; afterwards whatever fails leaves the last good state
/// in service. A saved view, if there is one, counts as such a reading until the source's own has
/// come, which replaces it kind by kind; but its pods are believed only if theirs does not come
/// within `kCallerWait`. Control thread, unless said otherwise.
class ControlPlane {
 public:
  using Publish = std::function<void(SnapshotPtr)>;

  struct Options {
    std::string config_namespace = "nodeway-system";  ///< of ConfigMap `nodeway` (`POD_NAMESPACE`)
    bool config_in_any_namespace = false;  ///< with files: another namespace does if that has none
    std::optional<std::filesystem::path> config_file{};  ///< `--config`: instead of the ConfigMap
    std::string node{};      ///< the one that this router is on; "" if that is not known
    std::uint64_t seed = 0;  ///< of how long an Event is put off; must differ between nodes
    std::optional<ViewKeeper::Options> saved_view{};  ///< `--saved-view`
    std::string dns_servers{};                        ///< of external names; see DnsResolver
    bool allow_loopback = false;  ///< external names may be on this machine; see ExternalNames
  };

  /// `clock` must outlive the executor's context. `publish` is called for each new snapshot.
  ControlPlane(boost::asio::any_io_executor executor,
               k8s_client::Clock& clock,
               Options options,
               LogSink log,
               Publish publish);
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;
  ~ControlPlane();

  /// What the source given to `start` has to fill. Lives as long as the control plane.
  [[nodiscard]] k8s_client::Stores& stores() noexcept;

  /// Starts `source` and follows it until `stop`. Called once.
  void start(std::unique_ptr<k8s_client::Source> source);

  /// Publishes nothing any more. Repeated: no-op.
  void stop();

  /// Any thread, at any time.
  [[nodiscard]] ControlStatus status() const;

  /// Any thread: since when each endpoint of the snapshot in force has been in one.
  [[nodiscard]] std::vector<EndpointSince> endpoints() const;

  /// Any thread: the readiness alone, cheaper than `status`.
  [[nodiscard]] bool is_ready() const;

 private:
  struct State;
  // Shared with the coroutines under way, which live on until the loop has delivered their
  // cancellation.
  std::shared_ptr<State> state_;
};

/// How often the watches' state is copied out for other threads: they show ages in seconds.
inline constexpr std::chrono::seconds kStatusInterval{1};

}  // namespace router::control
