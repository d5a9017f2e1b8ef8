// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_server.hpp"
#include "k8s_client/clock.hpp"
#include "k8s_client/objects/object_meta.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace k8s_client {

/// The cluster as its API server tells it: a reflector for each of Services, EndpointSlices, one
/// ConfigMap, this Node and its Pods, each with a connection of its own. Control thread.
class ApiSource final : public Source {
 public:
  struct Options {
    ApiServer server;
    ObjectKey config_map;    ///< the only ConfigMap that is watched
    std::string node{};      ///< whose Node and Pods are watched; "": none, and they count as read
    std::uint64_t seed = 0;  ///< of the jitter; must differ between nodes
    NoticeSink notices;      ///< may be empty
  };

  /// `stores` and `clock` must outlive the source, and `clock` also the executor's context.
  ApiSource(boost::asio::any_io_executor executor, Options options, Stores& stores, Clock& clock);
  ApiSource(const ApiSource&) = delete;
  ApiSource& operator=(const ApiSource&) = delete;
  ~ApiSource() override;

  void start() override;
  void stop() override;
  [[nodiscard]] std::vector<WatchStatus> status() const override;
  [[nodiscard]] std::optional<std::string> doubt_about_config_map(
      const ConfigMap* /*known*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] boost::asio::awaitable<Result<void>> create_event(EventNote note) override;

 private:
  struct State;
  // Shared with the running coroutines, which live on until the loop has delivered their
  // cancellation.
  std::shared_ptr<State> state_;
};

}  // namespace k8s_client
