// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/list_watch.hpp"
#include "tests/support/sim_clock.hpp"

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/error.hpp>
#include <nlohmann/json.hpp>

namespace test {

/// The shortest Service that there is.
inline nlohmann::json service_json(const std::string& name, const std::string& version) {
  return {{"metadata", {{"namespace", "shop"}, {"name", name}, {"resourceVersion", version}}},
          {"spec", {{"ports", {{{"port", 80}}}}}}};
}

/// A server of one resource that says what it was told to say, one reply after the other.
class ScriptedListWatch final : public k8s_client::ListWatch {
 public:
  using TimePoint = k8s_client::Clock::TimePoint;
  using Type = k8s_client::WatchEvent::Type;

  struct ListReply {
    std::vector<nlohmann::json> items;
    k8s_client::Result<k8s_client::ListPage> page;
  };

  /// What comes out of a watch, each after a silence of its own. After the last one the watch stays
  /// silent.
  struct Step {
    k8s_client::Clock::Duration after{};
    k8s_client::Result<std::optional<k8s_client::WatchEvent>> gives;
  };
  struct Watch {
    k8s_client::Result<void> opened{};
    std::deque<Step> steps{};
  };

  template <class Request>
  struct Asked {
    TimePoint at;
    Request request;
  };

  explicit ScriptedListWatch(SimClock& clock) : clock_{clock} {}

  static ListReply page(std::vector<nlohmann::json> items, std::string version) {
    return {std::move(items),
            k8s_client::ListPage{.version = std::move(version), .continue_token = {}}};
  }

  static Step event(Type type, nlohmann::json object, k8s_client::Clock::Duration after = {}) {
    std::string version = object["metadata"]["resourceVersion"];
    return {after,
            std::optional{k8s_client::WatchEvent{
                .type = type, .version = std::move(version), .object = std::move(object)}}};
  }

  static Step bookmark(const std::string& version, k8s_client::Clock::Duration after = {}) {
    return event(Type::bookmark, {{"metadata", {{"resourceVersion", version}}}}, after);
  }

  /// The bookmark at the end of a streaming list.
  static Step end_of_list(const std::string& version, k8s_client::Clock::Duration after = {}) {
    return {after,
            std::optional{k8s_client::WatchEvent{.type = Type::bookmark,
                                                 .version = version,
                                                 .object = {},
                                                 .ends_initial_events = true}}};
  }

  static Step fails(k8s_client::Failure why, k8s_client::Clock::Duration after = {}) {
    return {after, std::move(why)};
  }

  /// The server ends the watch in good order.
  static Step ends(k8s_client::Clock::Duration after) {
    return {after, std::optional<k8s_client::WatchEvent>{}};
  }

  boost::asio::awaitable<k8s_client::Result<k8s_client::ListPage>> list(
      const k8s_client::ListRequest& request, const ItemSink& on_item) override {
    lists_asked.push_back({clock_.now(), request});
    if (lists.empty()) {
      co_return k8s_client::Failure{boost::asio::error::connection_refused};
    }
    ListReply reply = std::move(lists.front());
    lists.pop_front();
    for (const nlohmann::json& item : reply.items) {
      on_item(item);
    }
    co_return reply.page;
  }

  boost::asio::awaitable<k8s_client::Result<void>> open_watch(
      const k8s_client::WatchRequest& request) override {
    open_ = {};
    if (request.sends_initial_events) {
      streams_asked.push_back({clock_.now(), request});
      open_.opened = k8s_client::Failure{k8s_client::Errc::unexpected_status, "HTTP 422"};
      take_next(streams);
    } else {
      watches_asked.push_back({clock_.now(), request});
      take_next(watches);
    }
    co_return open_.opened;
  }

  boost::asio::awaitable<k8s_client::Result<std::optional<k8s_client::WatchEvent>>> next_event()
      override {
    if (open_.steps.empty()) {
      co_await clock_.sleep_for(std::chrono::hours{24 * 365});
      co_return k8s_client::Failure{boost::asio::error::operation_aborted};
    }
    Step step = std::move(open_.steps.front());
    open_.steps.pop_front();
    if (step.after.count() > 0) {
      co_await clock_.sleep_for(step.after);
    }
    co_return std::move(step.gives);
  }

  void close_watch() override { ++closed; }

  std::deque<ListReply> lists;  ///< empty: refuses the connection
  std::deque<Watch> watches;    ///< empty: accepts the watch, and stays silent
  std::deque<Watch> streams;    ///< streaming lists; empty: knows of no such thing
  std::vector<Asked<k8s_client::ListRequest>> lists_asked;
  std::vector<Asked<k8s_client::WatchRequest>> watches_asked;
  std::vector<Asked<k8s_client::WatchRequest>> streams_asked;
  int closed = 0;

 private:
  void take_next(std::deque<Watch>& scripted) {
    if (!scripted.empty()) {
      open_ = std::move(scripted.front());
      scripted.pop_front();
    }
  }

  SimClock& clock_;
  Watch open_;
};

}  // namespace test
