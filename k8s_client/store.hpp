// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/config_map.hpp"
#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/node.hpp"
#include "k8s_client/objects/object_meta.hpp"
#include "k8s_client/objects/pod.hpp"
#include "k8s_client/objects/service.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

// The surface of this module, for those who use it (all of it on the control thread):
//
//   Stores stores;                                      // owned by the user, outlives the source
//   stores.services.on_change(…); stores.services.on_synced(…); …
//   ApiSource source{executor, options, stores, clock};     // or FileSource; both are a Source
//   (source.hpp) source.start();                                     // from here on the stores
//   follow the cluster stores.is_synced(); stores.services.all();
//   stores.config_maps.find({"nodeway-system", "nodeway"}); source.status();
//   source.create_event(…); source.stop();

namespace k8s_client {

/// The objects of one kind, by namespace and name, as a source last saw them. Control thread.
///
/// One source writes, any number of readers on the same thread read.
template <class Object>
class Store {
 public:
  /// Shared by the store and by whoever builds from it: a reader may keep an object past its
  /// replacement, without a copy of it. The objects are immutable.
  using Pointer = std::shared_ptr<const Object>;

  /// `before` is null for a new object, `after` for one that is gone. Called after the store has
  /// changed, once for each object that differs; must not write to the store.
  using ChangeListener =
      std::function<void(const ObjectKey& key, const Pointer& before, const Pointer& after)>;

  /// There is one listener; a later call replaces it.
  void on_change(ChangeListener listener) { on_change_ = std::move(listener); }

  /// `listener` is called once, after the changes of the first `replace`, also if that brought no
  /// object.
  void on_synced(std::function<void()> listener) { on_synced_ = std::move(listener); }

  /// Adds the object or replaces that of its key. Not notified if nothing in it differs.
  void put(Object object) {
    ObjectKey key = object.meta.key;
    auto after = std::make_shared<const Object>(std::move(object));
    Pointer& place = objects_[key];
    if (place && *place == *after) {
      return;
    }
    const Pointer before = std::exchange(place, after);
    notify({std::move(key), before, std::move(after)});
  }

  /// Removes the object, if there is one.
  void erase(const ObjectKey& key) {
    if (auto node = objects_.extract(key)) {
      notify({node.key(), node.mapped(), nullptr});
    }
  }

  /// Makes the store hold exactly these objects; what vanished unseen is removed and notified (a
  /// relist after an outage is the only news of deletions in it). The last of two objects of one
  /// key counts. Marks the store synced.
  void replace(std::vector<Object> objects) {
    std::map<ObjectKey, Pointer> old = std::exchange(objects_, {});
    std::vector<Change> changes;
    for (Object& object : objects) {
      ObjectKey key = object.meta.key;
      objects_[std::move(key)] = std::make_shared<const Object>(std::move(object));
    }
    for (auto& [key, after] : objects_) {
      auto node = old.extract(key);
      if (node && *node.mapped() == *after) {
        after = std::move(node.mapped());
        continue;
      }
      changes.push_back({key, node ? node.mapped() : nullptr, after});
    }
    for (auto& [key, before] : old) {
      changes.push_back({key, before, nullptr});
    }
    finish_replace(changes);
  }

  /// Fills an empty store with what a former run of the process knew, so that there is something to
  /// go on with until `replace` says how things are. Not once it is synced.
  void restore(const std::vector<Pointer>& objects) {
    if (is_synced_) {
      return;
    }
    is_restored_ = true;
    for (const Pointer& object : objects) {
      objects_[object->meta.key] = object;
    }
    for (const auto& [key, object] : objects_) {
      notify({key, nullptr, object});
    }
  }

  /// Null if there is none.
  [[nodiscard]] Pointer find(const ObjectKey& key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second;
  }

  [[nodiscard]] const std::map<ObjectKey, Pointer>& all() const noexcept { return objects_; }
  [[nodiscard]] std::size_t size() const noexcept { return objects_.size(); }

  /// Whether a whole list was taken over once. Stays true when the source is lost: the last state
  /// stays in service.
  [[nodiscard]] bool is_synced() const noexcept { return is_synced_; }

  /// Whether it is whole: by a list, or as a former run knew it.
  [[nodiscard]] bool is_known() const noexcept { return is_synced_ || is_restored_; }

 private:
  struct Change {
    ObjectKey key;
    Pointer before;
    Pointer after;
  };

  void notify(const Change& change) const {
    if (on_change_) {
      on_change_(change.key, change.before, change.after);
    }
  }

  void finish_replace(const std::vector<Change>& changes) {
    const bool is_first = !std::exchange(is_synced_, true);
    for (const Change& change : changes) {
      notify(change);
    }
    if (is_first && on_synced_) {
      on_synced_();
    }
  }

  std::map<ObjectKey, Pointer> objects_;
  ChangeListener on_change_;
  std::function<void()> on_synced_;
  bool is_synced_ = false;
  bool is_restored_ = false;
};

/// All that routing knows of the cluster. A source fills it, the builder of snapshots reads it.
struct Stores {
  Store<Service> services;
  Store<EndpointSlice> endpoint_slices;
  Store<ConfigMap>
      config_maps;    ///< from the API: nodeway's own one at most; from files: all there are
  Store<Node> nodes;  ///< from the API: this node at most; from files: all there are
  Store<Pod> pods;    ///< from the API: those of this node; from files: all there are

  [[nodiscard]] bool is_synced() const noexcept {
    return services.is_synced() && endpoint_slices.is_synced() && config_maps.is_synced() &&
           nodes.is_synced() && pods.is_synced();
  }

  [[nodiscard]] bool is_known() const noexcept {
    return services.is_known() && endpoint_slices.is_known() && config_maps.is_known() &&
           nodes.is_known() && pods.is_known();
  }
};

}  // namespace k8s_client
