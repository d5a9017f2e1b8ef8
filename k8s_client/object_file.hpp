// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/file_problem.hpp"
#include "k8s_client/objects/config_map.hpp"
#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/node.hpp"
#include "k8s_client/objects/pod.hpp"
#include "k8s_client/objects/service.hpp"
#include "k8s_client/yaml_json.hpp"

#include <string>
#include <tuple>
#include <vector>

namespace k8s_client {

/// An object, and where its document begins.
template <class Object>
struct Placed {
  Object object;
  TextPlace place;
};

/// The objects of one file, by kind.
struct ObjectFile {
  std::tuple<std::vector<Placed<Service>>,
             std::vector<Placed<EndpointSlice>>,
             std::vector<Placed<ConfigMap>>,
             std::vector<Placed<Node>>,
             std::vector<Placed<Pod>>>
      objects;
  /// Whether there are ConfigMaps among them, or a part that cannot be read may be one.
  bool may_hold_config_maps = false;

  template <class Object>
  [[nodiscard]] const std::vector<Placed<Object>>& of() const {
    return std::get<std::vector<Placed<Object>>>(objects);
  }
};

/// Reads the objects of a text; `name` is that of its file. Fills `problems` with all that is
/// wrong: if there is anything, the objects are not the whole file.
[[nodiscard]] ObjectFile parse_object_file(const std::string& name,
                                           const std::string& text,
                                           std::vector<FileProblem>& problems);

}  // namespace k8s_client
