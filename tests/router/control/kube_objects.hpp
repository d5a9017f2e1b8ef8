// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/service.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// Short ways to write Kubernetes objects down; all in namespace `shop`.
namespace test {

inline k8s_client::ServicePort service_port(std::uint16_t number,
                                            std::string name = "",
                                            std::string app_protocol = "") {
  k8s_client::ServicePort port;
  port.name = std::move(name);
  port.port = number;
  port.app_protocol = std::move(app_protocol);
  return port;
}

inline k8s_client::Service service(std::string name, std::vector<k8s_client::ServicePort> ports) {
  k8s_client::Service result;
  result.meta.key = {.ns = "shop", .name = std::move(name)};
  result.meta.uid = "uid-of-" + result.meta.key.name;
  result.ports = std::move(ports);
  return result;
}

inline k8s_client::SlicePort slice_port(std::uint16_t number,
                                        std::string name = "",
                                        std::string app_protocol = "") {
  k8s_client::SlicePort port;
  port.name = std::move(name);
  port.port = number;
  port.app_protocol = std::move(app_protocol);
  return port;
}

inline constexpr k8s_client::EndpointConditions kReady{
    .ready = true, .serving = true, .terminating = false};
inline constexpr k8s_client::EndpointConditions kStarting{
    .ready = false, .serving = false, .terminating = false};
inline constexpr k8s_client::EndpointConditions kEnding{
    .ready = false, .serving = true, .terminating = true};
inline constexpr k8s_client::EndpointConditions kEnded{
    .ready = false, .serving = false, .terminating = true};

inline k8s_client::SliceEndpoint endpoint(std::string address,
                                          k8s_client::EndpointConditions conditions = kReady) {
  k8s_client::SliceEndpoint result;
  result.target_name = "pod-at-" + address;
  result.address = std::move(address);
  result.conditions = conditions;
  return result;
}

/// A slice of Service `service`, IPv4 unless changed afterwards.
inline k8s_client::EndpointSlice slice(std::string name,
                                       std::string service,
                                       std::vector<k8s_client::SliceEndpoint> endpoints,
                                       std::vector<k8s_client::SlicePort> ports = {
                                           slice_port(8080)}) {
  k8s_client::EndpointSlice result;
  result.meta.key = {.ns = "shop", .name = std::move(name)};
  result.service_uid = "uid-of-" + service;
  result.service_name = std::move(service);
  result.endpoints = std::move(endpoints);
  result.ports = std::move(ports);
  return result;
}

}  // namespace test
