// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace router::cli {

/// The pod of a service, as an EndpointSlice tells it.
struct DemoEndpoint {
  std::string service;
  std::string pod;
  std::uint16_t grpc_port = 0;
  std::uint16_t http_port = 0;
};

/// A temporary folder: in `cluster()` the Kubernetes YAML of the demo, beside it the logs of its
/// processes. Removed with this object.
///
/// Each pod has an EndpointSlice of its own, since a slice's ports hold for all of its endpoints,
/// and on loopback each pod has ports of its own. Files are replaced by renaming, so that a
/// half-written one is never read.
class DemoFolder {
 public:
  static constexpr std::string_view kNamespace = "calc";

  DemoFolder();
  DemoFolder(const DemoFolder&) = delete;
  DemoFolder& operator=(const DemoFolder&) = delete;
  ~DemoFolder();

  [[nodiscard]] std::filesystem::path cluster() const { return path_ / "cluster"; }
  [[nodiscard]] std::filesystem::path log_of(const std::string& process) const;

  /// Service with the ports `grpc` (50051) and `http` (80).
  void add_service(const std::string& name);
  void add_ready(const DemoEndpoint& endpoint);
  /// Not ready, serving, terminating: what the API says of a pod from its deletion to its end.
  void mark_terminating(const DemoEndpoint& endpoint);
  void remove(const std::string& pod);

 private:
  void write_slice(const DemoEndpoint& endpoint, bool terminating);
  void replace(const std::string& name, const std::string& content);

  std::filesystem::path path_;
};

}  // namespace router::cli
