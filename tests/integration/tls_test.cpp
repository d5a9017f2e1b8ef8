// SPDX-License-Identifier: Apache-2.0
// Clients that use TLS.
#include "tests/k8s_client/certificates.hpp"
#include "tests/support/cluster_folder.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/tls_tunnel.hpp"
#include "tests/support/upstream.hpp"

#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>
#include <openssl/ssl.h>

using namespace std::chrono_literals;

namespace {

/// A folder as the kubelet mounts a Secret: `tls.crt` and `tls.key` are links through `..data`,
/// which is replaced as a whole.
class SecretFolder {
 public:
  SecretFolder(const std::filesystem::path& certificate, const std::filesystem::path& key) {
    std::filesystem::create_symlink("..data/tls.crt", folder_.path() / "tls.crt");
    std::filesystem::create_symlink("..data/tls.key", folder_.path() / "tls.key");
    replace(certificate, key);
  }

  void replace(const std::filesystem::path& certificate, const std::filesystem::path& key) {
    const std::string version = "..v" + std::to_string(++n_versions_);
    std::filesystem::create_directory(folder_.path() / version);
    std::filesystem::copy(certificate, folder_.path() / version / "tls.crt");
    std::filesystem::copy(key, folder_.path() / version / "tls.key");
    std::filesystem::create_symlink(version, folder_.path() / "..data_tmp");
    std::filesystem::rename(folder_.path() / "..data_tmp", folder_.path() / "..data");
  }

  [[nodiscard]] std::vector<std::string> args() const {
    return {"--tls-listen",
            "127.0.0.1:0",
            "--tls-cert",
            folder_.path() / "tls.crt",
            "--tls-key",
            folder_.path() / "tls.key"};
  }

 private:
  test::ScratchFolder folder_;
  int n_versions_ = 0;
};

/// `cart.shop`, of an HTTP/2 endpoint, behind a router with a TLS listener.
struct TlsService {
  explicit TlsService(test::Script script) : upstream{std::move(script)}, router{written()} {}

  [[nodiscard]] test::TlsTunnel::Options options(const std::string& alpn,
                                                 const std::string& ca = "ca.pem") const {
    return {.router_port = router.tls_port(), .ca = certificates.file(ca), .alpn = alpn};
  }

  test::Certificates certificates;
  SecretFolder secret{certificates.file("server.pem"), certificates.file("server.key")};
  test::Upstream upstream;
  test::ClusterFolder cluster{};
  test::RouterProcess router;

 private:
  test::RouterProcess::Options written() {
    cluster.add_service(
        "cart.shop", 80, {upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
    return {.source = cluster.path(), .args = secret.args()};
  }
};

}  // namespace

TEST_CASE("nodeway: HTTP/2 over TLS is agreed on by ALPN", "[integration][tls]") {
  TlsService service{test::always({.echo = true})};
  const test::TlsTunnel tunnel{service.options("h2")};
  test::H2Client client{tunnel.port()};
  const std::string large(3 << 20, 'x');

  const test::Reply small = client.post("cart.shop", "/", "some body");
  const auto stream = client.open_post("cart.shop", "/");
  client.send(stream, large);
  client.end(stream);
  const test::Reply echoed = client.wait(stream);

  CHECK(tunnel.protocol() == "h2");
  CHECK(tunnel.tls_version() == "TLSv1.3");
  CHECK(small.body == "some body");
  CHECK(echoed.body_bytes == large.size());
  CHECK(service.router.metric("nodeway_tls_handshakes_total") == 1);
  CHECK(service.router.metric("nodeway_tls_handshakes_failed_total") == 0);
}

TEST_CASE("nodeway: HTTP/1.1 over TLS, with ALPN or without", "[integration][tls]") {
  TlsService service{test::always({.echo = true})};
  const std::string alpn = GENERATE("http/1.1", "");
  const test::TlsTunnel tunnel{service.options(alpn)};
  test::Http1Client client{tunnel.port()};
  const std::string large(3 << 20, 'x');

  const test::Reply small = client.post("cart.shop", "/", "some body");
  const test::Reply again = client.get("cart.shop", "/");
  const test::Reply echoed =
      client.post("cart.shop", "/", large);  // the reply begins before its end

  CHECK(tunnel.protocol() == alpn);
  CHECK(small.body == "some body");
  CHECK(service.upstream.requests().at(0).header(":scheme") == "https");
  CHECK(again.status == 200);
  CHECK(echoed.body.size() == large.size());
  client.wait_closed();
}

TEST_CASE("nodeway: TLS 1.2 is spoken, older versions and other protocols are refused",
          "[integration][tls]") {
  TlsService service{test::answer(200, "pong")};
  auto old = service.options("h2");
  old.tls_version = TLS1_2_VERSION;
  auto too_old = service.options("h2");
  too_old.tls_version = TLS1_1_VERSION;

  const test::TlsTunnel tunnel{old};
  CHECK(tunnel.tls_version() == "TLSv1.2");
  CHECK(test::H2Client{tunnel.port()}.get("cart.shop", "/").body == "pong");
  CHECK_THROWS_WITH(test::TlsTunnel{too_old}, Catch::Contains("protocol version"));
  CHECK_THROWS_WITH(test::TlsTunnel{service.options("spdy/3")},
                    Catch::Contains("no application protocol"));
  service.router.wait_metric("nodeway_tls_handshakes_failed_total", 2);
  CHECK(service.router.metric("nodeway_tls_handshakes_total") == 1);
}

TEST_CASE("nodeway: what is no TLS is told so and closed, while others are served",
          "[integration][tls]") {
  TlsService service{test::answer(200, "pong")};
  test::Http1Client plain{service.router.tls_port()};

  plain.send("GET / HTTP/1.1\r\nHost: cart.shop\r\n\r\n");

  service.router.wait_metric("nodeway_tls_handshakes_failed_total", 1);
  const test::TlsTunnel tunnel{service.options("h2")};
  CHECK(test::H2Client{tunnel.port()}.get("cart.shop", "/").body == "pong");
  test::H2Client beside{service.router.listen_port()};  // on the plain listener
  CHECK(beside.get("cart.shop", "/").body == "pong");
}

TEST_CASE("nodeway: a TLS handshake has a limit of bytes and one of time", "[integration][tls]") {
  TlsService service{test::answer(200, "pong")};
  const test::RouterProcess& router = service.router;
  test::Http1Client greedy{router.tls_port()};
  test::Http1Client silent{router.tls_port()};
  // A ClientHello of 128 KiB less one byte, in records of 16 KiB: OpenSSL alone would take it.
  const std::string record_head{"\x16\x03\x01\x40\x00", 5};
  std::string hello = record_head + std::string{"\x01\x01\xff\xff", 4} + std::string(16380, 'x');
  for (int i = 0; i < 4; ++i) {
    hello += record_head + std::string(16384, 'x');
  }

  greedy.send(hello);

  router.wait_metric("nodeway_limit_hits_total", 1, {{"limit", "tls_handshake"}});
  router.wait_metric("nodeway_limit_hits_total", 2, {{"limit", "tls_handshake"}}, 15s);
  CHECK(router.metric("nodeway_tls_handshakes_failed_total") == 2);
}

TEST_CASE("nodeway: a certificate that is replaced, as the kubelet does, holds for new connections",
          "[integration][tls]") {
  TlsService service{test::answer(200, "pong")};
  const test::RouterProcess& router = service.router;
  const test::TlsTunnel before{service.options("h2")};
  test::H2Client client{before.port()};
  REQUIRE(client.get("cart.shop", "/").body == "pong");

  service.secret.replace(service.certificates.file("renewed.pem"),
                         service.certificates.file("renewed.key"));
  router.wait_metric("nodeway_tls_certificate_loaded_total", 2);
  const test::TlsTunnel after{service.options("h2", "other-ca.pem")};

  CHECK(before.issuer() == "/CN=ca");
  CHECK(after.issuer() == "/CN=other-ca");
  CHECK(test::H2Client{after.port()}.get("cart.shop", "/").body == "pong");
  CHECK(client.get("cart.shop", "/").body == "pong");  // the old connection goes on
  CHECK(router.metric("nodeway_tls_certificate_valid") == 1);
}

TEST_CASE("nodeway: a replaced certificate that does not fit its key is told, and not taken",
          "[integration][tls]") {
  TlsService service{test::answer(200, "pong")};
  test::RouterProcess& router = service.router;

  service.secret.replace(service.certificates.file("renewed.pem"),
                         service.certificates.file("server.key"));
  router.wait_metric("nodeway_tls_certificate_rejected_total", 1);

  const test::TlsTunnel tunnel{service.options("h2")};
  CHECK(tunnel.issuer() == "/CN=ca");
  CHECK(router.metric("nodeway_tls_certificate_valid") == 0);
  CHECK_THAT(router.child().stderr_text(),
             Catch::Contains("the former one stays in force") &&
                 Catch::Contains("the key is not that of the certificate"));
}

TEST_CASE("nodeway: a start without a usable certificate ends with 2 and says why",
          "[integration][tls]") {
  const test::Certificates certificates;
  const test::ClusterFolder cluster;
  const std::string certificate = certificates.file("server.pem");
  const std::string other_key = certificates.file("client.key");

  const test::CommandResult result = test::run_nodeway({"run",
                                                        "--source",
                                                        "files:" + cluster.path().string(),
                                                        "--listen",
                                                        "127.0.0.1:0",
                                                        "--admin",
                                                        "127.0.0.1:0",
                                                        "--tls-listen",
                                                        "127.0.0.1:0",
                                                        "--tls-cert",
                                                        certificate,
                                                        "--tls-key",
                                                        other_key});

  CHECK(result.exit_code == 2);
  CHECK(result.err == "nodeway: --tls-cert, --tls-key: " + certificate + " and " + other_key +
                          ": the key is not that of the certificate\n");
}

TEST_CASE("nodeway: draining ends TLS connections with their last reply", "[integration][tls]") {
  TlsService service{test::answer(200, "pong")};
  const test::TlsTunnel tunnel{service.options("h2")};
  test::H2Client client{tunnel.port()};
  REQUIRE(client.get("cart.shop", "/").body == "pong");

  service.router.signal(SIGTERM);
  client.wait_go_away();
  client.wait_closed();

  CHECK(service.router.wait_exit() == 0);
}
