// SPDX-License-Identifier: Apache-2.0
#include "router/cli/demo_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include <fmt/core.h>

namespace router::cli {

namespace {

constexpr std::string_view kService = R"(apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: {name}}}
  ports:
  - {{name: grpc, port: 50051, protocol: TCP}}
  - {{name: http, port: 80, protocol: TCP}}
)";

constexpr std::string_view kSlice = R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {pod}
  namespace: {namespace}
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv4
ports:
- {{name: grpc, port: {grpc}, protocol: TCP}}
- {{name: http, port: {http}, protocol: TCP}}
endpoints:
- addresses: ["127.0.0.1"]
  conditions: {{ready: {ready}, serving: true, terminating: {terminating}}}
  targetRef: {{kind: Pod, name: {pod}, namespace: {namespace}}}
)";

}  // namespace

DemoFolder::DemoFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "nodeway-demo-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::system_error{errno, std::generic_category(), name};
  }
  path_ = name;
  std::filesystem::create_directory(cluster());
}

DemoFolder::~DemoFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path DemoFolder::log_of(const std::string& process) const {
  return path_ / (process + ".log");
}

void DemoFolder::add_service(const std::string& name) {
  replace(name, fmt::format(kService, fmt::arg("name", name), fmt::arg("namespace", kNamespace)));
}

void DemoFolder::add_ready(const DemoEndpoint& endpoint) {
  write_slice(endpoint, false);
}

void DemoFolder::mark_terminating(const DemoEndpoint& endpoint) {
  write_slice(endpoint, true);
}

void DemoFolder::remove(const std::string& pod) {
  std::filesystem::remove(cluster() / (pod + ".yaml"));
}

void DemoFolder::write_slice(const DemoEndpoint& endpoint, bool terminating) {
  replace(endpoint.pod,
          fmt::format(kSlice,
                      fmt::arg("pod", endpoint.pod),
                      fmt::arg("namespace", kNamespace),
                      fmt::arg("service", endpoint.service),
                      fmt::arg("grpc", endpoint.grpc_port),
                      fmt::arg("http", endpoint.http_port),
                      fmt::arg("ready", !terminating),
                      fmt::arg("terminating", terminating)));
}

void DemoFolder::replace(const std::string& name, const std::string& content) {
  const std::filesystem::path staged = path_ / "staged.yaml";
  std::ofstream{staged} << content;
  std::filesystem::rename(staged, cluster() / (name + ".yaml"));
}

}  // namespace router::cli
