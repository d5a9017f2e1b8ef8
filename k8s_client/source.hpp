// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/errc.hpp"
#include "k8s_client/objects/config_map.hpp"
#include "k8s_client/objects/object_meta.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

namespace k8s_client {

/// How one resource is doing: a copy, taken on the control thread, that may be handed to another
/// one.
struct WatchStatus {
  /// A watch gives a sign of life each minute, if only a bookmark; without one for this long it is
  /// replaced (`Reflector::kStalledWatch`).
  static constexpr std::chrono::seconds kFreshFor{150};

  std::string resource;  ///< `services`, `endpointslices`, `configmaps`; `files` for a folder
  bool synced = false;
  ResourceVersion
      resource_version;   ///< the last one seen; "" before the first list, and for a folder
  bool watching = false;  ///< a watch is open after a whole list; for a folder, that it can be read
  std::optional<Clock::TimePoint>
      last_contact_at;  ///< last sign of life: a list, an accepted watch, an event, a bookmark; a
                        ///< folder gives none
  std::optional<Clock::TimePoint> last_event_at;  ///< an object changed
  std::optional<Clock::TimePoint>
      last_bookmark_at;                           ///< the watch was alive, though nothing changed
  std::string last_error;                         ///< one line; "" while all is well
  std::optional<Clock::TimePoint> last_error_at;  ///< of the last error ever
  std::uint64_t lists = 0;    ///< whole lists taken over (files: readings of the folder)
  std::uint64_t watches = 0;  ///< watches that the server accepted
  std::uint64_t reconnects =
      0;  ///< of these, the ones that went on from the last version, without a list
  std::uint64_t errors =
      0;  ///< failed lists and watches, objects and files that could not be understood
  std::uint64_t events = 0;  ///< changes received, bookmarks not counted

  std::uint64_t audits = 0;    ///< comparisons of the store with a list, each with a verdict
  std::uint64_t rechecks = 0;  ///< objects that were compared since there were doubts about them
  std::uint64_t rechecks_dropped = 0;   ///< doubts beyond those that may wait
  std::uint64_t audit_differences = 0;  ///< objects that were found to differ

  /// Whether the store is known to be what the cluster was less than `kFreshFor` ago.
  [[nodiscard]] bool is_fresh(Clock::TimePoint now) const {
    return synced && (last_contact_at ? now - *last_contact_at < kFreshFor : watching);
  }
};

/// Something an operator should read, for the log of whoever owns the source.
struct Notice {
  enum class Level : std::uint8_t { info, warning };

  Level level = Level::info;
  std::string text;  ///< one line
};
using NoticeSink = std::function<void(const Notice&)>;

/// What an Event says about an object. Source: core/v1 Event.
struct EventNote {
  enum class Type : std::uint8_t { normal, warning };

  Type type = Type::warning;
  std::string kind = "ConfigMap";  ///< of the object concerned, of API group core/v1
  ObjectMeta about;
  std::string reason;    ///< one word in PascalCase, for machines
  std::string message;   ///< for people; cut at 1,024 bytes, as the API demands
  std::string reporter;  ///< who says so: the node or pod
};

/// Where the cluster's objects come from: the API server (`ApiSource`) or a folder (`FileSource`).
/// Fills the `Stores` that its constructor was given. Control thread; may be destroyed at any time
/// there.
class Source {
 public:
  virtual ~Source() = default;

  /// Begins to fill the stores, for ever. Called once.
  virtual void start() = 0;

  /// Ends that; the stores keep what they have. No store is written and nobody called back after
  /// it. Repeated: no-op.
  virtual void stop() = 0;

  [[nodiscard]] virtual std::vector<WatchStatus> status() const = 0;

  /// Why the stores may not tell what there is of a ConfigMap although they are synced: what is
  /// wrong with the file that `known` was taken from, or, with null, with one that may hold the
  /// ConfigMap that is looked for. One line with file, line and column; nothing if the stores can
  /// be trusted, as those of the API always can. May change without a change of the stores.
  [[nodiscard]] virtual std::optional<std::string> doubt_about_config_map(
      const ConfigMap* known) const = 0;

  /// There are doubts about an endpoint of a Service: it cannot be connected. Looks soon whether
  /// the slices that have it are still as they are in the stores. A folder is looked at all the
  /// time.
  virtual void recheck_endpoint(const ObjectKey& service,
                                const boost::asio::ip::address& address) = 0;

  /// Makes an Event in the cluster, once, without a retry. A folder has nobody to tell: success,
  /// and nothing happens.
  [[nodiscard]] virtual boost::asio::awaitable<Result<void>> create_event(EventNote note) = 0;
};

}  // namespace k8s_client
