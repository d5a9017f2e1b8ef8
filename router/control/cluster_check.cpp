// SPDX-License-Identifier: Apache-2.0
#include "router/control/cluster_check.hpp"

#include "k8s_client/access_review.hpp"
#include "k8s_client/api_call.hpp"
#include "k8s_client/api_connection.hpp"
#include "k8s_client/api_source.hpp"
#include "k8s_client/clock.hpp"
#include "k8s_client/kubeconfig.hpp"
#include "router/control/config_document.hpp"
#include "router/control/config_map.hpp"
#include "router/control/permissions.hpp"

#include <charconv>
#include <exception>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::control {

namespace asio = boost::asio;
using k8s_client::Errc;
using k8s_client::Failure;
using k8s_client::Result;
using nlohmann::json;

namespace {

constexpr int kLeastMinor = 21;  // discovery.k8s.io/v1 is of Kubernetes 1.21
constexpr std::string_view kApplyManifests = "kubectl apply -k manifests grants it";

/// Where the server is, for people.
std::string url_of(const k8s_client::ApiServer& server) {
  const bool is_ipv6 = server.host.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(is_ipv6 ? "{}://[{}]:{}{}" : "{}://{}:{}{}"),
                     server.tls ? "https" : "http",
                     server.host,
                     server.port,
                     server.path_prefix);
}

std::string how_it_is_known(const k8s_client::ApiServer& server) {
  if (!server.tls) {
    return "without TLS";
  }
  return server.verify_peer ? "its certificate is valid"
                            : "its certificate was not looked at (insecure-skip-tls-verify)";
}

/// What to do if the first question already got no answer.
std::string hint_for(const Failure& failure) {
  if (failure.code == Errc::unauthorized) {
    return "the token or client certificate is not accepted: get a new one";
  }
  if (failure.code == Errc::bad_file) {
    return "the file must be there and readable: a pod gets it by its ServiceAccount, else see the "
           "kubeconfig";
  }
  if (failure.text.starts_with("TLS")) {
    return "the server's certificate must bear this name or address, and be signed by the CA of "
           "the "
           "kubeconfig or the pod's mount";
  }
  if (failure.text.starts_with("resolve")) {
    return "this name must be known to DNS here";
  }
  return "is it running, and does the network (NetworkPolicy, firewall) let this machine reach it?";
}

json parse(const std::string& text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

/// A number that is told as text: `21+` of a cloud's own build is 21.
std::optional<int> number_at(const json& object, const char* field) {
  if (!object.is_object() || !object.contains(field) || !object[field].is_string()) {
    return std::nullopt;
  }
  const auto text = object[field].get<std::string>();
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} ? std::optional{number} : std::nullopt;
}

std::string text_of(const Permission& permission, std::string_view verb, const std::string& ns) {
  return fmt::format(
      "{} {}{} in {}",
      verb,
      permission.resource,
      permission.name.empty() ? "" : fmt::format(" {}", permission.name),
      permission.where == Permission::Where::everywhere ? "all namespaces" : "namespace " + ns);
}

/// Puts one question after the other to the API server.
class ClusterCheck {
 public:
  ClusterCheck(k8s_client::Kubeconfig cluster, std::string config_namespace)
      : cluster_{std::move(cluster)}, namespace_{std::move(config_namespace)} {}

  asio::awaitable<void> run() {
    const bool is_usable = co_await check_server();
    CheckGroup permissions{.title = "permissions"};
    CheckGroup configuration{.title = "configuration"};
    if (is_usable) {
      co_await check_permissions(permissions);
      co_await check_configuration(configuration);
    } else {
      permissions.checks.push_back(skipped("not looked at: see above"));
      configuration.checks.push_back(skipped("not looked at: see above"));
    }
    groups_.push_back(std::move(permissions));
    groups_.push_back(std::move(configuration));
  }

  [[nodiscard]] std::vector<CheckGroup> take_groups() { return std::move(groups_); }

 private:
  /// Whether it is worth while to go on.
  asio::awaitable<bool> check_server() {
    CheckGroup group{.title = "API server"};
    for (const std::string& warning : cluster_.warnings) {
      group.checks.push_back(skipped(warning));
    }
    const std::string url = url_of(cluster_.server);
    const k8s_client::ApiRequest request{.path = "/version", .body = {}};
    const Result<std::string> version = co_await k8s_client::call_api(connection_, request);
    const bool is_forbidden = !version && version.error().code == Errc::forbidden;
    if (!version && !is_forbidden) {
      const Failure failure = version.error();
      group.checks.push_back(failed(url + ": " + failure.message(), hint_for(failure)));
    } else {
      group.checks.push_back(
          passed(fmt::format("{} answers, {}", url, how_it_is_known(cluster_.server))));
      group.checks.push_back(version ? judge_version(parse(*version))
                                     : skipped("its version is told to others only"));
    }
    groups_.push_back(std::move(group));
    co_return version || is_forbidden;
  }

  asio::awaitable<void> check_permissions(CheckGroup& group) {
    for (const Permission& permission : kPermissions) {
      for (const std::string_view verb : permission.verbs) {
        if (!verb.empty()) {
          group.checks.push_back(co_await check_permission(permission, verb));
        }
      }
    }
  }

  asio::awaitable<Check> check_permission(const Permission& permission, std::string_view verb) {
    const bool is_everywhere = permission.where == Permission::Where::everywhere;
    const k8s_client::Access access{.verb = std::string{verb},
                                    .group = std::string{permission.group},
                                    .resource = std::string{permission.resource},
                                    .ns = is_everywhere ? "" : namespace_,
                                    .name = std::string{permission.name}};
    const Result<bool> allowed = co_await k8s_client::ask_for_access(connection_, access);
    const std::string what = text_of(permission, verb, namespace_);
    Check check = passed("may " + what);
    if (!allowed) {
      check = failed(fmt::format("may it {}? {}", what, allowed.error().message()),
                     "the server did not say; try again");
    } else if (!*allowed) {
      check = failed("may not " + what,
                     fmt::format("{} to ServiceAccount nodeway (manifests/rbac.yaml); is this "
                                 "token its own?",
                                 kApplyManifests));
    }
    co_return check;
  }

  asio::awaitable<void> check_configuration(CheckGroup& group) {
    // As the router asks for it: by a list, which needs no other permission.
    const k8s_client::ApiRequest request{
        .path =
            k8s_client::config_map_path({.ns = namespace_, .name = std::string{kConfigMapName}}),
        .body = {}};
    const Result<std::string> list = co_await k8s_client::call_api(connection_, request);
    const std::string where = fmt::format("{}/{}", namespace_, kConfigMapName);
    if (!list) {
      group.checks.push_back(failed(fmt::format("ConfigMap {}: {}", where, list.error().message()),
                                    "see permissions"));
      co_return;
    }
    group.checks = judge_config_map(parse(*list), where);
  }

  const k8s_client::Kubeconfig cluster_;
  const std::string namespace_;
  k8s_client::SteadyClock clock_;
  k8s_client::ApiConnection connection_{cluster_.server, clock_};
  std::vector<CheckGroup> groups_;
};

}  // namespace

Check judge_version(const json& version) {
  const std::optional<int> major = number_at(version, "major");
  const std::optional<int> minor = number_at(version, "minor");
  if (!major || !minor) {
    return failed("what answers does not tell its version", "is it a Kubernetes API server?");
  }
  const std::string name = fmt::format("Kubernetes {}.{}", *major, *minor);
  const bool is_new_enough = *major > 1 || (*major == 1 && *minor >= kLeastMinor);
  return is_new_enough ? passed(fmt::format("{} (1.{} or later is needed)", name, kLeastMinor))
                       : failed(fmt::format("{} has no discovery.k8s.io/v1", name),
                                fmt::format("update it to 1.{} or later", kLeastMinor));
}

std::vector<Check> judge_config_map(const json& list, const std::string& where) {
  const json items = list.is_object() ? list.value("items", json{}) : json{};
  if (!items.is_array()) {
    return {failed(fmt::format("ConfigMap {}: the reply is no list", where),
                   "is it a Kubernetes API server?")};
  }
  if (items.empty()) {
    return {skipped(fmt::format("there is no ConfigMap {}: the defaults are in force", where))};
  }
  const auto config_map = k8s_client::ConfigMap::from_json(items.front());
  const std::string mend =
      "mend it; until then the last good one is in force, and a router that starts is not ready";
  if (!config_map) {
    return {failed(fmt::format("ConfigMap {}: {}", where, config_map.error().message()), mend)};
  }
  const auto document = document_of(*config_map);
  if (!document) {
    return {failed(fmt::format("ConfigMap {}: {}", where, document.error().message()), mend)};
  }
  std::vector<Check> checks{
      passed(fmt::format("ConfigMap {} is there, {} bytes", where, document->size()))};
  const ParsedConfig parsed = parse_config(*document);
  for (const ConfigError& error : parsed.errors) {
    checks.push_back(failed(fmt::format("{}: {}", kConfigMapKey, error.text()), mend));
  }
  if (parsed.is_valid()) {
    checks.push_back(passed("it is valid"));
  }
  return checks;
}

std::variant<std::vector<CheckGroup>, std::string> check_cluster(const ClusterAccess& access) {
  Result<k8s_client::Kubeconfig> cluster = k8s_client::find_api_server(access.kubeconfig);
  if (!cluster) {
    return cluster.error().message();
  }
  asio::io_context loop;
  ClusterCheck check{*std::move(cluster), access.config_namespace};
  std::exception_ptr thrown;
  asio::co_spawn(
      loop, check.run(), [&thrown](std::exception_ptr what) { thrown = std::move(what); });
  loop.run();
  if (thrown) {
    std::rethrow_exception(thrown);
  }
  return check.take_groups();
}

}  // namespace router::control
