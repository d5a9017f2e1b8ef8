// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_server.hpp"
#include "k8s_client/clock.hpp"
#include "k8s_client/objects/object_meta.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"

#include <chrono>
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
    /// The first connect is put off by up to this, drawn from `seed`.
    std::chrono::milliseconds max_start_delay{0};
  };

  /// What `max_start_delay` should be in a cluster. 5,000 routers that start at once (the DaemonSet
  /// is new, or the power is back) mean 15,000 TLS handshakes and lists: spread over a second an
  /// API server can queue them, in one and the same millisecond it sheds them, and its own clients
  /// with them. Not longer, since a router that is not ready serves nobody; what is too much all
  /// the same is told by 429 and spread by the pauses between tries.
  static constexpr std::chrono::milliseconds kMaxStartDelay{1000};

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
  void recheck_endpoint(const ObjectKey& service, const boost::asio::ip::address& address) override;
  [[nodiscard]] boost::asio::awaitable<Result<void>> create_event(EventNote note) override;

 private:
  struct State;
  // Shared with the running coroutines, which live on until the loop has delivered their
  // cancellation.
  std::shared_ptr<State> state_;
};

/// Where the API lists and watches that one ConfigMap.
[[nodiscard]] std::string config_map_path(const ObjectKey& key);

}  // namespace k8s_client
