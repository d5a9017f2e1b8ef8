// SPDX-License-Identifier: Apache-2.0
#include "router/cli/admin_client.hpp"

#include <chrono>

#include <fmt/format.h>
#include <httplib.h>

namespace router::cli {
namespace {

constexpr std::chrono::seconds kConnectTimeout{3};
constexpr std::chrono::seconds kAnswerTimeout{
    10};  // the router itself waits a second for its slowest worker

std::string first_line(const std::string& body) {
  return body.substr(0, body.find('\n'));
}

}  // namespace

std::variant<std::string, NoAnswer> ask_admin(
    const std::string& url,
    const std::string& path,
    const std::map<std::string, std::string>& parameters) {
  httplib::Client client{url};
  if (!client.is_valid() || !url.starts_with("http://")) {
    return NoAnswer{fmt::format("--admin: '{}' is no URL such as http://127.0.0.1:9990", url)};
  }
  client.set_connection_timeout(kConnectTimeout);
  client.set_read_timeout(kAnswerTimeout);
  httplib::Params params;
  for (const auto& [name, value] : parameters) {
    if (!value.empty()) {
      params.emplace(name, value);
    }
  }
  const httplib::Result answer = client.Get(path, params, httplib::Headers{});
  if (!answer) {
    const bool is_unreachable = answer.error() == httplib::Error::Connection;
    return NoAnswer{fmt::format("{} {}: is nodeway running there? (--admin URL)",
                                is_unreachable ? "cannot connect to" : "no answer from",
                                url)};
  }
  if (answer->status != 200) {
    return NoAnswer{fmt::format("{} says {}: {}", url, answer->status, first_line(answer->body))};
  }
  return std::move(answer->body);
}

}  // namespace router::cli
