// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/in_cluster.hpp"

#include "k8s_client/credentials.hpp"
#include "tests/k8s_client/result_text.hpp"
#include "tests/k8s_client/scratch_folder.hpp"
#include "tests/support/sim_clock.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;

TEST_CASE("in_cluster: takes address, CA and token from where Kubernetes puts them",
          "[k8s_client]") {
  const test::ScratchFolder mount;
  mount.write("token", "t");
  mount.write("ca.crt", "c");
  const std::string host = GENERATE("10.96.0.1", "fd00:10:96::1");

  const auto server = in_cluster({host, "6443", mount.path()});

  REQUIRE(server);
  CHECK(server->host == host);
  CHECK(server->port == 6443);
  CHECK(server->tls);
  CHECK(server->verify_peer);
  CHECK(server->ca.file == mount.path() / "ca.crt");
  CHECK(server->token.file == mount.path() / "token");
}

TEST_CASE("in_cluster: says what is missing", "[k8s_client]") {
  const test::ScratchFolder mount;
  mount.write("ca.crt", "c");

  const auto no_host = in_cluster({"", "443", mount.path()});
  const auto no_token = in_cluster({"10.96.0.1", "443", mount.path()});

  REQUIRE_FALSE(no_host);
  CHECK(no_host.error().code == Errc::not_in_cluster);
  CHECK(no_host.error().message() == "KUBERNETES_SERVICE_HOST is not set");
  REQUIRE_FALSE(no_token);
  CHECK(no_token.error().message() == (mount.path() / "token").string() + ": no such file");
}

TEST_CASE("in_cluster: refuses what is no port", "[k8s_client]") {
  const std::string port = GENERATE("", "0", "65536", "443x", "https");

  const auto server = in_cluster({"10.96.0.1", port, "/nowhere"});

  REQUIRE_FALSE(server);
  CHECK(server.error().message() == "KUBERNETES_SERVICE_PORT is no port: '" + port + "'");
}

TEST_CASE("Credentials: the token's file is read again each minute, and at once after a refusal",
          "[k8s_client]") {
  boost::asio::io_context loop;
  test::SimClock clock{loop};
  const test::ScratchFolder mount;
  mount.write("token", "first\n");
  Credentials credentials{{.text = {}, .file = mount.path() / "token"}, clock};
  REQUIRE(credentials.token().value() == "first");

  mount.write("token", "second\n");
  clock.advance(59s);
  CHECK(credentials.token().value() == "first");
  clock.advance(1s);
  CHECK(credentials.token().value() == "second");

  mount.write("token", "third");
  credentials.forget_token();
  CHECK(credentials.token().value() == "third");
}

TEST_CASE("Credentials: a token that cannot be read now keeps its last value", "[k8s_client]") {
  boost::asio::io_context loop;
  test::SimClock clock{loop};
  const test::ScratchFolder mount;
  Credentials credentials{{.text = {}, .file = mount.path() / "token"}, clock};
  const auto missing = credentials.token();
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message() ==
        (mount.path() / "token").string() + ": No such file or directory");

  mount.write("token", "first");
  REQUIRE(credentials.token().value() == "first");
  mount.remove("token");
  clock.advance(2min);

  CHECK(credentials.token().value() == "first");
}

TEST_CASE("Credentials: without a token there is an empty one", "[k8s_client]") {
  boost::asio::io_context loop;
  test::SimClock clock{loop};
  Credentials credentials{{}, clock};

  CHECK(credentials.token().value().empty());
}
