// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/object_meta.hpp"
#include "k8s_client/objects/pod.hpp"
#include "router/resolve/callers.hpp"

#include <map>
#include <memory>
#include <string>

#include <boost/smart_ptr/shared_ptr.hpp>

namespace router::control {

/// Makes `Callers` of the pods of one node. Pure: no I/O, no clock.
class CallerTable {
 public:
  using Pod = std::shared_ptr<const k8s_client::Pod>;  ///< shared with its Store

  /// Pods of other nodes are left out. `node` may be empty: then those without a node are meant, as
  /// a folder of files may have them.
  explicit CallerTable(std::string node) : node_{std::move(node)} {}

  /// The pod of that key is `pod` from here on; null: it is gone.
  void set_pod(const k8s_client::ObjectKey& key, Pod pod);
  void set_allowed(CallersAllowed allowed);
  /// Whether the pods are those of a saved view, and their list may be about to come.
  void await_list(bool is_awaited);

  /// What has become of that. The same object as before if nothing has changed.
  [[nodiscard]] boost::shared_ptr<const Callers> build();

 private:
  [[nodiscard]] Callers derive() const;

  std::string node_;
  std::map<k8s_client::ObjectKey, Pod> pods_;
  CallersAllowed allowed_;
  bool awaits_list_ = false;
  bool is_changed_ = true;
  boost::shared_ptr<const Callers> built_;
};

}  // namespace router::control
