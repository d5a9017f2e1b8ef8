// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/endpoint_slice.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/protocol.hpp"

namespace k8s_client {
namespace {

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
  SliceEndpoint result{.addresses = endpoint.texts("addresses"),
                       .conditions = {.ready = conditions.flag("ready"),
                                      .serving = conditions.flag("serving"),
                                      .terminating = conditions.flag("terminating")},
                       .hostname = endpoint.text("hostname"),
                       .node_name = endpoint.text("nodeName"),
                       .zone = endpoint.text("zone"),
                       .target_uid = target.text("uid"),
                       .target_name = target.text("name"),
                       .hint_zones = names_from(endpoint.object("hints"), "forZones"),
                       .hint_nodes = names_from(endpoint.object("hints"), "forNodes")};
  if (result.addresses.empty()) {
    endpoint.fail(Errc::missing_field, "addresses", "is required");
  }
  return result;
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

}  // namespace

Result<EndpointSlice> EndpointSlice::from_json(const nlohmann::json& object) {
  return read_object<EndpointSlice>(object, [](JsonFields& fields, EndpointSlice& slice) {
    JsonFields metadata = fields.object("metadata");
    slice.address_type = address_type_from(fields);
    slice.service_name = metadata.object("labels").text("kubernetes.io/service-name");
    slice.service_uid = owner_uid_from(metadata);
    fields.for_each("endpoints", [&slice](JsonFields endpoint) {
      slice.endpoints.push_back(endpoint_from(std::move(endpoint)));
    });
    fields.for_each(
        "ports", [&slice](JsonFields port) { slice.ports.push_back(port_from(std::move(port))); });
  });
}

}  // namespace k8s_client
