// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/errc.hpp"
#include "k8s_client/store.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace k8s_client {

/// What DNS has said of a name outside of the cluster.
struct SavedName {
  std::string name;
  std::vector<boost::asio::ip::address> addresses;
  std::optional<Clock::TimePoint> v4_good_at;  ///< when it answered for the IPv4 addresses last
  std::optional<Clock::TimePoint> v6_good_at;  ///< likewise for those of IPv6

  friend bool operator==(const SavedName&, const SavedName&) = default;
};

/// What a process knows of the cluster, as a file for its successor.
///
/// The file is a `kind: List` of ordinary objects, with the fields that are kept, so that a folder
/// source reads it, too; the first item, of a kind of our own, says whose view it is and of when,
/// and what DNS has said, of which Kubernetes has no objects.
struct SavedView {
  /// Within its folder.
  static constexpr const char* kFile = "saved-view.json";
  /// The largest that is written: 300,000 endpoints and more. Two of them, the former one and the
  /// one that is being written, fit into the volume that the manifests give.
  static constexpr std::size_t kMaxBytes = std::size_t{112} * 1024 * 1024;
  /// Raised with each change after which an older reader would misunderstand the file.
  static constexpr int kFormat = 1;

  std::string boot_id;  ///< of the machine's run, within which the times below can be compared
  std::string node;     ///< whose Node and Pods are in it
  Clock::TimePoint saved_at;
  Clock::TimePoint as_of;  ///< it is known to have been right then, and may have been since
  // Shared with the stores, whose objects are immutable.
  std::vector<Store<Service>::Pointer> services;
  std::vector<Store<EndpointSlice>::Pointer> endpoint_slices;
  std::vector<Store<ConfigMap>::Pointer> config_maps;
  std::vector<Store<Node>::Pointer> nodes;
  std::vector<Store<Pod>::Pointer> pods;
  std::vector<SavedName> external_names;

  /// Of all kinds. External names are none.
  [[nodiscard]] std::size_t n_objects() const noexcept {
    return services.size() + endpoint_slices.size() + config_maps.size() + nodes.size() +
           pods.size();
  }
};

/// Writes the file of `folder` anew: beside it and then renamed over it, so that a reader finds the
/// former one or this one, whole. Object by object, without the text of all of them in memory. Any
/// thread, one at a time for a folder. `bad_file` with one line that says what the system said, or
/// that it would be above `max_bytes`; the former file stays.
///
/// Nothing is synced to the disk: what a process has written outlives it, and after the end of the
/// machine the boot id makes the file useless.
[[nodiscard]] Result<void> write_saved_view(const std::filesystem::path& folder,
                                            const SavedView& view,
                                            std::size_t max_bytes = SavedView::kMaxBytes);

/// Reads it, object by object. `not_found`: there is none. `bad_file`, with one line that says what
/// and where: it is torn, of another format, or holds what is no object.
[[nodiscard]] Result<SavedView> read_saved_view(const std::filesystem::path& folder);

}  // namespace k8s_client
