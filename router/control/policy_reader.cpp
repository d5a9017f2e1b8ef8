// SPDX-License-Identifier: Apache-2.0
#include "router/control/policy_reader.hpp"

#include <array>
#include <chrono>
#include <string_view>

namespace router::control {
namespace {

using namespace std::chrono_literals;
using Place = FieldReader::Place;
using Field = FieldReader::Field;

/// What values are taken. The defaults are in Policy (router/route/policy.hpp).
namespace range {
/// Shorter, and an estimate is forgotten between two requests; longer, and it is not one of now.
constexpr DurationRange kDecay{.least = 10ms, .most = 1h};
/// At most: by then the kernel itself has given up (tcp_syn_retries).
constexpr DurationRange kConnect{.least = 1ms, .most = 2min};
/// At most: a request that lasts longer is no request but a session, and wants none.
constexpr DurationRange kRequest{.least = 1ms, .most = 24h, .zero_too = true};
/// At least one: the first request to a pod waits for its connection.
constexpr CountRange kQueueSize{.least = 1, .most = 100'000};
/// At most: no caller waits longer for a first byte, so that it would only hold memory.
constexpr DurationRange kQueueTimeout{.least = 1ms, .most = 2min};
}  // namespace range

constexpr std::array<std::string_view, 4> kBalancers{
    "peak_ewma", "least_request", "round_robin", "random"};
constexpr std::array kBalancerKinds{BalancerKind::peak_ewma,
                                    BalancerKind::least_request,
                                    BalancerKind::round_robin,
                                    BalancerKind::random};
constexpr std::array<std::string_view, 2> kProtocols{"h2c", "http1"};
constexpr std::array kProtocolKinds{UpstreamProtocol::h2c, UpstreamProtocol::http1};

/// Reads the fields of one level into a PolicyOverrides.
class PolicyReader {
 public:
  PolicyReader(FieldReader& reader, PolicyOverrides& overrides)
      : reader_{reader}, overrides_{overrides} {}

  void read(const Place& value) {
    const std::array fields{
        Field{"balancer", [this](const Place& field) { balancer(field); }},
        Field{"timeout", [this](const Place& field) { timeout(field); }},
        Field{"limits", [this](const Place& field) { limits(field); }},
        Field{"upstreamProtocol",
              [this](const Place& field) {
                if (const auto index = reader_.choice(field, kProtocols)) {
                  overrides_.upstream_protocol = kProtocolKinds.at(*index);
                }
              }},
    };
    reader_.fields(value, fields);
  }

 private:
  void balancer(const Place& value) {
    const std::array fields{
        Field{"policy",
              [this](const Place& field) {
                if (const auto index = reader_.choice(field, kBalancers)) {
                  overrides_.balancer = kBalancerKinds.at(*index);
                }
              }},
        Field{"decay",
              [this](const Place& field) {
                overrides_.decay = reader_.duration(field, range::kDecay);
              }},
    };
    reader_.fields(value, fields);
  }

  void timeout(const Place& value) {
    const std::array fields{
        Field{"connect",
              [this](const Place& field) {
                overrides_.connect_timeout = reader_.duration(field, range::kConnect);
              }},
        Field{"request",
              [this](const Place& field) {
                overrides_.request_timeout = reader_.duration(field, range::kRequest);
              }},
    };
    reader_.fields(value, fields);
  }

  void limits(const Place& value) {
    const std::array fields{
        Field{"queue", [this](const Place& field) { queue(field); }},
    };
    reader_.fields(value, fields);
  }

  void queue(const Place& value) {
    const std::array fields{
        Field{"size",
              [this](const Place& field) {
                overrides_.queue_requests = reader_.count(field, range::kQueueSize);
              }},
        Field{"timeout",
              [this](const Place& field) {
                overrides_.queue_timeout = reader_.duration(field, range::kQueueTimeout);
              }},
    };
    reader_.fields(value, fields);
  }

  FieldReader& reader_;
  PolicyOverrides& overrides_;
};

}  // namespace

void read_policy(const Place& value, FieldReader& reader, PolicyOverrides& overrides) {
  PolicyReader{reader, overrides}.read(value);
}

}  // namespace router::control
