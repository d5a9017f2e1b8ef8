// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// One address of an EndpointSlice.
struct EndpointSpec {
  std::uint16_t port = 0;
  std::string address = "127.0.0.1";
  std::optional<bool> ready = true;  ///< `nullopt`: the condition is left out
  std::optional<bool> serving{};
  std::optional<bool> terminating{};
  std::string hint_zone{};  ///< empty: no hint
};

/// A further port of a Service. It leads to the endpoints' one port, unless it has a `target` of
/// its own.
struct PortSpec {
  std::uint16_t number = 0;
  std::string name{};
  std::string app_protocol{};
  std::string protocol = "TCP";
  std::optional<std::uint16_t> target{};
};

struct ServiceOptions {
  std::string port_name{};  ///< empty only if there are no `more_ports`, as Kubernetes demands
  std::string app_protocol{};
  bool is_headless = false;
  std::vector<PortSpec> more_ports{};
};

/// A folder of Kubernetes YAML for `--source files:DIR`, removed at the end. Files are replaced as
/// a whole, by rename.
class ClusterFolder {
 public:
  ClusterFolder();
  ClusterFolder(const ClusterFolder&) = delete;
  ClusterFolder& operator=(const ClusterFolder&) = delete;
  ~ClusterFolder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Writes (or replaces) a Service and its EndpointSlices, one slice per endpoint, in one file.
  /// `name` is `name.namespace`.
  void add_service(const std::string& name,
                   std::uint16_t port,
                   const std::vector<EndpointSpec>& endpoints,
                   const ServiceOptions& options = {});
  void remove_service(const std::string& name);
  /// Writes ConfigMap `nodeway` in `nodeway-system` with this document under `nodeway.yaml`.
  void set_config(std::string_view yaml);
  void remove_config();
  /// Writes any file.
  void write_raw(const std::string& file_name, std::string_view content);
  void remove_raw(const std::string& file_name);

 private:
  std::filesystem::path path_;
};

}  // namespace test
