// SPDX-License-Identifier: Apache-2.0
#include "router/make_source.hpp"

#include "k8s_client/api_source.hpp"
#include "k8s_client/file_source.hpp"
#include "k8s_client/kubeconfig.hpp"
#include "router/control/config_map.hpp"
#include "router/start_failure.hpp"
#include "router/telemetry/log.hpp"

#include <filesystem>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace router {
namespace {

using telemetry::LogLevel;

void log_notice(const k8s_client::Notice& notice) {
  const bool is_info = notice.level == k8s_client::Notice::Level::info;
  telemetry::log(is_info ? LogLevel::info : LogLevel::warning, "source", notice.text);
}

k8s_client::ApiServer find_api_server(const std::filesystem::path& kubeconfig) {
  auto found = k8s_client::find_api_server(kubeconfig);
  if (!found) {
    throw StartFailure{2, found.error().message()};
  }
  for (const std::string& warning : found->warnings) {
    telemetry::log(LogLevel::warning, "source", warning);
  }
  return std::move(found->server);
}

}  // namespace

std::unique_ptr<k8s_client::Source> make_source(const Config& config,
                                                std::uint64_t seed,
                                                const boost::asio::any_io_executor& executor,
                                                k8s_client::Stores& stores,
                                                k8s_client::Clock& clock) {
  if (const auto* files = std::get_if<FilesSource>(&config.source)) {
    return std::make_unique<k8s_client::FileSource>(
        executor,
        k8s_client::FileSource::Options{.folder = files->folder, .notices = log_notice},
        stores,
        clock);
  }
  k8s_client::ApiSource::Options options{
      .server = find_api_server(std::get<KubernetesSource>(config.source).kubeconfig),
      .config_map = {.ns = config.pod_namespace, .name = std::string{control::kConfigMapName}},
      .node = config.node,
      .seed = seed,
      .notices = log_notice,
      .max_start_delay = k8s_client::ApiSource::kMaxStartDelay};
  return std::make_unique<k8s_client::ApiSource>(executor, std::move(options), stores, clock);
}

void refuse_two_configurations(const Config& config, const k8s_client::Stores& stores) {
  if (!config.config_file || !std::holds_alternative<FilesSource>(config.source)) {
    return;
  }
  for (const auto& [key, config_map] : stores.config_maps.all()) {
    if (key.name == control::kConfigMapName) {
      throw StartFailure{
          2,
          fmt::format(
              "--config: the folder of --source holds ConfigMap {}/{} already; give one of both",
              key.ns,
              key.name)};
    }
  }
}

}  // namespace router
