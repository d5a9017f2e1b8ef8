// SPDX-License-Identifier: Apache-2.0
#include "router/cli/cli.hpp"

#include "router/cli/admin_client.hpp"
#include "router/cli/demo_phases.hpp"
#include "router/control/config_schema.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

namespace {

struct Said {
  int exit_code;
  std::string out;
  std::string err;
};

/// Catches what is written to a stream while it lives.
class Caught {
 public:
  explicit Caught(std::ostream& stream) : stream_{stream}, before_{stream.rdbuf(text.rdbuf())} {}
  Caught(const Caught&) = delete;
  Caught& operator=(const Caught&) = delete;
  ~Caught() { stream_.rdbuf(before_); }

  std::ostringstream text;

 private:
  std::ostream& stream_;
  std::streambuf* before_;
};

Said nodeway(std::vector<const char*> args) {
  args.insert(args.begin(), "nodeway");
  const Caught out{std::cout};
  const Caught err{std::cerr};
  const int exit_code =
      router::cli::run_command_line(static_cast<int>(args.size()), args.data(), {});
  return {exit_code, out.text.str(), err.text.str()};
}

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// A file that is gone at the end.
class File {
 public:
  explicit File(const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "nodeway-check-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    path = name;
    std::ofstream{path} << text;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { std::filesystem::remove(path); }

  std::string path;
};

}  // namespace

TEST_CASE("nodeway --version: tells the version", "[cli]") {
  const Said said = nodeway({"--version"});

  CHECK(said.exit_code == 0);
  CHECK(said.out == std::string{"nodeway "} + NODEWAY_VERSION + "\n");
}

TEST_CASE("nodeway: every command tells the version, too", "[cli]") {
  const char* const command = GENERATE("run", "check", "stat", "endpoints", "demo");

  const Said said = nodeway({command, "--version"});

  CHECK(said.exit_code == 0);
  CHECK(said.out == std::string{"nodeway "} + NODEWAY_VERSION + "\n");
}

TEST_CASE("nodeway --help: every command has one", "[cli]") {
  const char* const command = GENERATE("run", "check", "stat", "endpoints", "demo");

  const Said all = nodeway({"--help"});
  const Said one = nodeway({command, "--help"});

  CHECK(all.exit_code == 0);
  CHECK(all.out.find(command) != std::string::npos);
  CHECK(one.exit_code == 0);
  CHECK(one.out.find("--help") != std::string::npos);
}

TEST_CASE("nodeway stat and endpoints: their help says that they show this node", "[cli]") {
  const char* const command = GENERATE("stat", "endpoints");

  CHECK(nodeway({command, "--help"}).out.find("this node") != std::string::npos);
}

TEST_CASE("nodeway: wrong flags are one line and exit code 2", "[cli]") {
  const std::vector<const char*> args = GENERATE(values<std::vector<const char*>>({
      {},
      {"fly"},
      {"run", "--fly"},
      {"run", "--workers", "none"},
      {"run", "--workers", "0"},
      {"run", "--listen"},
      {"run", "--source", "files:/nowhere"},
      {"run", "--source", "files:/", "--listen", "x"},
      {"run", "--source", "files:/", "--tls-listen", ":4143"},
      {"stat", "-o", "xml"},
      {"stat", "-t", "1s"},
      {"check"},
      {"check", "/nowhere"},
      {"check", "--schema", "/etc/hostname"},
      {"check", "/etc"},
      {"check", "/dev/zero"},
      {"stat", "--admin", "ftp://127.0.0.1:9990"},
      {"stat", "--admin", "127.0.0.1:9990"},
      {"stat", "--admin", "http://127.0.0.1:99999999999"},
      {"endpoints", "--admin", "http://"},
      {"endpoints", "--admin", ""},
      {"demo", "--duration", "soon"},
      {"demo", "--duration", "4s"},
      {"demo", "--duration", "5s", "--pods", "20", "--callers", "1"},
  }));

  const Said said = nodeway(args);

  CAPTURE(args, said.err);
  CHECK(said.exit_code == 2);
  CHECK(said.out.empty());
  CHECK(lines_of(said.err) == 1);
  CHECK(said.err.starts_with("nodeway"));
}

TEST_CASE("nodeway stat and endpoints: a router that is not there is one line and exit code 1",
          "[cli]") {
  const char* const command = GENERATE("stat", "endpoints");

  const Said said = nodeway({command, "--admin", "http://127.0.0.1:1"});

  CHECK(said.exit_code == 1);
  CHECK(said.err ==
        "nodeway: cannot connect to http://127.0.0.1:1: is nodeway running there? (--admin URL)\n");
}

TEST_CASE("nodeway stat: an address without a scheme is told to be no URL", "[cli]") {
  CHECK(nodeway({"stat", "--admin", "127.0.0.1:1"}).err ==
        "nodeway stat: --admin: '127.0.0.1:1' is no URL such as http://127.0.0.1:9990; "
        "see nodeway stat --help\n");
}

TEST_CASE("nodeway: what no command expects is one line and exit code 1", "[cli]") {
  router::cli::RunContext context;
  context.catch_stop_signals = []() -> int { throw std::runtime_error{"no thread left"}; };
  const std::vector<const char*> args{"nodeway", "run", "--source", "files:/"};
  const Caught err{std::cerr};

  const int exit_code =
      router::cli::run_command_line(static_cast<int>(args.size()), args.data(), context);

  CHECK(exit_code == 1);
  CHECK(err.text.str() == "nodeway run: no thread left\n");
}

TEST_CASE("parse_admin_url: takes host and port, in brackets for IPv6", "[cli]") {
  using router::cli::AdminUrl;
  using router::cli::parse_admin_url;

  CHECK(parse_admin_url("http://127.0.0.1:9990") == AdminUrl{"127.0.0.1", 9990});
  CHECK(parse_admin_url("http://127.0.0.1:9990/") == AdminUrl{"127.0.0.1", 9990});
  CHECK(parse_admin_url("http://node-1.example") == AdminUrl{"node-1.example", 80});
  CHECK(parse_admin_url("http://[fd00::1]:9990/") == AdminUrl{"fd00::1", 9990});
  CHECK(parse_admin_url("http://[::1]") == AdminUrl{"::1", 80});
}

TEST_CASE("parse_admin_url: refuses what is none", "[cli]") {
  const char* const text = GENERATE("",
                                    "127.0.0.1:9990",
                                    "https://127.0.0.1:9990",
                                    "ftp://x",
                                    "http://",
                                    "http:///",
                                    "http://:9990",
                                    "http://a:",
                                    "http://a:0",
                                    "http://a:65536",
                                    "http://a:99999999999",
                                    "http://a:9990x",
                                    "http://a:-1",
                                    "http://a/b",
                                    "http://a b",
                                    "http://user@a",
                                    "http://fd00::1",
                                    "http://[fd00::1",
                                    "http://[fd00::1]9990",
                                    "http://[127.0.0.1]:9990",
                                    "http://[]:9990");
  CAPTURE(text);

  CHECK_FALSE(router::cli::parse_admin_url(text));
}

TEST_CASE("nodeway check: ticks what it checked in a good file", "[cli]") {
  const File file{"version: 1\nservices:\n  predict.ml: {upstreamProtocol: h2c}\n"};

  const Said said = nodeway({"check", file.path.c_str()});

  CHECK(said.exit_code == 0);
  CHECK(said.err.empty());
  CHECK(said.out.starts_with("✓ " + file.path + ": read, "));
  CHECK(said.out.find("✓ services with settings of their own: predict.ml\n") != std::string::npos);
}

TEST_CASE("nodeway check: names file, line and column of each error", "[cli]") {
  const File file{"version: 1\ndefaultNamespaces: shop\ndefaults:\n  timeout: {connect: soon}\n"};

  const Said said = nodeway({"check", file.path.c_str()});

  CAPTURE(said.err);
  CHECK(said.exit_code == 2);
  CHECK(said.err.find(file.path + ":2:1: ") != std::string::npos);
  CHECK(said.err.find(file.path + ":4:") != std::string::npos);
  CHECK(said.err.ends_with("✗ " + file.path + ": 2 errors\n"));
}

TEST_CASE("nodeway check --schema: prints the schema of the configuration", "[cli]") {
  const Said said = nodeway({"check", "--schema"});

  CHECK(said.exit_code == 0);
  CHECK(said.err.empty());
  CHECK(said.out == router::control::config_schema());
}

TEST_CASE("nodeway demo: lasts as long as each pod needs for 20 calls", "[cli]") {
  const auto least = [](unsigned pods, unsigned callers) {
    router::cli::DemoOptions options;
    options.pods = pods;
    options.callers = callers;
    return router::cli::DemoPhases::least_duration(options).count();
  };

  CHECK(least(3, 4) == 5);
  CHECK(least(20, 4) == 29);
  CHECK(least(20, 1) == 115);  // 40 s of the phase, 50 calls/s, a fifth for each of 5 services
}
