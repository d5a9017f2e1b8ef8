// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/list_watch.hpp"
#include "k8s_client/splitters.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace k8s_client {

class ApiConnection;

/// List and watch over HTTP. Source: kubernetes.io "API concepts", efficient detection of changes.
class HttpListWatch final : public ListWatch {
 public:
  /// What lists hold: objects; or, for audits, nothing of each but its metadata. Those come seldom,
  /// so they leave no connection open behind, and the API server's audit log tells them apart by
  /// their user agent, `nodeway-audit`.
  enum class Form : std::uint8_t { whole, audit };

  /// `path`: of the collection, as `/api/v1/services`; may have a query (`?fieldSelector=…`).
  /// `connection` must outlive the object and is used by nobody else.
  HttpListWatch(std::string path, ApiConnection& connection, Form form = Form::whole);

  [[nodiscard]] boost::asio::awaitable<Result<ListPage>> list(const ListRequest& request,
                                                              const ItemSink& on_item) override;
  [[nodiscard]] boost::asio::awaitable<Result<void>> open_watch(
      const WatchRequest& request) override;
  [[nodiscard]] boost::asio::awaitable<Result<std::optional<WatchEvent>>> next_event() override;
  void close_watch() override;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  [[nodiscard]] boost::asio::awaitable<Result<ListPage>> read_list(const ItemSink& on_item);

  std::string path_;
  ApiConnection& connection_;
  Form form_;
  std::optional<LineSplitter> lines_;  // of the watch that is open
};

/// The path and query of a list. Source: apimachinery `meta/v1` ListOptions.
[[nodiscard]] std::string list_path(const std::string& path, const ListRequest& request);
[[nodiscard]] std::string watch_path(const std::string& path, const WatchRequest& request);

}  // namespace k8s_client
