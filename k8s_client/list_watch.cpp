// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/list_watch.hpp"

#include <algorithm>
#include <charconv>

namespace k8s_client {
namespace {

using nlohmann::json;

/// Enough for what an API server says of an error; a proxy's HTML page is cut.
constexpr std::size_t kMaxErrorTextBytes = 300;

std::string text_at(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

const json& object_at(const json& object, const char* name) {
  static const json none = json::object();
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_object() ? *found : none;
}

std::int64_t number_at(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

/// Source: apimachinery `meta/v1` InitialEventsAnnotationKey.
bool has_end_mark(const json& metadata) {
  return text_at(object_at(metadata, "annotations"), "k8s.io/initial-events-end") == "true";
}

/// Source: apimachinery `api/errors` NewTimeoutError and `storage.NewTooLargeResourceVersionError`.
bool says_version_too_large(const json& status) {
  const json& details = object_at(status, "details");
  const auto causes = details.find("causes");
  return causes != details.end() && std::any_of(causes->begin(), causes->end(), [](const json& c) {
           return text_at(c, "reason") == "ResourceVersionTooLarge";
         });
}

Errc meaning_of(std::int64_t code, const json& status) {
  const std::string reason = text_at(status, "reason");
  if (code == 410 || reason == "Expired" || reason == "Gone") {
    return Errc::version_expired;
  }
  if (says_version_too_large(status)) {
    return Errc::version_too_large;
  }
  switch (code) {
    case 401:
      return Errc::unauthorized;
    case 403:
      return Errc::forbidden;
    case 404:
      return Errc::not_found;
    case 429:
      return Errc::too_many_requests;
    default:
      return code >= 500 && code <= 599 ? Errc::server_error : Errc::unexpected_status;
  }
}

/// One printable line.
std::string first_words(std::string_view text) {
  std::string words{text.substr(0, std::min(text.size(), kMaxErrorTextBytes))};
  std::replace_if(
      words.begin(), words.end(), [](char c) { return c < ' ' && c >= 0; }, ' ');
  return words;
}

Failure failure_of(std::int64_t code, const json& status, std::string_view otherwise) {
  const std::string message = text_at(status, "message");
  const std::string words = first_words(message.empty() ? otherwise : message);
  Failure failure{meaning_of(code, status), "HTTP " + std::to_string(code)};
  if (!words.empty()) {
    failure.text += ": " + words;
  }
  const std::int64_t wait_s = number_at(object_at(status, "details"), "retryAfterSeconds");
  if (wait_s > 0) {
    failure.retry_after = std::chrono::seconds{wait_s};
  }
  return failure;
}

std::optional<WatchEvent::Type> type_of(const std::string& name) {
  if (name == "ADDED") {
    return WatchEvent::Type::added;
  }
  if (name == "MODIFIED") {
    return WatchEvent::Type::modified;
  }
  if (name == "DELETED") {
    return WatchEvent::Type::deleted;
  }
  if (name == "BOOKMARK") {
    return WatchEvent::Type::bookmark;
  }
  return std::nullopt;
}

}  // namespace

Result<WatchEvent> decode_event(std::string_view line) {
  json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object() || !event.contains("object")) {
    return Failure{Errc::malformed_reply, "watch: no event in: " + first_words(line)};
  }
  const std::string name = text_at(event, "type");
  json& object = event["object"];
  if (name == "ERROR") {
    return failure_of(number_at(object, "code"), object, "watch: error event");
  }
  const std::optional<WatchEvent::Type> type = type_of(name);
  const json& metadata = object_at(object, "metadata");
  ResourceVersion version = text_at(metadata, "resourceVersion");
  if (!type || version.empty()) {
    return Failure{Errc::malformed_reply, "watch: not understood: " + first_words(line)};
  }
  const bool is_end = *type == WatchEvent::Type::bookmark && has_end_mark(metadata);
  return WatchEvent{.type = *type,
                    .version = std::move(version),
                    .object = std::move(object),
                    .ends_initial_events = is_end};
}

Result<ListPage> decode_list_envelope(std::string_view text) {
  const json list = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const json& metadata = object_at(list, "metadata");
  ListPage page{.version = text_at(metadata, "resourceVersion"),
                .continue_token = text_at(metadata, "continue")};
  if (page.version.empty()) {
    return Failure{Errc::malformed_reply, "list: no list in: " + first_words(text)};
  }
  return page;
}

Failure failure_of_status(unsigned http_status,
                          std::string_view retry_after,
                          std::string_view body) {
  const json status = json::parse(body, nullptr, /*allow_exceptions=*/false);
  Failure failure = failure_of(http_status, status, body);
  unsigned wait_s = 0;
  const auto [end, problem] =
      std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), wait_s);
  if (problem == std::errc{} && end == retry_after.data() + retry_after.size()) {
    failure.retry_after = std::chrono::seconds{wait_s};
  }
  return failure;
}

}  // namespace k8s_client
