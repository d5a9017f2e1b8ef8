// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/http_caller.hpp"

#include <chrono>
#include <utility>

#include <fmt/core.h>
#include <httplib.h>
#include <nlohmann/json.hpp>

namespace demo {

namespace {

constexpr std::chrono::seconds kTimeout{
    10};  // a call that hangs is a failure to report, not to wait for

class HttpCaller final : public Caller {
 public:
  explicit HttpCaller(const std::map<Operation, CallTarget>& targets) : targets_{targets} {
    for (const auto& [operation, target] : targets_) {
      if (!clients_.contains(target.address)) {
        clients_.emplace(target.address, make_http_client(target.address));
      }
    }
  }

  CallOutcome call(Operation operation, Operands operands) override {
    const CallTarget& target = targets_.at(operation);
    HttpAnswer answer = get_calculation(*clients_.at(target.address), target.authority, operands);
    if (answer.status != 200) {
      return {.ok = false,
              .value = 0,
              .pod = std::move(answer.pod),
              .status = answer.status == 0 ? "no answer" : std::to_string(answer.status),
              .message = message_in(answer.body)};
    }
    const nlohmann::json body = nlohmann::json::parse(answer.body, nullptr, false);
    if (!body.is_object() || !body.contains("value") || !body["value"].is_number()) {
      return {.ok = false,
              .value = 0,
              .pod = std::move(answer.pod),
              .status = "bad body",
              .message = answer.body};
    }
    return {.ok = true,
            .value = body["value"].get<double>(),
            .pod = std::move(answer.pod),
            .status = {},
            .message = {}};
  }

 private:
  /// Pods say why in JSON, proxies in a line of text.
  static std::string message_in(const std::string& body) {
    const nlohmann::json parsed = nlohmann::json::parse(body, nullptr, false);
    if (parsed.is_object() && parsed.contains("error") && parsed["error"].is_string()) {
      return parsed["error"].get<std::string>();
    }
    return body;
  }

  std::map<Operation, CallTarget> targets_;
  std::map<std::string, HttpClient> clients_;
};

}  // namespace

void HttpClientDeleter::operator()(httplib::Client* client) const noexcept {
  delete client;
}

HttpClient make_http_client(const std::string& address) {
  HttpClient client{new httplib::Client{"http://" + address}};
  client->set_keep_alive(true);
  client->set_tcp_nodelay(true);
  client->set_connection_timeout(kTimeout);
  client->set_read_timeout(kTimeout);
  return client;
}

HttpAnswer get_calculation(httplib::Client& client,
                           const std::string& authority,
                           Operands operands) {
  const std::string path = fmt::format("/calculate?a={}&b={}", operands.a, operands.b);
  const httplib::Result result = client.Get(path.c_str(), httplib::Headers{{"Host", authority}});
  if (!result) {
    return {.status = 0, .body = httplib::to_string(result.error()), .pod = {}};
  }
  return {.status = static_cast<unsigned>(result->status),
          .body = result->body,
          .pod = result->get_header_value("x-pod")};
}

std::unique_ptr<Caller> make_http_caller(const std::map<Operation, CallTarget>& targets) {
  return std::make_unique<HttpCaller>(targets);
}

}  // namespace demo
