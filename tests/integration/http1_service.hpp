// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/cluster_folder.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/http1_upstream.hpp"
#include "tests/support/router_process.hpp"

#include <string>
#include <utility>

namespace test {

/// A router with `cart.shop`, an HTTP/1.1 endpoint, and an HTTP/1.1 client that is connected to it.
struct Http1Service {
  explicit Http1Service(Http1Upstream::Script script, const std::string& app_protocol = {})
      : upstream{std::move(script)}, router{written(app_protocol)}, client{router.listen_port()} {}
  explicit Http1Service(const Http1Answer& answer, const std::string& app_protocol = {})
      : Http1Service{[answer](const Http1Request&) { return answer; }, app_protocol} {}

  Http1Upstream upstream;
  ClusterFolder cluster{};
  RouterProcess router;
  Http1Client client;

 private:
  RouterProcess::Options written(const std::string& app_protocol) {
    cluster.add_service("cart.shop", 80, {upstream.endpoint()}, {.app_protocol = app_protocol});
    return {.source = cluster.path(), .args = {"--workers", "1"}};
  }
};

}  // namespace test
