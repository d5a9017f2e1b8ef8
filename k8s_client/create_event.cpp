// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/create_event.hpp"

#include "k8s_client/api_connection.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <string>

#include <nlohmann/json.hpp>

namespace k8s_client {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxMessageBytes = 1024;  // the API server refuses a longer one

std::string rfc3339(Clock::UtcTime time) {
  const std::time_t seconds = Clock::UtcTime::clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

/// Not longer than the limit, and not cut within a character.
std::string cut(const std::string& text) {
  std::size_t size = std::min(text.size(), kMaxMessageBytes);
  const auto is_inside_character = [&text](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (size > 0 && is_inside_character(size)) {
    --size;
  }
  return text.substr(0, size);
}

}  // namespace

nlohmann::json event_object(const EventNote& note, Clock::UtcTime now) {
  const ObjectMeta& about = note.about;
  const std::string stamp = rfc3339(now);
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata", {{"generateName", about.key.name + "."}, {"namespace", about.key.ns}}},
          {"involvedObject",
           {{"apiVersion", "v1"},
            {"kind", note.kind},
            {"namespace", about.key.ns},
            {"name", about.key.name},
            {"uid", about.uid},
            {"resourceVersion", about.resource_version}}},
          {"type", note.type == EventNote::Type::warning ? "Warning" : "Normal"},
          {"reason", note.reason},
          {"message", cut(note.message)},
          {"source", {{"component", "nodeway"}, {"host", note.reporter}}},
          {"reportingComponent", "nodeway"},
          {"reportingInstance", note.reporter},
          {"firstTimestamp", stamp},
          {"lastTimestamp", stamp},
          {"count", 1}};
}

asio::awaitable<Result<void>> create_event(ApiConnection& connection,
                                           EventNote note,
                                           Clock::UtcTime now) {
  // The message may quote a broken configuration: bytes that are no UTF-8 must not throw here.
  const auto on_bad_text = nlohmann::json::error_handler_t::replace;
  const ApiRequest request{.path = "/api/v1/namespaces/" + note.about.key.ns + "/events",
                           .body = event_object(note, now).dump(-1, ' ', false, on_bad_text)};
  const Result<void> sent = co_await connection.send(request);
  connection.close();
  co_return sent;
}

}  // namespace k8s_client
