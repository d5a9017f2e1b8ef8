// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/kubeconfig.hpp"

#include "tests/k8s_client/result_text.hpp"
#include "tests/k8s_client/scratch_folder.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace k8s_client;

namespace {

std::string config(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: dev\n"
         "contexts:\n"
         "- name: other\n  context: {cluster: other, user: other}\n"
         "- name: dev\n  context: {cluster: c, user: u, namespace: team}\n"
         "clusters:\n- name: c\n  cluster: {" +
         cluster + "}\nusers:\n- name: u\n  user: {" + user + "}\n";
}

constexpr const char* kServer = "server: 'https://127.0.0.1:6443'";

Result<Kubeconfig> parse(const std::string& cluster, const std::string& user) {
  return parse_kubeconfig(config(cluster, user), "/home/me/.kube/config");
}

}  // namespace

TEST_CASE("kubeconfig: takes the current context's cluster and user", "[k8s_client]") {
  const auto read = parse(kServer, "token: secret");

  REQUIRE(read);
  CHECK(read->default_namespace == "team");
  CHECK(read->server.host == "127.0.0.1");
  CHECK(read->server.port == 6443);
  CHECK(read->server.tls);
  CHECK(read->server.verify_peer);
  CHECK(read->server.token.text == "secret");
  CHECK(read->warnings.empty());
}

TEST_CASE("kubeconfig: a server is an http or https URL", "[k8s_client]") {
  struct Row {
    std::string url;
    bool tls;
    std::string host;
    int port;
    std::string prefix;
  };
  const auto row = GENERATE(values<Row>({
      {"https://api.example.com", true, "api.example.com", 443, ""},
      {"https://api.example.com/", true, "api.example.com", 443, ""},
      {"https://[fd00::1]:6443", true, "fd00::1", 6443, ""},
      {"https://[fd00::1]", true, "fd00::1", 443, ""},
      {"http://127.0.0.1:8001", false, "127.0.0.1", 8001, ""},
      {"http://localhost", false, "localhost", 80, ""},
      {"https://rancher.example.com/k8s/clusters/c-1/",
       true,
       "rancher.example.com",
       443,
       "/k8s/clusters/c-1"},
  }));
  CAPTURE(row.url);

  const auto read = parse("server: '" + row.url + "'", "token: t");

  REQUIRE(read);
  CHECK(read->server.tls == row.tls);
  CHECK(read->server.host == row.host);
  CHECK(read->server.port == row.port);
  CHECK(read->server.path_prefix == row.prefix);
}

TEST_CASE("kubeconfig: refuses what is no such URL, by file and field", "[k8s_client]") {
  const std::string url = GENERATE("127.0.0.1:6443",
                                   "ftp://x",
                                   "https://",
                                   "https://:443",
                                   "https://x:0",
                                   "https://x:99999",
                                   "https://x:",
                                   "https://[::1",
                                   "https://[::1]443");

  const auto read = parse("server: '" + url + "'", "token: t");

  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::bad_file);
  CHECK(read.error().message() ==
        "/home/me/.kube/config: clusters[c].cluster.server: is no http:// or https:// URL: '" +
            url + "'");
}

TEST_CASE("kubeconfig: certificates come as files from its folder, or as data", "[k8s_client]") {
  const auto files = parse(std::string{kServer} + ", certificate-authority: pki/ca.pem",
                           "client-certificate: /etc/me.crt, client-key: me.key");
  // "YWJj" is "abc", "YWI=" is "ab", "YQ==" is "a".
  const auto data = parse(
      std::string{kServer} + ", certificate-authority: ignored, certificate-authority-data: YWJj",
      "client-certificate-data: YWI=, client-key-data: YQ==");

  REQUIRE(files);
  CHECK(files->server.ca.file == "/home/me/.kube/pki/ca.pem");
  CHECK(files->server.client_certificate.file == "/etc/me.crt");
  CHECK(files->server.client_key.file == "/home/me/.kube/me.key");
  REQUIRE(data);
  CHECK(data->server.ca == Secret{"abc", ""});
  CHECK(data->server.client_certificate.text == "ab");
  CHECK(data->server.client_key.text == "a");
}

TEST_CASE("kubeconfig: tokenFile wins over token", "[k8s_client]") {
  const auto read = parse(kServer, "token: old, tokenFile: /run/token");

  REQUIRE(read);
  CHECK(read->server.token == Secret{"", "/run/token"});
}

TEST_CASE(
    "kubeconfig: insecure-skip-tls-verify is honoured with a warning, tls-server-name without",
    "[k8s_client]") {
  const auto read =
      parse(std::string{kServer} + ", insecure-skip-tls-verify: true, tls-server-name: kubernetes",
            "token: t");

  REQUIRE(read);
  CHECK_FALSE(read->server.verify_peer);
  CHECK(read->warnings.size() == 1);
  CHECK(read->server.server_name == "kubernetes");
}

TEST_CASE("kubeconfig: says which field is wrong", "[k8s_client]") {
  struct Row {
    std::string cluster;
    std::string user;
    std::string message;
  };
  const std::string server = kServer;
  const auto row = GENERATE_COPY(values<Row>({
      {"x: 1", "token: t", "clusters[c].cluster.server: is required"},
      {server + ", proxy-url: 'http://p'",
       "token: t",
       "clusters[c].cluster.proxy-url: is not supported"},
      {server + ", certificate-authority-data: '%%%%'",
       "token: t",
       "clusters[c].cluster.certificate-authority-data: is not base64"},
      {server + ", certificate-authority: a, insecure-skip-tls-verify: true",
       "token: t",
       "clusters[c].cluster.insecure-skip-tls-verify: contradicts certificate-authority"},
      {server, "exec: {command: aws}", "users[u].user.exec: is not supported"},
      {server, "token: [1]", "users[u].user.token: must be a string"},
      {server,
       "client-certificate: a",
       "users[u].user.client-key: and client-certificate must be given together"},
  }));

  const auto read = parse(row.cluster, row.user);

  REQUIRE_FALSE(read);
  CHECK(read.error().message() == "/home/me/.kube/config: " + row.message);
}

TEST_CASE("kubeconfig: names missing entries", "[k8s_client]") {
  const auto no_context = parse_kubeconfig("current-context: dev\ncontexts: []\n", "f");
  const auto none_current = parse_kubeconfig("contexts: []\n", "f");
  const auto no_map = parse_kubeconfig("[]", "f");

  REQUIRE_FALSE(no_context);
  CHECK(no_context.error().message() == "f: contexts: has no entry named 'dev'");
  REQUIRE_FALSE(none_current);
  CHECK(none_current.error().message() == "f: current-context: is required");
  REQUIRE_FALSE(no_map);
  CHECK(no_map.error().message() == "f: kubeconfig: must be a map");
}

TEST_CASE("kubeconfig: broken YAML is told with line and column", "[k8s_client]") {
  const auto read = parse_kubeconfig("current-context: dev\nclusters: [\n", "f");

  REQUIRE_FALSE(read);
  CHECK(read.error().message().rfind("f:3:1: ", 0) == 0);
}

TEST_CASE("kubeconfig: a file that is not there is named", "[k8s_client]") {
  const test::ScratchFolder folder;

  const auto read = read_kubeconfig(folder.path() / "config");

  REQUIRE_FALSE(read);
  CHECK(read.error().message() ==
        (folder.path() / "config").string() + ": No such file or directory");
}
