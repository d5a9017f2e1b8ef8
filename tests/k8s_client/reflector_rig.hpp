// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/reflector.hpp"
#include "k8s_client/store_sink.hpp"
#include "tests/k8s_client/scripted_list_watch.hpp"
#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace test {

/// A reflector of Services on a scripted server, with nothing around it.
struct ReflectorRig {
  explicit ReflectorRig(std::uint64_t seed = 1)
      : reflector{"services", server, sink, clock, seed, [this](const k8s_client::Notice& notice) {
                    notices.push_back(notice);
                  }} {
    store.on_change([this](const auto& key, const auto& /*before*/, const auto& after) {
      if (!after) {
        removed.push_back(key.name);
      }
    });
  }

  void start() {
    boost::asio::co_spawn(loop, reflector.run(), boost::asio::detached);
    clock.settle();
  }

  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& [key, object] : store.all()) {
      names.insert(key.name);
    }
    return names;
  }

  boost::asio::io_context loop;
  SimClock clock{loop};
  ScriptedListWatch server{clock};
  k8s_client::Store<k8s_client::Service> store;
  k8s_client::StoreSink<k8s_client::Service> sink{store};
  std::vector<k8s_client::Notice> notices;
  std::vector<std::string> removed;  ///< names, as the store told them
  k8s_client::Reflector reflector;
};

/// What the server says instead of what it was asked for.
inline k8s_client::Failure refusal(k8s_client::Errc code,
                                   std::optional<std::chrono::seconds> retry_after = {}) {
  k8s_client::Failure failure{code, "said by the server"};
  failure.retry_after = retry_after;
  return failure;
}

}  // namespace test
