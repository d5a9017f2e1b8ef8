// SPDX-License-Identifier: Apache-2.0
// The process as docs/cli.md describes it: lines on stdout, log on stderr, exit codes.
#include "tests/integration/one_service.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

TEST_CASE("nodeway: tells its ports on stdout, first listening, then ready",
          "[integration][process]") {
  test::ClusterFolder cluster;
  test::RouterProcess router{{.source = cluster.path(), .n_listeners = 2}};

  const auto listening = nlohmann::json::parse(router.child().wait_stdout_line(0));
  const auto ready = nlohmann::json::parse(router.child().wait_stdout_line(1));

  CHECK(listening.at("event") == "listening");
  CHECK(listening.at("listen").size() == 2);
  CHECK(router.listen_port(0) != router.listen_port(1));
  CHECK(ready.at("event") == "ready");
  CHECK(ready.at("listen") == listening.at("listen"));
  CHECK(ready.at("admin") == listening.at("admin"));
  CHECK(router.stop() == 0);
  CHECK(router.child().stdout_lines().size() == 2);  // nothing else goes there
}

TEST_CASE("nodeway: every listener leads to the same Services", "[integration][process]") {
  test::Upstream upstream{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .n_listeners = 2}};

  CHECK(test::H2Client{router.listen_port(0)}.get("cart.shop", "/").status == 200);
  CHECK(test::H2Client{router.listen_port(1)}.get("cart.shop", "/").status == 200);
}

TEST_CASE("nodeway: logs JSON lines on stderr", "[integration][process]") {
  test::OneService path{test::answer(200, "ok")};
  path.client.get("cart.shop", "/");
  REQUIRE(path.router.stop() == 0);

  const auto lines = path.router.child().stderr_lines();
  REQUIRE_FALSE(lines.empty());
  for (const std::string& line : lines) {
    CAPTURE(line);
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    REQUIRE(entry.is_object());
    for (const auto* const field : {"ts", "level", "msg", "component"}) {
      CAPTURE(field);
      CHECK(entry.contains(field));
    }
  }
}

TEST_CASE("nodeway: logs text where that is asked for", "[integration][process]") {
  test::OneService path{test::answer(200, "ok"), {}, {"--log-format", "text"}};
  REQUIRE(path.router.stop() == 0);

  const auto lines = path.router.child().stderr_lines();
  REQUIRE_FALSE(lines.empty());
  CHECK_FALSE(nlohmann::json::accept(lines.front()));
}

TEST_CASE("nodeway: a stderr that nobody reads does not hold up its end",
          "[integration][process]") {
  test::OneService path{test::answer(200, "ok")};
  const auto pid = std::to_string(path.router.child().pid());
  const std::string binary = std::filesystem::read_symlink("/proc/" + pid + "/exe");
  const std::string pipe = path.cluster.path() / "stderr";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const test::Fd full{::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  REQUIRE(::fcntl(full.get(), F_SETPIPE_SZ, 4096) == 4096);
  REQUIRE(::write(full.get(), std::string(4096, 'x').data(), 4096) == 4096);
  test::ChildProcess stuck{{"/bin/sh",
                            "-c",
                            R"(exec "$0" "$@" 2>')" + pipe + "'",
                            binary,
                            "run",
                            "--source",
                            "files:" + path.cluster.path().string(),
                            "--listen",
                            "127.0.0.1:0",
                            "--admin",
                            "127.0.0.1:0"},
                           {}};
  static_cast<void>(stuck.wait_stdout_line(1, 30s));  // ready

  stuck.signal(SIGTERM);

  // A sanitizer looks for leaks before the end.
  CHECK(stuck.wait_exit(test::is_sanitized() ? 20s : 5s) == 0);
}

TEST_CASE("nodeway: wrong flags exit 2 with one clear line", "[integration][process]") {
  using Args = std::vector<std::string>;
  const auto [args, culprit] = GENERATE(table<Args, std::string>({
      {{"run", "--no-such-flag"}, "no-such-flag"},
      {{"run", "--source", "files:/nowhere/at/all"}, "/nowhere/at/all"},
      {{"run", "--source", "magic"}, "magic"},
      {{"run", "--source", "files:/tmp", "--listen", "nonsense"}, "nonsense"},
      {{"run", "--source", "files:/tmp", "--listen", "127.0.0.1:99999"}, "99999"},
      {{"run", "--source", "files:/tmp", "--admin", "nonsense"}, "nonsense"},
      {{"run", "--source", "files:/tmp", "--workers", "many"}, "many"},
      {{"run", "--source", "files:/tmp", "--workers", "0"}, "workers"},
      {{"run", "--source", "files:/tmp", "--drain-timeout", "soon"}, "soon"},
      {{"run", "--source", "files:/tmp", "--log-level", "shouting"}, "shouting"},
      {{"run", "--source", "files:/tmp", "--log-format", "xml"}, "xml"},
      {{"run", "--source", "files:/tmp", "--config", "/nowhere/config.yaml"},
       "/nowhere/config.yaml"},
      {{"run", "--source", "files:/tmp", "--saved-view", "/tmp"}, "--saved-view"},
      {{"run", "--kubeconfig", "/dev/null", "--saved-view", "/nowhere/view"}, "/nowhere/view"},
      {{"no-such-command"}, "subcommand"},
  }));
  CAPTURE(args);

  const test::CommandResult result = test::run_nodeway(args);

  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK_THAT(result.err, Catch::Contains(culprit));
}

TEST_CASE("nodeway: an address that is taken ends it with 1", "[integration][process]") {
  const test::Fd taken = test::listen_on_loopback(0);
  const std::string address = "127.0.0.1:" + std::to_string(test::local_port(taken));
  test::ClusterFolder cluster;

  const test::CommandResult result = test::run_nodeway({"run",
                                                        "--source",
                                                        "files:" + cluster.path().string(),
                                                        "--listen",
                                                        address,
                                                        "--admin",
                                                        "127.0.0.1:0"});

  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Catch::Contains(address));
}

TEST_CASE("nodeway: --version and --help say what they should and exit 0",
          "[integration][process]") {
  const test::CommandResult version = test::run_nodeway({"--version"});
  CHECK(version.exit_code == 0);
  CHECK_THAT(version.out, Catch::Contains("0.1.0"));

  const auto args = GENERATE(std::vector<std::string>{"--help"},
                             std::vector<std::string>{"run", "--help"},
                             std::vector<std::string>{"check", "--help"},
                             std::vector<std::string>{"stat", "--help"},
                             std::vector<std::string>{"endpoints", "--help"});
  const test::CommandResult help = test::run_nodeway(args);
  CHECK(help.exit_code == 0);
  CHECK_THAT(help.out, Catch::Contains("nodeway"));
  CHECK(help.err.empty());
}

TEST_CASE("nodeway check: says what is wrong with file, line and column",
          "[integration][process]") {
  test::ClusterFolder files;
  files.write_raw("good.yaml", "version: 1\ndefaultNamespace: shop\n");
  files.write_raw("bad.yaml", "version: 1\ndefaults:\n  balancer: {polcy: round_robin}\n");

  const test::CommandResult good =
      test::run_nodeway({"check", (files.path() / "good.yaml").string()});
  const test::CommandResult bad =
      test::run_nodeway({"check", (files.path() / "bad.yaml").string()});

  CHECK(good.exit_code == 0);
  CHECK(bad.exit_code == 2);
  CHECK_THAT(
      bad.err + bad.out,
      Catch::Contains("bad.yaml:3:14") && Catch::Contains("polcy") && Catch::Contains("policy"));
}

TEST_CASE("nodeway stat and endpoints: show the running router", "[integration][process]") {
  test::OneService path{test::answer(200, "ok")};
  REQUIRE(path.client.get("cart.shop", "/").status == 200);
  const std::string admin = "http://127.0.0.1:" + std::to_string(path.router.admin_port());

  const test::CommandResult stat = test::run_nodeway({"stat", "-A", "--admin", admin});
  const test::CommandResult endpoints = test::run_nodeway({"endpoints", "-A", "--admin", admin});

  CHECK(stat.exit_code == 0);
  CHECK_THAT(stat.out,
             Catch::Contains("SUCCESS") && Catch::Contains("cart") && Catch::Contains("1/1"));
  CHECK(endpoints.exit_code == 0);
  CHECK_THAT(endpoints.out, Catch::Contains("127.0.0.1:" + std::to_string(path.upstream.port())));
}

TEST_CASE("nodeway endpoints: lists those of a Service before its first request",
          "[integration][process]") {
  test::OneService path{test::answer(200, "ok")};
  const std::string admin = "http://127.0.0.1:" + std::to_string(path.router.admin_port());
  const std::string address = "127.0.0.1:" + std::to_string(path.upstream.port());

  const auto listed = [&admin](const std::string& service) {
    return test::run_nodeway({"endpoints", service, "-n", "shop", "--admin", admin}).out;
  };
  CHECK_THAT(listed("cart"), Catch::Contains(address + "  unused "));
  CHECK_THAT(listed("bank"), Catch::StartsWith("No endpoints of bank in namespace shop"));

  REQUIRE(path.client.get("cart.shop", "/").status == 200);
  CHECK_THAT(listed("cart"), Catch::Contains(address + "  ready "));
}

TEST_CASE("nodeway stat: fails clearly where no router answers", "[integration][process]") {
  const std::string admin = "http://127.0.0.1:" + std::to_string(test::unused_port());

  const test::CommandResult stat = test::run_nodeway({"stat", "-A", "--admin", admin});

  CHECK(stat.exit_code == 1);
  CHECK_THAT(stat.err, Catch::Contains(admin));
}
