// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/http_list_watch.hpp"

#include "k8s_client/api_connection.hpp"

#include <utility>

namespace k8s_client {

namespace asio = boost::asio;

namespace {

/// A server that cannot do that sends whole objects. Source: kubernetes.io "API concepts",
/// metadata-only fetches.
constexpr const char* kMetadataOnly =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// Closes a connection at the end of a scope, also where that is cancelled.
class Closing {
 public:
  explicit Closing(ApiConnection& connection) : connection_{connection} {}
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;
  ~Closing() { connection_.close(); }

 private:
  ApiConnection& connection_;
};

/// RFC 3986 section 2.3: all but the unreserved characters. Versions and tokens are opaque, so they
/// may hold any.
std::string escaped(const std::string& value) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string text;
  for (const char c : value) {
    if (kUnreserved.find(c) != std::string_view::npos) {
      text.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text.append({'%', kHex[byte >> 4U], kHex[byte & 15U]});
    }
  }
  return text;
}

/// Appends `name=value` to a path that may have a query already.
void add(std::string& path, const char* name, const std::string& value) {
  path += path.find('?') == std::string::npos ? '?' : '&';
  path.append(name).append("=").append(escaped(value));
}

}  // namespace

std::string list_path(const std::string& path, const ListRequest& request) {
  std::string full = path;
  if (request.only) {
    // In its namespace's collection, where a server finds one name without a look at all others.
    if (!request.only->ns.empty()) {
      const std::size_t kind = full.rfind('/', full.find('?'));
      full.insert(kind, "/namespaces/" + request.only->ns);
    }
    add(full, "fieldSelector", "metadata.name=" + request.only->name);
  }
  if (request.page_limit > 0) {
    add(full, "limit", std::to_string(request.page_limit));
  }
  if (!request.continue_token.empty()) {
    add(full, "continue", request.continue_token);  // with a version beside it, it would be refused
  } else if (!request.version.empty()) {
    add(full, "resourceVersion", request.version);
  }
  return full;
}

std::string watch_path(const std::string& path, const WatchRequest& request) {
  std::string full = path;
  add(full, "watch", "true");
  add(full, "allowWatchBookmarks", "true");
  if (request.sends_initial_events) {
    add(full, "sendInitialEvents", "true");
    add(full, "resourceVersionMatch", "NotOlderThan");  // the only one that goes with it
  }
  if (!request.version.empty()) {
    add(full, "resourceVersion", request.version);
  }
  add(full, "timeoutSeconds", std::to_string(request.timeout.count()));
  return full;
}

HttpListWatch::HttpListWatch(std::string path, ApiConnection& connection, Form form)
    : path_{std::move(path)}, connection_{connection}, form_{form} {}

asio::awaitable<Result<ListPage>> HttpListWatch::list(const ListRequest& request,
                                                      const ItemSink& on_item) {
  ApiRequest get{.path = list_path(path_, request), .body = {}};
  get.takes_gzip = true;
  std::optional<Closing> closing;
  if (form_ == Form::audit) {
    get.accept = kMetadataOnly;
    get.user_agent = "nodeway-audit";
    closing.emplace(connection_);
  }
  const Result<void> sent = co_await connection_.send(get);
  if (!sent) {
    co_return sent.error();
  }
  co_return co_await read_list(on_item);
}

asio::awaitable<Result<ListPage>> HttpListWatch::read_list(const ItemSink& on_item) {
  ListSplitter splitter;
  bool all_are_json = true;
  const ListSplitter::OnItem parse = [&on_item, &all_are_json](std::string_view text) {
    const auto item = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (item.is_discarded()) {
      all_are_json = false;
    } else {
      on_item(item);
    }
  };
  for (;;) {
    const Result<std::string> part = co_await connection_.read_some_in_time();
    if (!part) {
      co_return part.error();
    }
    if (part->empty()) {
      break;
    }
    const Result<void> fed = splitter.feed(*part, parse);
    if (!fed) {
      connection_.close();
      co_return fed.error();
    }
  }
  if (!all_are_json || !splitter.is_whole()) {
    co_return Failure{Errc::malformed_reply, "list: the reply is not JSON"};
  }
  co_return decode_list_envelope(splitter.envelope());
}

asio::awaitable<Result<void>> HttpListWatch::open_watch(const WatchRequest& request) {
  lines_.emplace();
  // Not compressed: only watches that begin with a list would be, and of those each event by
  // itself, for each watcher, which takes the API server 47 us instead of 16.
  const ApiRequest get{.path = watch_path(path_, request), .body = {}};
  co_return co_await connection_.send(get);
}

asio::awaitable<Result<std::optional<WatchEvent>>> HttpListWatch::next_event() {
  for (;;) {
    const Result<std::optional<std::string>> line = lines_->next();
    if (!line) {
      co_return line.error();
    }
    if (*line) {
      Result<WatchEvent> event = decode_event(**line);
      if (!event) {
        co_return event.error();
      }
      co_return std::optional{*std::move(event)};
    }
    const Result<std::string> part = co_await connection_.read_some();
    if (!part) {
      co_return part.error();
    }
    if (part->empty()) {
      lines_.reset();  // ended in good order: the connection may serve again
      co_return std::optional<WatchEvent>{};
    }
    lines_->feed(*part);
  }
}

void HttpListWatch::close_watch() {
  if (std::exchange(lines_, std::nullopt)) {
    connection_.close();
  }
}

}  // namespace k8s_client
