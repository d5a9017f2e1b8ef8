// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"
#include "k8s_client/store.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace k8s_client {

/// Where a reflector puts what it receives, whatever the kind: it knows JSON and order, not
/// objects.
class ObjectSink {
 public:
  /// Keeps one item of a list that is under way; of several with one name the last. An item that
  /// cannot be understood is a failure, and leaves the object of its name as it is.
  [[nodiscard]] virtual Result<void> stage(const nlohmann::json& item) = 0;
  /// Forgets an item that was staged: it has been deleted while the list was under way.
  [[nodiscard]] virtual Result<void> unstage(const nlohmann::json& item) = 0;
  /// The list is whole: makes the store equal to it.
  virtual void commit_staged() = 0;
  /// The list has failed: forgets its items.
  virtual void discard_staged() = 0;

  [[nodiscard]] virtual Result<void> put(const nlohmann::json& object) = 0;
  [[nodiscard]] virtual Result<void> erase(const nlohmann::json& object) = 0;

  [[nodiscard]] virtual bool is_synced() const = 0;

  /// The version last received of an object, also if it could not be understood.
  [[nodiscard]] virtual std::optional<ResourceVersion> version_of(const ObjectKey& key) const = 0;
  using Visit = std::function<void(const ObjectKey& key, const ResourceVersion& version)>;
  /// Visits every object by that version.
  virtual void for_each(const Visit& visit) const = 0;
  /// How many there are in the store.
  [[nodiscard]] virtual std::size_t size() const = 0;

 protected:
  ~ObjectSink() = default;  // never deleted through this interface
};

/// The sink of one kind of object.
template <class Object>
class StoreSink final : public ObjectSink {
 public:
  /// `store` must outlive the sink.
  explicit StoreSink(Store<Object>& store) : store_{store} {}

  [[nodiscard]] Result<void> stage(const nlohmann::json& item) override {
    Result<Object> object = Object::from_json(item);
    if (object) {
      ObjectKey key = object->meta.key;
      staged_strange_.erase(key);
      staged_.insert_or_assign(std::move(key), *std::move(object));
      return {};
    }
    const Result<ObjectMeta> meta = ObjectMeta::from_json(item);
    if (meta) {
      staged_strange_[meta->key] = meta->resource_version;
    }
    if (const auto known = meta ? store_.find(meta->key) : nullptr) {
      staged_.emplace(meta->key, *known);  // unless a newer state of it has been staged
    }
    return object.error();
  }

  [[nodiscard]] Result<void> unstage(const nlohmann::json& item) override {
    const Result<ObjectMeta> meta = ObjectMeta::from_json(item);
    if (!meta) {
      return meta.error();
    }
    staged_.erase(meta->key);
    staged_strange_.erase(meta->key);
    return {};
  }

  void commit_staged() override {
    std::vector<Object> objects;
    objects.reserve(staged_.size());
    for (auto& [key, object] : staged_) {
      objects.push_back(std::move(object));
    }
    staged_.clear();
    strange_ = std::exchange(staged_strange_, {});
    store_.replace(std::move(objects));
  }
  void discard_staged() override {
    staged_.clear();
    staged_strange_.clear();
  }

  [[nodiscard]] Result<void> put(const nlohmann::json& object) override {
    Result<Object> parsed = Object::from_json(object);
    if (!parsed) {
      if (const Result<ObjectMeta> meta = ObjectMeta::from_json(object)) {
        strange_[meta->key] = meta->resource_version;
      }
      return parsed.error();
    }
    strange_.erase(parsed->meta.key);
    store_.put(*std::move(parsed));
    return {};
  }

  [[nodiscard]] Result<void> erase(const nlohmann::json& object) override {
    const Result<ObjectMeta> meta = ObjectMeta::from_json(object);
    if (!meta) {
      return meta.error();
    }
    strange_.erase(meta->key);
    store_.erase(meta->key);
    return {};
  }

  [[nodiscard]] bool is_synced() const override { return store_.is_synced(); }

  [[nodiscard]] std::optional<ResourceVersion> version_of(const ObjectKey& key) const override {
    if (const auto strange = strange_.find(key); strange != strange_.end()) {
      return strange->second;
    }
    const auto known = store_.find(key);
    return known ? std::optional{known->meta.resource_version} : std::nullopt;
  }

  void for_each(const Visit& visit) const override {
    for (const auto& [key, object] : store_.all()) {
      if (!strange_.contains(key)) {
        visit(key, object->meta.resource_version);
      }
    }
    for (const auto& [key, version] : strange_) {
      visit(key, version);
    }
  }

  [[nodiscard]] std::size_t size() const override { return store_.size(); }

 private:
  Store<Object>& store_;
  std::map<ObjectKey, ResourceVersion> strange_;  // objects that cannot be understood as they are
  std::map<ObjectKey, ResourceVersion> staged_strange_;
  std::map<ObjectKey, Object> staged_;  // no larger than the collection, whatever the events
};

}  // namespace k8s_client
