// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"
#include "k8s_client/objects/object_meta.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

namespace k8s_client {

struct ListRequest {
  /// "": the newest state, read through to etcd; "0": any state the server has at hand; else: not
  /// older than this one.
  ResourceVersion version;
  std::uint32_t page_limit = 0;  ///< objects per page; 0: all in one
  std::string
      continue_token;  ///< of the page before; `version` is ignored then, as the token holds it
  std::optional<ObjectKey> only{};  ///< this object alone, which costs the server as much as a get
};

/// What a page says besides its items.
struct ListPage {
  ResourceVersion version;
  std::string continue_token;  ///< "": this was the last page
};

struct WatchRequest {
  ResourceVersion version;       ///< as of a list, if there are initial events
  std::chrono::seconds timeout;  ///< after which the server ends the watch by itself
  /// A streaming list: the watch begins with an event for each object that there is, not older than
  /// `version`, and a bookmark that ends them. Source: KEP-3157.
  bool sends_initial_events = false;
};

struct WatchEvent {
  enum class Type : std::uint8_t { added, modified, deleted, bookmark };

  Type type = Type::bookmark;
  ResourceVersion version;
  nlohmann::json object;             ///< of a bookmark: nothing but kind and version
  bool ends_initial_events = false;  ///< of a bookmark: what was told so far is a whole list
};

/// List and watch of one resource: the seam between the reflector and HTTP. One call at a time.
class ListWatch {
 public:
  using ItemSink = std::function<void(const nlohmann::json& item)>;

  /// Gets one page. Items are handed over one by one, so that no page is ever held whole; those of
  /// a page that then fails have been handed over, too.
  [[nodiscard]] virtual boost::asio::awaitable<Result<ListPage>> list(const ListRequest& request,
                                                                      const ItemSink& on_item) = 0;

  /// Begins a watch; success once the server has accepted it.
  [[nodiscard]] virtual boost::asio::awaitable<Result<void>> open_watch(
      const WatchRequest& request) = 0;

  /// The next event, whenever it comes; `nullopt` when the server has ended the watch in good
  /// order. An ERROR event is a failure. Safe to cancel, but then only `close_watch` may follow.
  [[nodiscard]] virtual boost::asio::awaitable<Result<std::optional<WatchEvent>>> next_event() = 0;

  /// Abandons the watch and its connection. No-op without one.
  virtual void close_watch() = 0;

 protected:
  ~ListWatch() = default;  // never deleted through this interface
};

/// Reads one line of a watch.
[[nodiscard]] Result<WatchEvent> decode_event(std::string_view line);

/// Reads what a list says besides its items.
[[nodiscard]] Result<ListPage> decode_list_envelope(std::string_view text);

/// What a reply other than 2xx means. `body`: a `Status` object, or anything a proxy may have sent.
/// Source: apimachinery `meta/v1` Status; Retry-After: RFC 9110 section 10.2.3, in seconds.
[[nodiscard]] Failure failure_of_status(unsigned http_status,
                                        std::string_view retry_after,
                                        std::string_view body);

}  // namespace k8s_client
