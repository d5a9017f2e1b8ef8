// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/ejector.hpp"

#include "router/telemetry/log.hpp"
#include "router/worker/endpoint_text.hpp"

#include <algorithm>
#include <chrono>
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

Ejector::Ejector(const PoolContext& context,
                 const EjectionPolicy& policy,
                 SharedPort& shared,
                 std::uint32_t seed)
    : context_{context},
      shared_{shared},
      max_penalty_{policy.max_penalty},
      outliers_{rules_of(policy), seed} {}

void Ejector::apply(const EjectionPolicy& policy) {
  max_penalty_ = policy.max_penalty;
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
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const bool is_told = members_[i].shared == nullptr || members_[i].shared->verdict_word() != 0;
    if (!is_told && pack(outliers_.verdict(i)) != 0) {
      post(i);  // decided before the endpoint was shared
    } else {
      take_over(i);
    }
  }
  show();
}

void Ejector::follow_others() {
  const std::uint32_t version = shared_.verdict_version();
  if (std::exchange(verdict_version_, version) == version) {
    return;
  }
  for (std::size_t i = 0; i < members_.size(); ++i) {
    take_over(i);
  }
  show();
}

void Ejector::take_over(std::size_t index) {
  const Member& member = members_[index];
  if (member.shared == nullptr) {
    return;
  }
  const VerdictWord posted = member.shared->verdict_word();
  if (posted != 0 && posted != pack(outliers_.verdict(index))) {
    outliers_.take_over(index, member.shared->verdict());
  }
  const TimePoint now = context_.loop.now();
  if (const TimePoint until = member.shared->alone_until(); until > now) {
    member.health->leave_alone(until - now, now);
    any_alone_until_ = std::max(any_alone_until_, until);
  }
}

void Ejector::post(std::size_t index) {
  if (SharedEndpoint* const shared = members_[index].shared) {
    shared->end_row();
    shared->post(outliers_.verdict(index));
    shared_.announce_verdict();
  }
}

void Ejector::on_reply(std::size_t index, TimePoint sent_at, std::chrono::nanoseconds took) {
  const bool was_ejected = members_[index].health->is_ejected();
  const VerdictWord before = was_ejected ? pack(outliers_.verdict(index)) : 0;
  if (outliers_.on_success(index, sent_at, took, context_.loop.now())) {
    tell_of_return(index);
  } else if (was_ejected && pack(outliers_.verdict(index)) != before) {
    post(index);  // the probe was as slow as before
  }
  if (members_[index].shared != nullptr) {
    members_[index].shared->end_row();
  }
  compare();
}

void Ejector::on_failure(std::size_t index, TimePoint sent_at) {
  follow_others();  // in the same turn there may have been a verdict on what failed at once
  SharedEndpoint* const shared = members_[index].shared;
  const bool is_counted = shared != nullptr && !members_[index].health->is_ejected();
  const auto in_row = is_counted ? std::optional{shared->count_failure()} : std::nullopt;
  if (const auto ejection = outliers_.on_failure(index, sent_at, context_.loop.now(), in_row)) {
    tell(*ejection);
  }
  compare();
}

void Ejector::on_nothing_learnt(std::size_t index, TimePoint sent_at) {
  const VerdictWord before = pack(outliers_.verdict(index));
  outliers_.on_nothing_learnt(index, sent_at, context_.loop.now());
  if (pack(outliers_.verdict(index)) != before) {
    post(index);
  }
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

void Ejector::leave_alone(std::size_t index, std::chrono::nanoseconds duration) {
  const TimePoint now = context_.loop.now();
  const TimePoint until = now + std::min(duration, max_penalty_);
  const Member& member = members_[index];
  member.health->leave_alone(until - now, now);
  any_alone_until_ = std::max(any_alone_until_, until);
  if (member.shared != nullptr) {
    member.shared->leave_alone_until(until);
    shared_.announce_verdict();
  }
}

std::optional<std::size_t> Ejector::take_probe() {
  const TimePoint now = context_.loop.now();
  const std::optional<std::size_t> due = outliers_.due_probe(now);
  if (!due) {
    return std::nullopt;
  }
  const VerdictWord before = pack(outliers_.verdict(*due));
  outliers_.begin_probe(*due, now);
  SharedEndpoint* const shared = members_[*due].shared;
  if (shared != nullptr && !shared->post_if(before, outliers_.verdict(*due))) {
    take_over(*due);  // another worker sends the probe, or has had its answer
    return std::nullopt;
  }
  shared_.announce_verdict();
  return due;
}

void Ejector::tell(const balancer::Ejection& ejection) {
  const auto cause = static_cast<std::size_t>(ejection.cause);
  context_.service_metrics.ejections.at(cause).add();
  post(ejection.index);
  show();
  telemetry::log(telemetry::LogLevel::warning,
                 "cluster",
                 fmt::format("{} is ejected for {:.1f} s: {}",
                             name_of(ejection.index),
                             std::chrono::duration<double>{ejection.penalty}.count(),
                             telemetry::kEjectionCauseNames.at(cause)));
}

void Ejector::tell_of_return(std::size_t index) {
  post(index);
  show();
  telemetry::log(telemetry::LogLevel::info, "cluster", name_of(index) + " is in service again");
}

void Ejector::show() {
  context_.service_metrics.endpoints_ejected.set(outliers_.n_ejected());
}

std::string Ejector::name_of(std::size_t index) const {
  const telemetry::ServiceMetrics& service = context_.service_metrics;
  const Endpoint& endpoint = *members_[index].endpoint;
  return fmt::format("{}.{}:{}: endpoint {} ({})",
                     service.service,
                     service.service_namespace,
                     service.port,
                     endpoint_text(endpoint.address),
                     endpoint.pod);
}

}  // namespace router
