// SPDX-License-Identifier: Apache-2.0
#include "router/config.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fstream>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace router;

namespace {

const std::string kHere = NODEWAY_SOURCE_DIR;  // a folder that exists

using Outcome = std::variant<Config, std::string>;

Outcome read(std::vector<std::string> args, const Environment& environment = {}) {
  CLI::App app;
  RunFlags flags;
  add_run_flags(app, flags);
  std::reverse(args.begin(), args.end());  // as CLI11 wants them
  app.parse(args);
  return validate(flags, environment);
}

Outcome read_with_folder(std::vector<std::string> args, const Environment& environment = {}) {
  args.emplace_back("--source");
  args.push_back("files:" + kHere);
  return read(std::move(args), environment);
}

Config good(const Outcome& outcome) {
  if (const auto* line = std::get_if<std::string>(&outcome)) {
    FAIL(*line);
  }
  return std::get<Config>(outcome);
}

std::string wrong(const Outcome& outcome) {
  REQUIRE(std::holds_alternative<std::string>(outcome));
  std::string line = std::get<std::string>(outcome);
  CHECK(line.find('\n') == std::string::npos);
  return line;
}

}  // namespace

TEST_CASE("run's flags: without any, the defaults of the contract hold", "[config]") {
  const Config config = good(read({}, {.is_in_pod = true, .n_cpus = 2}));

  CHECK(config.listen == std::vector<ListenAddress>{{.host = "", .port = 4140}});
  CHECK(config.admin == ListenAddress{.host = "", .port = 9990});
  CHECK(std::get<KubernetesSource>(config.source).kubeconfig.empty());
  CHECK(config.pod_namespace == "nodeway-system");
  CHECK_FALSE(config.config_file.has_value());
  CHECK(config.workers == 2);
  CHECK(config.drain_timeout == 120s);
  CHECK(config.log_level == telemetry::LogLevel::info);
  CHECK(config.log_format == telemetry::LogFormat::json);
}

TEST_CASE("run's flags: --listen may be given several times", "[config]") {
  const Config config = good(
      read_with_folder({"--listen", "127.0.0.1:0", "--listen", "[::1]:4140", "--listen", ":1"}));

  CHECK(config.listen == std::vector<ListenAddress>{{.host = "127.0.0.1", .port = 0},
                                                    {.host = "::1", .port = 4140},
                                                    {.host = "", .port = 1}});
}

TEST_CASE("run's flags: the same address twice is refused, unless the kernel chooses the port",
          "[config]") {
  CHECK(wrong(read_with_folder({"--listen", ":4140", "--listen", ":4140"})) ==
        "--listen: ':4140' is given twice");
  CHECK(good(read_with_folder({"--listen", ":0", "--listen", ":0"})).listen.size() == 2);
}

TEST_CASE("run's flags: a TLS listener needs a certificate and a key, and they need it",
          "[config]") {
  const std::vector<std::string> listener{"--tls-listen", ":4141"};
  const std::vector<std::string> files{"--tls-cert", "a.pem", "--tls-key", "a.key"};
  std::vector<std::string> both = listener;
  both.insert(both.end(), files.begin(), files.end());

  const Config config = good(read_with_folder(both));
  CHECK(config.tls_listen == std::vector<ListenAddress>{{.host = "", .port = 4141}});
  CHECK(config.tls_certificate == "a.pem");
  CHECK(config.tls_key == "a.key");
  CHECK(good(read_with_folder({})).tls_listen.empty());
  CHECK(wrong(read_with_folder(listener)) ==
        "--tls-listen: needs --tls-cert FILE and --tls-key FILE");
  CHECK(wrong(read_with_folder(files)) == "--tls-cert, --tls-key: go with --tls-listen ADDR:PORT");
  both.insert(both.end(), {"--listen", ":4141"});
  CHECK(wrong(read_with_folder(both)) == "--tls-listen: ':4141' is given twice");
}

TEST_CASE("run's flags: an address is numeric and has a port", "[config]") {
  const std::string text = GENERATE("4140",
                                    "localhost:4140",
                                    "127.0.0.1",
                                    "::1:4140",
                                    "127.0.0.1:65536",
                                    ":",
                                    "[1.2.3.4]:1",
                                    ":-1",
                                    "");
  CAPTURE(text);

  CHECK(wrong(read_with_folder({"--admin", text})).starts_with("--admin: '" + text + "'"));
}

TEST_CASE("run's flags: outside of a pod the source must be named", "[config]") {
  CHECK(wrong(read({})).starts_with("--source: outside of a pod"));
}

TEST_CASE("run's flags: a folder as source must exist", "[config]") {
  CHECK(std::get<FilesSource>(good(read({"--source", "files:" + kHere})).source).folder == kHere);
  CHECK(wrong(read({"--source", "files:/nowhere"})) == "--source: '/nowhere' is no folder");
  CHECK(wrong(read({"--source", "etcd"})) ==
        "--source: 'etcd' is neither kubernetes nor files:DIR");
}

TEST_CASE("run's flags: --kubeconfig names an existing file and goes with the API only",
          "[config]") {
  const std::string file = kHere + "/CMakeLists.txt";

  CHECK(std::get<KubernetesSource>(good(read({"--kubeconfig", file})).source).kubeconfig == file);
  CHECK(wrong(read({"--kubeconfig", "/nowhere"})) == "--kubeconfig: there is no file '/nowhere'");
  CHECK(wrong(read_with_folder({"--kubeconfig", file})).starts_with("--kubeconfig: goes with"));
}

TEST_CASE("run's flags: --config names an existing file", "[config]") {
  CHECK(good(read_with_folder({"--config", kHere + "/CMakeLists.txt"})).config_file ==
        kHere + "/CMakeLists.txt");
  CHECK(wrong(read_with_folder({"--config", "/nowhere"})) ==
        "--config: there is no file '/nowhere'");
}

TEST_CASE("run's flags: the node's name comes from its flag, else from the environment",
          "[config]") {
  const Environment environment{.node_name = "node-a"};

  CHECK(good(read_with_folder({}, environment)).node == "node-a");
  CHECK(good(read_with_folder({"--node", "node-b"}, environment)).node == "node-b");
}

TEST_CASE("run's flags: workers are the CPU limit rounded up, else at most four", "[config]") {
  CHECK(good(read_with_folder({}, {.n_cpus = 64, .cpu_limit = 0.2})).workers == 1);
  CHECK(good(read_with_folder({}, {.n_cpus = 64, .cpu_limit = 2.5})).workers == 3);
  CHECK(good(read_with_folder({}, {.n_cpus = 64})).workers == 4);
  CHECK(good(read_with_folder({}, {.n_cpus = 1})).workers == 1);
  CHECK(good(read_with_folder({"--workers", "7"}, {.n_cpus = 2, .cpu_limit = 1})).workers == 7);
  CHECK(wrong(read_with_folder({"--workers", "257"})) == "--workers: 257 is more than 256");
}

TEST_CASE("run's flags: the drain's timeout is a duration of at most a day", "[config]") {
  CHECK(good(read_with_folder({"--drain-timeout", "1m30s"})).drain_timeout == 90s);
  CHECK(good(read_with_folder({"--drain-timeout", "0"})).drain_timeout == 0s);
  CHECK(wrong(read_with_folder({"--drain-timeout", "5"}))
            .starts_with("--drain-timeout: '5' is no duration"));
  CHECK(wrong(read_with_folder({"--drain-timeout", "25h"})) ==
        "--drain-timeout: '25h' is more than 24h");
}

TEST_CASE("run's flags: level and format of the log are those of the contract", "[config]") {
  CHECK(good(read_with_folder({"--log-level", "error"})).log_level == telemetry::LogLevel::error);
  CHECK(good(read_with_folder({"--log-format", "text"})).log_format == telemetry::LogFormat::text);
  CHECK(wrong(read_with_folder({"--log-level", "loud"})).starts_with("--log-level: 'loud'"));
  CHECK(wrong(read_with_folder({"--log-format", "xml"})) ==
        "--log-format: 'xml' is neither json nor text");
}

TEST_CASE("run's flags: --saved-view is a folder, and goes with the API alone", "[config]") {
  const Environment in_pod{.is_in_pod = true};

  CHECK_FALSE(good(read({}, in_pod)).saved_view.has_value());
  CHECK(good(read({"--saved-view", kHere}, in_pod)).saved_view == kHere);
  CHECK(wrong(read({"--saved-view", "/nowhere"}, in_pod)) ==
        "--saved-view: '/nowhere' is no folder");
  CHECK(wrong(read_with_folder({"--saved-view", kHere}, in_pod)) ==
        "--saved-view: goes with --source kubernetes, not with files");
}

TEST_CASE("run's flags: DNS servers are addresses with a port", "[config]") {
  CHECK(good(read_with_folder({})).dns_servers.empty());
  CHECK(good(read_with_folder({"--dns-server", "10.96.0.10:53", "--dns-server", "[fd00::a]:5353"}))
            .dns_servers == std::vector<ListenAddress>{{.host = "10.96.0.10", .port = 53},
                                                       {.host = "fd00::a", .port = 5353}});
  for (const char* const bad : {"10.96.0.10", ":53", "dns.example.com:53", "10.96.0.10:0"}) {
    CAPTURE(bad);
    CHECK_THAT(wrong(read_with_folder({"--dns-server", bad})),
               Catch::StartsWith("--dns-server: '" + std::string{bad} + "' is no ADDR:PORT"));
  }
}
