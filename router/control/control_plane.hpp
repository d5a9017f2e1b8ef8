// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"
#include "router/control/config_state.hpp"
#include "router/control/endpoint_ages.hpp"
#include "router/control/endpoint_table.hpp"
#include "router/control/external_names.hpp"
#include "router/control/log_sink.hpp"
#include "router/control/rows.hpp"
#include "router/control/snapshot.hpp"
#include "router/control/view_keeper.hpp"
#include "router/pool/unreachable_endpoint.hpp"

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
  bool ready = false;            ///< see ControlPlane::is_ready; stays true from then on
  std::string not_ready_reason;  ///< one line, "" when ready
  std::vector<k8s_client::WatchStatus> watches;  ///< at most kStatusInterval old
  ConfigStatus config;
  SavedViewStatus saved_view;
  DnsStatus dns;                     ///< of external names
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
  /// What the owner is told, from the loop.
  struct Events {
    std::function<void(SnapshotPtr)> on_snapshot;  ///< each new one
    std::function<void()> on_ready;                ///< once, after the first snapshot
  };

  struct Options {
    std::string config_namespace = "nodeway-system";  ///< of ConfigMap `nodeway` (`POD_NAMESPACE`)
    bool config_in_any_namespace = false;  ///< with files: another namespace does if that has none
    std::optional<std::filesystem::path> config_file{};  ///< `--config`: instead of the ConfigMap
    std::string node{};      ///< the one that this router is on; "" if that is not known
    std::uint64_t seed = 0;  ///< of how long an Event is put off; must differ between nodes
    std::optional<ViewKeeper::Options> saved_view{};  ///< `--saved-view`
    bool allow_loopback = false;  ///< external names may be on this machine; see ExternalNames
  };

  /// `clock` must outlive the executor's context, `resolver` the control plane.
  ControlPlane(boost::asio::any_io_executor executor,
               k8s_client::Clock& clock,
               Resolver& resolver,
               Options options,
               LogSink log,
               Events events);
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;
  ~ControlPlane();

  /// What the source given to `start` has to fill. Lives as long as the control plane.
  [[nodiscard]] k8s_client::Stores& stores() noexcept;

  /// Starts `source` and follows it until `stop`. Called once.
  void start(std::unique_ptr<k8s_client::Source> source);

  /// Lets the source look whether it still has this endpoint as it told. Between `start` and
  /// `stop`; no-op otherwise.
  void recheck(const UnreachableEndpoint& endpoint);

  /// Publishes nothing any more. Repeated: no-op.
  void stop();

  /// Any thread, at any time.
  [[nodiscard]] ControlStatus status() const;

  /// Any thread: shows the endpoints of the snapshot in force, and since when each has been in one.
  /// The control thread may wait for the end of it.
  void show_endpoints(const EndpointFilter& filter, const EndpointVisitor& visit) const;

  /// Any thread: whether the cores have a snapshot, and DNS has answered for each external name of
  /// the configuration or had `kFirstAnswerWait` for it. Cheaper than `status`.
  [[nodiscard]] bool is_ready() const;

 private:
  struct State;
  // Shared with the coroutines under way, which live on until the loop has delivered their
  // cancellation.
  std::shared_ptr<State> state_;
};

/// So long after the first snapshot a router without an answer of DNS for an external name is not
/// ready: a roll then does not go on to the next node while the requests to that name fail on this
/// one. Above the 4 s in which a DNS server that is away is given up, and soon over, since all the
/// others are served. Looked at each `kStatusInterval`.
inline constexpr std::chrono::seconds kFirstAnswerWait{5};

/// How often the watches' state is copied out for other threads: they show ages in seconds.
inline constexpr std::chrono::seconds kStatusInterval{1};

}  // namespace router::control
