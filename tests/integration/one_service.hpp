// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/cluster_folder.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/upstream.hpp"

#include <string>
#include <utility>
#include <vector>

namespace test {

/// The smallest way through a router: one Service, `cart.shop` with port 80, of one endpoint that
/// plays a script, and a client that is connected to the router.
struct OneService {
  explicit OneService(Script script,
                      const std::string& config = {},
                      std::vector<std::string> args = {})
      : upstream{std::move(script)},
        router{written(config, std::move(args))},
        client{router.listen_port()} {}

  Upstream upstream;
  ClusterFolder cluster{};
  RouterProcess router;
  H2Client client;

 private:
  RouterProcess::Options written(const std::string& config, std::vector<std::string> args) {
    if (!config.empty()) {
      cluster.set_config(config);
    }
    cluster.add_service("cart.shop", 80, {upstream.endpoint()});
    return {.source = cluster.path(), .args = std::move(args)};
  }
};

}  // namespace test
