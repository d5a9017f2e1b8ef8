// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/config_map.hpp"
#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/node.hpp"
#include "k8s_client/objects/pod.hpp"
#include "k8s_client/objects/service.hpp"
#include "tests/k8s_client/result_text.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace k8s_client;
using nlohmann::json;

namespace {

/// As the API server of Kubernetes 1.37 sends it, shortened where nothing is read.
const char* const kSlice = R"json({
  "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
  "metadata": {
    "name": "cart-x7k2p", "generateName": "cart-", "namespace": "shop", "uid": "s-1", "resourceVersion": "42",
    "labels": {"kubernetes.io/service-name": "cart", "app": "cart"},
    "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "cart", "uid": "svc-1", "controller": true}],
    "managedFields": [{"manager": "kube-controller-manager"}]},
  "addressType": "IPv4",
  "endpoints": [
    {"addresses": ["10.244.1.5"], "conditions": {"ready": true, "serving": true, "terminating": false},
     "targetRef": {"kind": "Pod", "namespace": "shop", "name": "cart-0", "uid": "p-0"},
     "hostname": "cart-0", "nodeName": "node-a", "zone": "z1",
     "hints": {"forZones": [{"name": "z1"}], "forNodes": [{"name": "node-a"}]}},
    {"addresses": ["10.244.2.6"], "conditions": {"ready": false, "serving": true, "terminating": true}}],
  "ports": [{"name": "grpc", "protocol": "TCP", "port": 5000, "appProtocol": "kubernetes.io/h2c"}]
})json";

const char* const kService = R"json({
  "kind": "Service", "apiVersion": "v1",
  "metadata": {"name": "cart", "namespace": "shop", "uid": "svc-1", "resourceVersion": "7"},
  "spec": {
    "ports": [{"name": "grpc", "protocol": "TCP", "appProtocol": "grpc", "port": 80, "targetPort": "web", "nodePort": 30080},
              {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 5353}],
    "clusterIP": "10.96.1.2", "clusterIPs": ["10.96.1.2", "fd00::2"], "type": "NodePort",
    "ipFamilies": ["IPv4", "IPv6"], "internalTrafficPolicy": "Local", "trafficDistribution": "PreferClose",
    "publishNotReadyAddresses": true},
  "status": {"loadBalancer": {}}
})json";

json without(const char* text, const json::json_pointer& field) {
  json object = json::parse(text);
  object[field.parent_pointer()].erase(field.back());
  return object;
}

}  // namespace

TEST_CASE("EndpointSlice: takes over what routing needs, and leaves out the rest", "[k8s_client]") {
  const auto slice = EndpointSlice::from_json(json::parse(kSlice));

  REQUIRE(slice);
  CHECK(slice->meta.key == ObjectKey{"shop", "cart-x7k2p"});
  CHECK(slice->meta.uid == "s-1");
  CHECK(slice->meta.resource_version == "42");
  CHECK(slice->service_name == "cart");
  CHECK(slice->service_uid == "svc-1");
  CHECK(slice->address_type == AddressType::ipv4);
  REQUIRE(slice->endpoints.size() == 2);
  const SliceEndpoint& first = slice->endpoints[0];
  CHECK(first.address == "10.244.1.5");
  CHECK(first.hostname == "cart-0");
  CHECK(first.node_name == "node-a");
  CHECK(first.zone == "z1");
  CHECK(first.target_name == "cart-0");
  CHECK(first.hint_zones == std::vector<std::string>{"z1"});
  CHECK(first.hint_nodes == std::vector<std::string>{"node-a"});
  CHECK_FALSE(slice->endpoints[1].conditions.is_ready());
  CHECK(slice->endpoints[1].conditions.is_serving());
  CHECK(slice->endpoints[1].conditions.is_terminating());
  REQUIRE(slice->ports.size() == 1);
  CHECK(slice->ports[0] == SlicePort{"grpc", 5000, Protocol::tcp, "kubernetes.io/h2c"});
}

TEST_CASE("EndpointSlice: absent conditions mean ready, serving as ready, not terminating",
          "[k8s_client]") {
  // KEP-1672: `ready` nil is true, `serving` nil is `ready`, `terminating` nil is false.
  const std::string conditions = GENERATE(as<std::string>{}, "{}", "null", R"({"ready":null})");
  json object = json::parse(kSlice);
  object["endpoints"][0]["conditions"] = json::parse(conditions);

  const auto slice = EndpointSlice::from_json(object);

  REQUIRE(slice);
  const EndpointConditions& read = slice->endpoints[0].conditions;
  CHECK_FALSE(read.ready.has_value());
  CHECK(read.is_ready());
  CHECK(read.is_serving());
  CHECK_FALSE(read.is_terminating());
}

TEST_CASE("EndpointSlice: an absent `serving` follows `ready`", "[k8s_client]") {
  const bool ready = GENERATE(true, false);

  CHECK(EndpointConditions{.ready = ready, .serving = {}, .terminating = {}}.is_serving() == ready);
}

TEST_CASE("EndpointSlice: a port may lack name, protocol and number", "[k8s_client]") {
  json object = json::parse(kSlice);
  object["ports"] = json::parse(R"([{}])");

  const auto slice = EndpointSlice::from_json(object);

  REQUIRE(slice);
  REQUIRE(slice->ports.size() == 1);
  CHECK(slice->ports[0] == SlicePort{"", std::nullopt, Protocol::tcp, ""});
}

TEST_CASE("EndpointSlice: lists may be null, as Go writes empty ones", "[k8s_client]") {
  json object = json::parse(kSlice);
  object["endpoints"] = nullptr;
  object["ports"] = nullptr;

  const auto slice = EndpointSlice::from_json(object);

  REQUIRE(slice);
  CHECK(slice->endpoints.empty());
  CHECK(slice->ports.empty());
}

TEST_CASE("EndpointSlice: without the label it belongs to no Service, without owner to none's uid",
          "[k8s_client]") {
  json object = json::parse(kSlice);
  object["metadata"].erase("labels");
  object["metadata"].erase("ownerReferences");

  const auto slice = EndpointSlice::from_json(object);

  REQUIRE(slice);
  CHECK(slice->service_name.empty());
  CHECK(slice->service_uid.empty());
}

TEST_CASE("EndpointSlice: what is missing is named", "[k8s_client]") {
  const auto [pointer, field] = GENERATE(
      table<std::string, std::string>({{"/metadata/name", "metadata.name"},
                                       {"/addressType", "addressType"},
                                       {"/endpoints/0/addresses", "endpoints[0].addresses"}}));

  const auto slice = EndpointSlice::from_json(without(kSlice, json::json_pointer{pointer}));

  REQUIRE_FALSE(slice);
  CHECK(slice.error().code == Errc::missing_field);
  CHECK(slice.error().field == field);
  CHECK(slice.error().message() == field + ": is required");
}

TEST_CASE("EndpointSlice: a value of the wrong type is named", "[k8s_client]") {
  const auto [pointer, value, field] = GENERATE(table<std::string, json, std::string>(
      {{"/addressType", 4, "addressType"},
       {"/addressType", "IPv5", "addressType"},
       {"/endpoints", "none", "endpoints"},
       {"/endpoints/0", "none", "endpoints[0]"},
       {"/endpoints/1/addresses", {1, 2}, "endpoints[1].addresses"},
       {"/endpoints/0/conditions/ready", "yes", "endpoints[0].conditions.ready"},
       {"/ports/0/port", 70000, "ports[0].port"},
       {"/ports/0/port", 0, "ports[0].port"},
       {"/ports/0/port", -1, "ports[0].port"},
       {"/ports/0/port", 1.5, "ports[0].port"},
       {"/ports/0/port", json::parse("18446744073709551615"), "ports[0].port"},
       {"/ports/0/protocol", "QUIC", "ports[0].protocol"},
       {"/metadata/labels", {1}, "metadata.labels"}}));
  CAPTURE(pointer, value.dump());
  json object = json::parse(kSlice);
  object[json::json_pointer{pointer}] = value;

  const auto slice = EndpointSlice::from_json(object);

  REQUIRE_FALSE(slice);
  CHECK(slice.error().code == Errc::wrong_type);
  CHECK(slice.error().field == field);
}

TEST_CASE("Service: takes over what routing needs", "[k8s_client]") {
  const auto service = Service::from_json(json::parse(kService));

  REQUIRE(service);
  CHECK(service->meta.key == ObjectKey{"shop", "cart"});
  CHECK(service->type == ServiceType::node_port);
  CHECK(service->cluster_ips == std::vector<std::string>{"10.96.1.2", "fd00::2"});
  CHECK_FALSE(service->headless);
  CHECK(service->ip_families == std::vector<IpFamily>{IpFamily::ipv4, IpFamily::ipv6});
  CHECK(service->internal_traffic_policy == TrafficPolicy::local);
  CHECK(service->traffic_distribution == TrafficDistribution::prefer_same_zone);
  CHECK(service->publish_not_ready_addresses);
  REQUIRE(service->ports.size() == 2);
  CHECK(service->ports[0] == ServicePort{"grpc", 80, Protocol::tcp, "web", "grpc"});
  CHECK(service->ports[1] == ServicePort{"dns", 53, Protocol::udp, "5353", ""});
}

TEST_CASE("Service: the shortest one has defaults", "[k8s_client]") {
  const auto service = Service::from_json({{"metadata", {{"name", "cart"}}}});

  REQUIRE(service);
  CHECK(service->type == ServiceType::cluster_ip);
  CHECK(service->ports.empty());
  CHECK(service->cluster_ips.empty());
  CHECK(service->internal_traffic_policy == TrafficPolicy::cluster);
  CHECK(service->traffic_distribution == TrafficDistribution::any);
}

TEST_CASE("Service: `clusterIP: None` makes it headless, with and without the list",
          "[k8s_client]") {
  const std::string spec = GENERATE(as<std::string>{},
                                    R"({"clusterIP":"None"})",
                                    R"({"clusterIP":"None","clusterIPs":["None"]})");

  const auto service =
      Service::from_json({{"metadata", {{"name", "cart"}}}, {"spec", json::parse(spec)}});

  REQUIRE(service);
  CHECK(service->headless);
  CHECK(service->cluster_ips.empty());
}

TEST_CASE("Service: ExternalName has its name", "[k8s_client]") {
  const auto service = Service::from_json(
      {{"metadata", {{"name", "db"}}},
       {"spec", {{"type", "ExternalName"}, {"externalName", "db.example.com"}}}});

  REQUIRE(service);
  CHECK(service->type == ServiceType::external_name);
  CHECK(service->external_name == "db.example.com");
}

TEST_CASE("Service: trafficDistribution knows the old and the new names, and lets others pass",
          "[k8s_client]") {
  const auto [name, value] = GENERATE(table<std::string, TrafficDistribution>(
      {{"PreferClose", TrafficDistribution::prefer_same_zone},
       {"PreferSameZone", TrafficDistribution::prefer_same_zone},
       {"PreferSameNode", TrafficDistribution::prefer_same_node},
       {"PreferTheMoon", TrafficDistribution::any}}));

  const auto service = Service::from_json(
      {{"metadata", {{"name", "cart"}}}, {"spec", {{"trafficDistribution", name}}}});

  REQUIRE(service);
  CHECK(service->traffic_distribution == value);
}

TEST_CASE("Service: a port without number is an error", "[k8s_client]") {
  const auto service =
      Service::from_json(without(kService, json::json_pointer{"/spec/ports/1/port"}));

  REQUIRE_FALSE(service);
  CHECK(service.error().field == "spec.ports[1].port");
}

TEST_CASE("ConfigMap: holds its texts", "[k8s_client]") {
  const auto map =
      ConfigMap::from_json({{"metadata", {{"name", "nodeway"}, {"namespace", "nodeway-system"}}},
                            {"data", {{"nodeway.yaml", "version: 1\n"}}},
                            {"binaryData", {{"x", "AAAA"}}}});

  REQUIRE(map);
  CHECK(map->data == std::map<std::string, std::string>{{"nodeway.yaml", "version: 1\n"}});
}

TEST_CASE("ConfigMap: a value that is no text is named", "[k8s_client]") {
  const auto map =
      ConfigMap::from_json({{"metadata", {{"name", "nodeway"}}}, {"data", {{"a", 1}}}});

  REQUIRE_FALSE(map);
  CHECK(map.error().field == "data.a");
}

TEST_CASE("Objects: what is no object is an error, whatever it is", "[k8s_client]") {
  const std::string text =
      GENERATE(as<std::string>{}, "null", "[]", "7", R"("x")", R"({"metadata":7})");

  CHECK_FALSE(Service::from_json(json::parse(text)));
  CHECK_FALSE(EndpointSlice::from_json(json::parse(text)));
  CHECK_FALSE(ConfigMap::from_json(json::parse(text)));
}

TEST_CASE("Node: takes over its zone", "[k8s_client]") {
  const auto node = Node::from_json(json::parse(R"json({
    "kind": "Node", "apiVersion": "v1",
    "metadata": {"name": "node-a", "resourceVersion": "9", "namespace": "default",
                 "labels": {"topology.kubernetes.io/zone": "z1", "kubernetes.io/os": "linux"}},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]}
  })json"));

  REQUIRE(node);
  CHECK(node->meta.key == ObjectKey{"", "node-a"});
  CHECK(node->zone == "z1");
  const auto without = Node::from_json(json::parse(R"({"metadata": {"name": "node-b"}})"));
  REQUIRE(without);
  CHECK(without->zone.empty());
}

namespace {

const char* const kPod = R"json({
  "kind": "Pod", "apiVersion": "v1",
  "metadata": {
    "name": "cart-7d4b9-x2x", "namespace": "shop", "uid": "p-1", "resourceVersion": "11",
    "labels": {"app": "cart", "pod-template-hash": "7d4b9"},
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-7d4b9", "uid": "r-1",
                         "controller": true}]},
  "spec": {"nodeName": "node-a", "serviceAccountName": "cart", "containers": [{"name": "cart"}]},
  "status": {"phase": "Running", "podIP": "10.244.1.5", "podIPs": [{"ip": "10.244.1.5"}, {"ip": "fd00::5"}]}
})json";

}  // namespace

TEST_CASE("Pod: takes over whose address is which", "[k8s_client]") {
  const auto pod = Pod::from_json(json::parse(kPod));

  REQUIRE(pod);
  CHECK(pod->meta.key == ObjectKey{"shop", "cart-7d4b9-x2x"});
  CHECK(pod->node_name == "node-a");
  CHECK(pod->service_account == "cart");
  CHECK(pod->ips == std::vector<std::string>{"10.244.1.5", "fd00::5"});
  CHECK_FALSE(pod->host_network);
  CHECK_FALSE(pod->is_terminating);
  CHECK_FALSE(pod->is_over);
}

TEST_CASE("Pod: its workload is the Deployment, not the ReplicaSet", "[k8s_client]") {
  json object = json::parse(kPod);
  const auto workload = [&object] {
    const auto pod = Pod::from_json(object);
    return pod ? pod->workload_kind + "/" + pod->workload_name : pod.error().message();
  };
  CHECK(workload() == "Deployment/cart");

  object["metadata"]["labels"].erase("pod-template-hash");  // a ReplicaSet of its own
  CHECK(workload() == "ReplicaSet/cart-7d4b9");

  object["metadata"]["ownerReferences"][0]["kind"] = "StatefulSet";
  object["metadata"]["ownerReferences"][0]["name"] = "cart";
  CHECK(workload() == "StatefulSet/cart");

  object["metadata"]["ownerReferences"][0]["controller"] = false;
  CHECK(workload() == "/");
}

TEST_CASE("Pod: its phase and deletion tell whether its address is still its own", "[k8s_client]") {
  json object = json::parse(kPod);
  object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  object["spec"]["hostNetwork"] = true;
  object["status"] = {{"phase", GENERATE(as<std::string>{}, "Succeeded", "Failed")},
                      {"podIP", "10.244.1.5"}};

  const auto pod = Pod::from_json(object);

  REQUIRE(pod);
  CHECK(pod->is_terminating);
  CHECK(pod->is_over);
  CHECK(pod->host_network);
  CHECK(pod->ips == std::vector<std::string>{"10.244.1.5"});
}

TEST_CASE("Pod: one that is not scheduled yet has neither node nor address", "[k8s_client]") {
  const auto pod = Pod::from_json(json::parse(
      R"({"metadata": {"name": "a", "namespace": "b"}, "status": {"phase": "Pending"}})"));

  REQUIRE(pod);
  CHECK(pod->node_name.empty());
  CHECK(pod->ips.empty());
  CHECK(pod->workload_kind.empty());
}
