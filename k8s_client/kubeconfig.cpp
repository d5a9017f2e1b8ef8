// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/kubeconfig.hpp"

#include "k8s_client/credentials.hpp"
#include "k8s_client/in_cluster.hpp"

#include <charconv>
#include <optional>
#include <utility>
#include <yaml-cpp/yaml.h>

#include <openssl/evp.h>

namespace k8s_client {
namespace {

/// What ends the reading of a file; caught in `parse_kubeconfig`. yaml-cpp throws anyway.
struct Refusal {
  std::string field;
  std::string reason;
};

/// One map of the file, and what it is called in errors.
class Section {
 public:
  Section(const YAML::Node& node, std::string path) : node_{node}, path_{std::move(path)} {}

  [[nodiscard]] std::string text(const char* name) const {
    const YAML::Node value = node_[name];
    if (!value || value.IsNull()) {
      return {};
    }
    if (!value.IsScalar()) {
      throw Refusal{path_ + name, "must be a string"};
    }
    return value.Scalar();
  }

  [[nodiscard]] std::string required_text(const char* name) const {
    std::string value = text(name);
    if (value.empty()) {
      throw Refusal{path_ + name, "is required"};
    }
    return value;
  }

  void refuse(const char* name) const {
    if (node_[name]) {
      throw Refusal{path_ + name, "is not supported"};
    }
  }

  [[nodiscard]] std::string path_of(const char* name) const { return path_ + name; }

 private:
  YAML::Node node_;
  std::string path_;
};

/// `clusters: [{name: …, cluster: {…}}]`, and the same with `users` and `contexts`.
Section named(const YAML::Node& root, const char* list, const char* item, const std::string& name) {
  const YAML::Node entries = root[list];
  if (entries && entries.IsSequence()) {
    for (const YAML::Node& entry : entries) {
      if (entry.IsMap() && entry["name"] && entry["name"].IsScalar() &&
          entry["name"].Scalar() == name) {
        const YAML::Node body = entry[item];
        const bool is_usable = body && body.IsMap();
        return {is_usable ? body : YAML::Node{YAML::NodeType::Map},
                std::string{list} + "[" + name + "]." + item + "."};
      }
    }
  }
  throw Refusal{list, "has no entry named '" + name + "'"};
}

std::string decode_base64(const std::string& text, const std::string& field) {
  std::string code;
  for (const char c : text) {
    if (c != '\n' && c != '\r' && c != ' ') {
      code.push_back(c);
    }
  }
  std::string bytes(code.size(), '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(code.data()),
                                   static_cast<int>(code.size()));
  if (size < 0) {
    throw Refusal{field, "is not base64"};
  }
  // The padding is decoded to zero bytes.
  const std::size_t padding = code.size() - (code.find_last_not_of('=') + 1);
  bytes.resize(static_cast<std::size_t>(size) - std::min<std::size_t>(padding, 2));
  return bytes;
}

/// `NAME-data` wins over `NAME`, as in kubectl.
Secret pem(const Section& section,
           const char* name,
           const char* data_name,
           const std::filesystem::path& folder) {
  const std::string data = section.text(data_name);
  if (!data.empty()) {
    return {.text = decode_base64(data, section.path_of(data_name)), .file = {}};
  }
  const std::string file = section.text(name);
  return {.text = {}, .file = file.empty() ? std::filesystem::path{} : folder / file};
}

void read_url(const Section& cluster, ApiServer& server) {
  const std::string url = cluster.required_text("server");
  const Refusal wrong{cluster.path_of("server"), "is no http:// or https:// URL: '" + url + "'"};
  const std::size_t scheme_end = url.find("://");
  const std::string scheme = url.substr(0, scheme_end);
  if (scheme_end == std::string::npos || (scheme != "http" && scheme != "https")) {
    throw wrong;
  }
  server.tls = scheme == "https";
  server.port = server.tls ? 443 : 80;
  std::string authority = url.substr(scheme_end + 3);
  const std::size_t slash = authority.find('/');
  if (slash != std::string::npos) {
    server.path_prefix = authority.substr(slash);
    server.path_prefix.erase(server.path_prefix.find_last_not_of('/') + 1);
    authority.resize(slash);
  }
  const bool is_bracketed = authority.starts_with('[');
  const std::size_t host_end =
      is_bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (host_end == std::string::npos) {
    throw wrong;
  }
  server.host = authority.substr(is_bracketed ? 1 : 0, host_end - (is_bracketed ? 1 : 0));
  const std::string rest = authority.substr(host_end + (is_bracketed ? 1 : 0));
  if (!rest.empty()) {
    const char* last = rest.data() + rest.size();
    const auto [end, problem] = std::from_chars(rest.data() + 1, last, server.port);
    if (rest.front() != ':' || problem != std::errc{} || end != last || server.port == 0) {
      throw wrong;
    }
  }
  if (server.host.empty()) {
    throw wrong;
  }
}

void read_cluster(const Section& cluster, const std::filesystem::path& folder, Kubeconfig& config) {
  cluster.refuse("proxy-url");
  ApiServer& server = config.server;
  read_url(cluster, server);
  server.server_name = cluster.text("tls-server-name");
  server.ca = pem(cluster, "certificate-authority", "certificate-authority-data", folder);
  const std::string skip = cluster.text("insecure-skip-tls-verify");
  if (skip == "true" && server.ca.is_set()) {
    throw Refusal{cluster.path_of("insecure-skip-tls-verify"), "contradicts certificate-authority"};
  }
  if (skip == "true") {
    server.verify_peer = false;
    config.warnings.emplace_back(
        "insecure-skip-tls-verify: whoever answers is taken for the API server");
  }
}

void read_user(const Section& user, const std::filesystem::path& folder, ApiServer& server) {
  for (const char* unsupported : {"exec", "auth-provider", "username", "as"}) {
    user.refuse(unsupported);
  }
  server.token.text = user.text("token");
  const std::string token_file = user.text("tokenFile");
  if (!token_file.empty()) {
    // The file is what rotates; kubectl, too, prefers it to the text.
    server.token = {.text = {}, .file = folder / token_file};
  }
  server.client_certificate = pem(user, "client-certificate", "client-certificate-data", folder);
  server.client_key = pem(user, "client-key", "client-key-data", folder);
  if (server.client_certificate.is_set() != server.client_key.is_set()) {
    throw Refusal{user.path_of("client-key"), "and client-certificate must be given together"};
  }
}

Kubeconfig config_from(const YAML::Node& root, const std::filesystem::path& folder) {
  if (!root.IsMap()) {
    throw Refusal{"kubeconfig", "must be a map"};
  }
  const std::string context_name = Section{root, ""}.required_text("current-context");
  const Section context = named(root, "contexts", "context", context_name);
  Kubeconfig config;
  config.default_namespace = context.text("namespace");
  const std::string cluster = context.required_text("cluster");
  read_cluster(named(root, "clusters", "cluster", cluster), folder, config);
  const std::string user = context.text("user");
  if (!user.empty()) {
    read_user(named(root, "users", "user", user), folder, config.server);
  }
  return config;
}

}  // namespace

Result<Kubeconfig> read_kubeconfig(const std::filesystem::path& file) {
  const Result<std::string> text = read_secret({.text = {}, .file = file});
  if (!text) {
    return text.error();
  }
  return parse_kubeconfig(*text, file);
}

Result<Kubeconfig> parse_kubeconfig(std::string_view text, const std::filesystem::path& file) {
  try {
    return config_from(YAML::Load(std::string{text}), file.parent_path());
  } catch (const Refusal& refusal) {
    return Failure{Errc::bad_file, file.string() + ": " + refusal.field + ": " + refusal.reason};
  } catch (const YAML::Exception& problem) {
    return Failure{Errc::bad_file,
                   file.string() + ":" + std::to_string(problem.mark.line + 1) + ":" +
                       std::to_string(problem.mark.column + 1) + ": " + problem.msg};
  }
}

Result<Kubeconfig> find_api_server(const std::filesystem::path& kubeconfig) {
  if (!kubeconfig.empty()) {
    return read_kubeconfig(kubeconfig);
  }
  Result<ApiServer> server = in_cluster(PodEnvironment::of_this_process());
  if (!server) {
    return server.error();
  }
  return Kubeconfig{.server = *std::move(server), .default_namespace = {}, .warnings = {}};
}

}  // namespace k8s_client
