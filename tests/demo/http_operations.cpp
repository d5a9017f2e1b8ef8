// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/http_operations.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

namespace demo {

namespace {

/// Names of the counted methods, apart from gRPC's.
constexpr std::string_view http_name_of(Operation operation) {
  switch (operation) {
    case Operation::add:
      return "http/add";
    case Operation::sub:
      return "http/sub";
    case Operation::mult:
      return "http/mult";
    case Operation::div:
      return "http/div";
    case Operation::percentage:
      break;
  }
  return "http/percentage";
}

HttpReply error_reply(unsigned status, std::string_view message) {
  return {.status = status, .json = nlohmann::json{{"error", message}}.dump()};
}

std::optional<double> number_in_query(std::string_view target, std::string_view key) {
  std::size_t at = target.find('?');
  while (at != std::string_view::npos) {
    const std::string_view rest = target.substr(at + 1);
    at = target.find('&', at + 1);
    const std::string_view field = rest.substr(0, rest.find('&'));
    if (field.substr(0, field.find('=')) != key || field.size() <= key.size()) {
      continue;
    }
    const std::string_view text = field.substr(key.size() + 1);
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) {
      return number;
    }
  }
  return std::nullopt;
}

std::optional<Operands> operands_of(const HttpRequest& request) {
  if (!request.body.empty()) {
    const nlohmann::json body = nlohmann::json::parse(request.body, nullptr, false);
    if (!body.is_object() || !body.contains("a") || !body.contains("b") || !body["a"].is_number() ||
        !body["b"].is_number()) {
      return std::nullopt;
    }
    return Operands{.a = body["a"].get<double>(), .b = body["b"].get<double>()};
  }
  const std::optional<double> a = number_in_query(request.target, "a");
  const std::optional<double> b = number_in_query(request.target, "b");
  if (!a || !b) {
    return std::nullopt;
  }
  return Operands{.a = *a, .b = *b};
}

}  // namespace

HttpOperations::HttpOperations(std::vector<Operation> operations,
                               const PercentageUpstreams& upstreams,
                               std::chrono::microseconds delay,
                               Counters& counters)
    : operations_{std::move(operations)},
      delay_{delay},
      counters_{counters},
      mult_{.service = upstreams.mult, .idle = {}},
      div_{.service = upstreams.div, .idle = {}} {}

HttpOperations::~HttpOperations() = default;

HttpReply HttpOperations::respond(const HttpRequest& request) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  if (path == "/stats") {
    return {.status = 200, .json = counters_.to_json().dump()};
  }
  const std::optional<Operation> operation = operation_for(request.host);
  if (path != "/calculate" || !operation) {
    return error_reply(404,
                       "there are /calculate and /stats; of several operations, Host tells which");
  }
  const std::optional<Operands> operands = operands_of(request);
  if (!operands) {
    return error_reply(400, "a and b must be numbers, in the query or as a JSON object");
  }
  counters_.began(http_name_of(*operation));
  if (delay_ > std::chrono::microseconds::zero()) {
    std::this_thread::sleep_for(delay_);
  }
  const bool calls_others = *operation == Operation::percentage && !mult_.service.http.empty() &&
                            !div_.service.http.empty();
  HttpReply reply = calls_others ? percentage(*operands) : calculate_here(*operation, *operands);
  counters_.ended(http_name_of(*operation), reply.status >= 400);
  return reply;
}

std::optional<Operation> HttpOperations::operation_for(const std::string& host) const {
  const auto named = operation_named(host.substr(0, host.find_first_of(".:")));
  if (named && std::find(operations_.begin(), operations_.end(), *named) != operations_.end()) {
    return named;
  }
  return operations_.size() == 1 ? std::optional{operations_.front()} : std::nullopt;
}

HttpReply HttpOperations::calculate_here(Operation operation, Operands operands) const {
  const std::optional<double> value = calculate(operation, operands);
  if (!value) {
    return error_reply(422, kDivisionByZero);
  }
  return {.status = 200,
          .json = nlohmann::json{{"value", *value}, {"pod", counters_.pod()}}.dump()};
}

HttpReply HttpOperations::percentage(Operands operands) {
  const HttpReply product = call(mult_, operands);
  if (product.status != 200) {
    return error_reply(502, "mult: " + product.json);
  }
  const double value = nlohmann::json::parse(product.json).at("value").get<double>();
  const HttpReply quotient = call(div_, {.a = value, .b = kPercent});
  if (quotient.status != 200) {
    return error_reply(502, "div: " + quotient.json);
  }
  nlohmann::json reply = nlohmann::json::parse(quotient.json);
  reply["pod"] = counters_.pod();
  return {.status = 200, .json = reply.dump()};
}

HttpReply HttpOperations::call(Upstream& upstream, Operands operands) {
  HttpClient client;
  {
    const std::lock_guard lock{mutex_};
    if (!upstream.idle.empty()) {
      client = std::move(upstream.idle.back());
      upstream.idle.pop_back();
    }
  }
  if (!client) {
    client = make_http_client(upstream.service.http);
  }
  const HttpAnswer answer = get_calculation(*client, upstream.service.authority, operands);
  const std::lock_guard lock{mutex_};
  upstream.idle.push_back(std::move(client));
  return {.status = answer.status, .json = answer.body};
}

}  // namespace demo
