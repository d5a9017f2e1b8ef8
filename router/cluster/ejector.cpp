// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/ejector.hpp"

#include "router/telemetry/log.hpp"

#include <chrono>
#include <sstream>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace router {
namespace {

balancer::EjectionRules rules_of(const EjectionPolicy& policy) {
  return {.consecutive = policy.consecutive,
          .by_success_rate = policy.by_success_rate,
          .latency_factor = policy.latency_factor,
          .min_penalty = policy.min_penalty,
          .max_penalty = policy.max_penalty,
          .max_percent = policy.max_percent,
          .panic_percent = policy.panic_percent};
}

}  // namespace

Ejector::Ejector(const PoolContext& context, const EjectionPolicy& policy, std::uint32_t seed)
    : context_{context}, outliers_{rules_of(policy), seed} {}

void Ejector::apply(const EjectionPolicy& policy) {
  outliers_.apply(rules_of(policy));
}

void Ejector::adopt(std::vector<Member> members) {
  members_ = std::move(members);
  std::vector<balancer::Health*> healths;
  healths.reserve(members_.size());
  for (const Member& member : members_) {
    healths.push_back(member.health);
  }
  outliers_.adopt(std::move(healths));
  show();
}

void Ejector::on_reply(std::size_t index, std::chrono::nanoseconds took) {
  if (outliers_.on_success(index, took, context_.loop.now())) {
    tell_of_return(index);
  }
  compare();
}

void Ejector::on_failure(std::size_t index, std::chrono::nanoseconds took) {
  if (const auto ejection = outliers_.on_failure(index, took, context_.loop.now())) {
    tell(*ejection);
  }
  compare();
}

void Ejector::on_nothing_learnt(std::size_t index, std::chrono::nanoseconds took) {
  outliers_.on_nothing_learnt(index, took, context_.loop.now());
}

void Ejector::on_connect_failed(std::size_t index) {
  if (const auto ejection = outliers_.on_connect_failed(index, context_.loop.now())) {
    tell(*ejection);
  }
}

void Ejector::on_connected(std::size_t index) {
  if (outliers_.on_connected(index, context_.loop.now())) {
    tell_of_return(index);
  }
}

void Ejector::compare() {
  for (const balancer::Ejection& ejection : outliers_.compare(context_.loop.now())) {
    tell(ejection);
  }
}

std::optional<std::size_t> Ejector::take_probe() {
  const TimePoint now = context_.loop.now();
  const std::optional<std::size_t> due = outliers_.due_probe(now);
  if (due) {
    outliers_.begin_probe(*due, now);
  }
  return due;
}

void Ejector::tell(const balancer::Ejection& ejection) {
  const auto cause = static_cast<std::size_t>(ejection.cause);
  context_.service_metrics.ejections.at(cause).add();
  show();
  telemetry::log(telemetry::LogLevel::warning,
                 "cluster",
                 fmt::format("{} is ejected for {:.1f} s: {}",
                             name_of(ejection.index),
                             std::chrono::duration<double>{ejection.penalty}.count(),
                             telemetry::kEjectionCauseNames.at(cause)));
}

void Ejector::tell_of_return(std::size_t index) {
  show();
  telemetry::log(telemetry::LogLevel::info, "cluster", name_of(index) + " is in service again");
}

void Ejector::show() {
  telemetry::Cell& gauge = context_.service_metrics.endpoints_ejected;
  gauge.subtract(gauge.read());
  gauge.add(outliers_.n_ejected());
}

std::string Ejector::name_of(std::size_t index) const {
  const telemetry::ServiceMetrics& service = context_.service_metrics;
  const Endpoint& endpoint = *members_[index].endpoint;
  std::ostringstream address;
  address << endpoint.address;
  return fmt::format("{}.{}:{}: endpoint {} ({})",
                     service.service,
                     service.service_namespace,
                     service.port,
                     address.str(),
                     endpoint.pod);
}

}  // namespace router
