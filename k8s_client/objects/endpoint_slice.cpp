// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/endpoint_slice.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/protocol.hpp"
#include "k8s_client/objects/write_object.hpp"

namespace k8s_client {
namespace {

using nlohmann::json;

constexpr const char* kServiceLabel = "kubernetes.io/service-name";

AddressType address_type_from(JsonFields& slice) {
  const std::string type = slice.required_text("addressType");
  if (type == "IPv4") {
    return AddressType::ipv4;
  }
  if (type == "IPv6") {
    return AddressType::ipv6;
  }
  if (type != "FQDN") {
    slice.fail(Errc::wrong_type, "addressType", "must be IPv4, IPv6 or FQDN");
  }
  return AddressType::fqdn;
}

std::vector<std::string> names_from(JsonFields hints, const char* list) {
  std::vector<std::string> names;
  hints.for_each(list, [&names](JsonFields hint) { names.push_back(hint.required_text("name")); });
  return names;
}

SliceEndpoint endpoint_from(JsonFields endpoint) {
  JsonFields conditions = endpoint.object("conditions");
  JsonFields target = endpoint.object("targetRef");
  std::vector<std::string> addresses = endpoint.texts("addresses");
  if (addresses.empty()) {
    endpoint.fail(Errc::missing_field, "addresses", "is required");
    return {};
  }
  return SliceEndpoint{.address = std::move(addresses.front()),
                       .conditions = {.ready = conditions.flag("ready"),
                                      .serving = conditions.flag("serving"),
                                      .terminating = conditions.flag("terminating")},
                       .hostname = endpoint.text("hostname"),
                       .node_name = endpoint.text("nodeName"),
                       .zone = endpoint.text("zone"),
                       .target_name = target.text("name"),
                       .hint_zones = names_from(endpoint.object("hints"), "forZones"),
                       .hint_nodes = names_from(endpoint.object("hints"), "forNodes")};
}

SlicePort port_from(JsonFields port) {
  return {.name = port.text("name"),
          .port = port.port("port"),
          .protocol = protocol_from(port),
          .app_protocol = port.text("appProtocol")};
}

std::string owner_uid_from(JsonFields metadata) {
  std::string uid;
  metadata.for_each("ownerReferences", [&uid](JsonFields owner) {
    if (owner.text("kind") == Service::kKind) {
      uid = owner.text("uid");
    }
  });
  return uid;
}

json address_type_json(AddressType type) {
  switch (type) {
    case AddressType::ipv6:
      return "IPv6";
    case AddressType::fqdn:
      return "FQDN";
    case AddressType::ipv4:
      break;
  }
  return "IPv4";
}

void put_flag(json& object, const char* field, std::optional<bool> flag) {
  if (flag) {
    object[field] = *flag;
  }
}

void put_names(json& endpoint, const char* field, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    endpoint["hints"][field].push_back({{"name", name}});
  }
}

json endpoint_json(const SliceEndpoint& endpoint) {
  json object{{"addresses", json::array({endpoint.address})}};
  put_text(object, "hostname", endpoint.hostname);
  put_text(object, "nodeName", endpoint.node_name);
  put_text(object, "zone", endpoint.zone);
  json conditions = json::object();
  put_flag(conditions, "ready", endpoint.conditions.ready);
  put_flag(conditions, "serving", endpoint.conditions.serving);
  put_flag(conditions, "terminating", endpoint.conditions.terminating);
  object["conditions"] = std::move(conditions);
  if (!endpoint.target_name.empty()) {
    object["targetRef"] = {{"kind", "Pod"}, {"name", endpoint.target_name}};
  }
  put_names(object, "forZones", endpoint.hint_zones);
  put_names(object, "forNodes", endpoint.hint_nodes);
  return object;
}

json port_json(const SlicePort& port) {
  json object{{"name", port.name}, {"protocol", text_of(port.protocol)}};
  if (port.port) {
    object["port"] = *port.port;
  }
  put_text(object, "appProtocol", port.app_protocol);
  return object;
}

}  // namespace

Result<EndpointSlice> EndpointSlice::from_json(const nlohmann::json& object) {
  return read_object<EndpointSlice>(object, [](JsonFields& fields, EndpointSlice& slice) {
    JsonFields metadata = fields.object("metadata");
    slice.address_type = address_type_from(fields);
    slice.service_name = metadata.object("labels").text(kServiceLabel);
    slice.service_uid = owner_uid_from(metadata);
    fields.for_each("endpoints", [&slice](JsonFields endpoint) {
      slice.endpoints.push_back(endpoint_from(std::move(endpoint)));
    });
    fields.for_each(
        "ports", [&slice](JsonFields port) { slice.ports.push_back(port_from(std::move(port))); });
  });
}

json EndpointSlice::to_json() const {
  json object = write_object(*this);
  json& metadata = object["metadata"];
  if (!service_name.empty()) {
    metadata["labels"][kServiceLabel] = service_name;
  }
  if (!service_uid.empty()) {
    metadata["ownerReferences"] = json::array({{{"kind", Service::kKind}, {"uid", service_uid}}});
  }
  object["addressType"] = address_type_json(address_type);
  json& endpoint_list = object["endpoints"] = json::array();
  for (const SliceEndpoint& endpoint : endpoints) {
    endpoint_list.push_back(endpoint_json(endpoint));
  }
  json& port_list = object["ports"] = json::array();
  for (const SlicePort& port : ports) {
    port_list.push_back(port_json(port));
  }
  return object;
}

}  // namespace k8s_client
