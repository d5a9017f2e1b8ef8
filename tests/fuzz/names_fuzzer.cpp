// SPDX-License-Identifier: Apache-2.0
// The small texts of a request: the name of a Service, a gRPC timeout, and what is said of them in
// an error.
#include "router/exchange/grpc.hpp"
#include "router/exchange/reply.hpp"
#include "router/resolve/resolve.hpp"
#include "tests/fuzz/input.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/make_shared.hpp>

using fuzz::require;

namespace router {
namespace {

constexpr std::size_t kMaxDetailBytes = 1024;  // it becomes a header field

ServicePort port(std::uint16_t number, std::string name) {
  static ClusterId next_id = 0;
  ServicePort result;
  result.id = next_id++;
  result.number = number;
  result.names_h2 = name == "grpc";
  result.names_http = name == "http";
  result.protocol = name == "https" ? UpstreamProtocol::tls : UpstreamProtocol::as_caller;
  result.name = std::move(name);
  return result;
}

void add(Snapshot& snapshot, std::string name, std::string ns, std::vector<ServicePort> ports) {
  snapshot.services.put(boost::make_shared<const Service>(
      Service{.namespace_ = std::move(ns), .name = std::move(name), .ports = std::move(ports)}));
}

/// The port that was made first has a pod.
void add_pod(Snapshot& snapshot) {
  const PodPort pod{.address = pod_address(boost::asio::ip::make_address("10.0.0.1")),
                    .number = 8081,
                    .cluster = 0};
  const auto pods = boost::make_shared<PodPorts>();
  pods->shards[PodPorts::shard_of(pod.address)] =
      boost::make_shared<const PodPorts::Shard>(PodPorts::Shard{pod});
  snapshot.pod_ports = pods;
}

const Snapshot& snapshot() {
  static const Snapshot made = [] {
    Snapshot result;
    add(result, "cart", "default", {port(8080, "")});
    add(result, "cart", "shop", {port(9090, "grpc"), port(80, "http"), port(443, "https")});
    add(result, "none", "shop", {});
    add(result, "api.example.com", "", {port(80, "")});
    add_pod(result);
    return result;
  }();
  return made;
}

void check_error(const Resolution& resolution) {
  require(resolution.error == Errc::bad_authority || resolution.error == Errc::unknown_service ||
              resolution.error == Errc::unknown_port,
          "a name fails in one of three ways");
  require(resolution.detail.size() <= kMaxDetailBytes, "what is said of an error is bounded");
  const LocalReply reply = make_local_reply(resolution.error, resolution.detail, false);
  require(std::count(reply.body.begin(), reply.body.end(), '\n') == 1, "a plain reply is one line");
}

void check_name(std::string_view name, CallerProtocol caller) {
  const Resolution resolution = resolve(snapshot(), name, "default", caller);
  if (resolution.port == nullptr) {
    check_error(resolution);
    return;
  }
  require(resolution.service != nullptr, "a port is a Service's");
  const auto& ports = resolution.service->ports;
  require(std::any_of(ports.begin(),
                      ports.end(),
                      [&resolution](const ServicePort& each) { return &each == resolution.port; }),
          "the port is one of its Service's");

  std::string other_case{name};
  for (char& c : other_case) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  require(resolve(snapshot(), other_case, "default", caller).port == resolution.port,
          "case does not matter");
}

void check_timeout(std::string_view text) {
  const auto timeout = parse_grpc_timeout(text);
  if (!timeout) {
    return;
  }
  require(timeout->count() >= 0, "a timeout is not negative");
  const auto again = parse_grpc_timeout(format_grpc_timeout(*timeout));
  require(again.has_value(), "a timeout that was written can be read");
  // Rounded down, but never to nothing.
  require(*again <= std::max(*timeout, std::chrono::nanoseconds{1}), "it has not grown");
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    unsigned byte = static_cast<unsigned char>(text.front());
    std::size_t size = 1;
    if (text.front() == '%') {
      size = 3;
      require(text.size() >= size, "an escape is whole");
      const auto parsed = std::from_chars(text.data() + 1, text.data() + size, byte, 16);
      require(parsed.ptr == text.data() + size, "an escape is two hexadecimal digits");
    }
    decoded.push_back(static_cast<char>(byte));
    text.remove_prefix(size);
  }
  return decoded;
}

void check_encoding(std::string_view text) {
  const std::string encoded = percent_encode(text);
  require(std::all_of(encoded.begin(), encoded.end(), [](char c) { return c >= ' ' && c <= '~'; }),
          "an encoded text is printable");
  require(percent_decode(encoded) == text, "an encoded text can be decoded");
}

void check_grpc_reply(std::string_view text) {
  const LocalReply reply = make_local_reply(Errc::unknown_service, text, true);
  require(reply.body.empty(), "a gRPC error has no body");
  require(grpc_status_of(reply.head.fields).has_value(), "a gRPC error has a status");
  HeaderList fields;
  fields.add({"grpc-status", text});
  require(grpc_status_of(fields).value_or(255) <= 16, "a gRPC status is a known one");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace router;
  const std::string_view text = fuzz::text_of(data, size);
  for (const auto caller : {CallerProtocol::http1, CallerProtocol::h2, CallerProtocol::grpc}) {
    check_name(text, caller);
  }
  check_timeout(text);
  check_encoding(text);
  check_grpc_reply(text);
  return 0;
}
