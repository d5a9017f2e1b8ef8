// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cluster_folder.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace test {
namespace {

struct Name {
  std::string name;
  std::string namespace_;
};

Name split_name(const std::string& full) {
  const std::size_t dot = full.find('.');
  if (dot == std::string::npos) {
    throw std::invalid_argument{full + " is not name.namespace"};
  }
  return {.name = full.substr(0, dot), .namespace_ = full.substr(dot + 1)};
}

std::vector<PortSpec> ports_of(std::uint16_t port, const ServiceOptions& options) {
  std::vector<PortSpec> ports{
      {.number = port, .name = options.port_name, .app_protocol = options.app_protocol}};
  ports.insert(ports.end(), options.more_ports.begin(), options.more_ports.end());
  return ports;
}

void write_name_and_protocol(std::ostream& out, const PortSpec& port) {
  out << ", protocol: " << port.protocol;
  if (!port.name.empty()) {
    out << ", name: " << port.name;
  }
  if (!port.app_protocol.empty()) {
    out << ", appProtocol: " << port.app_protocol;
  }
}

void write_service(std::ostream& out,
                   const Name& name,
                   const std::vector<PortSpec>& ports,
                   bool is_headless) {
  out << "apiVersion: v1\nkind: Service\nmetadata: {name: " << name.name
      << ", namespace: " << name.namespace_ << "}\nspec:\n";
  if (is_headless) {
    out << "  clusterIP: None\n";
  }
  out << "  selector: {app: " << name.name << "}\n  ports:\n";
  for (const PortSpec& port : ports) {
    out << "  - {port: " << port.number;
    write_name_and_protocol(out, port);
    out << "}\n";
  }
}

void write_condition(std::ostream& out, const char* name, std::optional<bool> value) {
  if (value) {
    out << "    " << name << ": " << (*value ? "true" : "false") << "\n";
  }
}

void write_slice(std::ostream& out,
                 const Name& name,
                 std::size_t number,
                 const std::vector<PortSpec>& ports,
                 const EndpointSpec& endpoint) {
  out << "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: "
      << name.name << "-" << number << "\n  namespace: " << name.namespace_
      << "\n  labels: {kubernetes.io/service-name: " << name.name
      << "}\naddressType: IPv4\nports:\n";
  for (const PortSpec& port : ports) {
    out << "- {port: " << port.target.value_or(endpoint.port);
    write_name_and_protocol(out, port);
    out << "}\n";
  }
  out << "endpoints:\n- addresses: [\"" << endpoint.address << "\"]\n";
  if (endpoint.ready || endpoint.serving || endpoint.terminating) {
    out << "  conditions:\n";
    write_condition(out, "ready", endpoint.ready);
    write_condition(out, "serving", endpoint.serving);
    write_condition(out, "terminating", endpoint.terminating);
  }
  if (!endpoint.hint_zone.empty()) {
    out << "  hints: {forZones: [{name: " << endpoint.hint_zone << "}]}\n";
  }
}

std::string indented(std::string_view text) {
  std::istringstream lines{std::string{text}};
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    result += line.empty() ? "\n" : "    " + line + "\n";
  }
  return result;
}

}  // namespace

ClusterFolder::ClusterFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "nodeway-cluster-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error{"cannot make " + name};
  }
  path_ = name;
}

ClusterFolder::~ClusterFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void ClusterFolder::add_service(const std::string& name,
                                std::uint16_t port,
                                const std::vector<EndpointSpec>& endpoints,
                                const ServiceOptions& options) {
  const Name split = split_name(name);
  const std::vector<PortSpec> ports = ports_of(port, options);
  std::ostringstream out;
  write_service(out, split, ports, options.is_headless);
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    write_slice(out, split, i, ports, endpoints[i]);
  }
  write_raw(name + ".yaml", out.str());
}

void ClusterFolder::remove_service(const std::string& name) {
  remove_raw(name + ".yaml");
}

void ClusterFolder::set_config(std::string_view yaml) {
  write_raw(
      "nodeway-config.yaml",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nodeway, namespace: nodeway-system}\n"
      "data:\n  nodeway.yaml: |\n" +
          indented(yaml));
}

void ClusterFolder::remove_config() {
  remove_raw("nodeway-config.yaml");
}

void ClusterFolder::write_raw(const std::string& file_name, std::string_view content) {
  const std::filesystem::path staged = path_ / ("." + file_name + ".new");
  std::ofstream{staged} << content;
  std::filesystem::rename(staged, path_ / file_name);
}

void ClusterFolder::remove_raw(const std::string& file_name) {
  std::filesystem::remove(path_ / file_name);
}

}  // namespace test
