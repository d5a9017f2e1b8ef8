// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/cluster_endpoint.hpp"

#include "balancer/stable_hash.hpp"
#include "router/cluster/cluster.hpp"
#include "router/worker/endpoint_text.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace router {

ClusterEndpoint::ClusterEndpoint(const PoolContext& context,
                                 std::uint64_t id,
                                 Endpoint endpoint,
                                 const Policy& policy,
                                 Cluster& cluster)
    : context_{context},
      id_{id},
      endpoint_{std::move(endpoint)},
      hash_{hash_of(endpoint_)},
      decay_{policy.decay},
      connect_timeout_{policy.connect_timeout},
      connection_age_{policy.connection_age.value_or(Nanoseconds{0})},
      latency_{policy.decay},
      cluster_{cluster} {}

std::uint64_t ClusterEndpoint::hash_of(const Endpoint& endpoint) {
  return balancer::stable_hash(fmt::format("{}:{}", endpoint.pod, endpoint.address.port()));
}

Pool& ClusterEndpoint::pool(bool is_http1) {
  std::unique_ptr<Pool>& pool = pools_[is_http1 ? 1 : 0];
  if (!pool) {
    const ConnectOptions options{.endpoint = endpoint_.address,
                                 .is_http1 = is_http1,
                                 .timeout = connect_timeout_,
                                 .max_age = connection_age_};
    PoolEvents& events = *this;
    pool = std::make_unique<Pool>(context_, options, events);
  }
  return *pool;
}

void ClusterEndpoint::on_connect_failed(Errc /*reason*/) {
  const TimePoint now = context_.loop.now();
  if (context_.on_unreachable && now >= next_unreachable_news_) {
    next_unreachable_news_ = now + kUnreachableNews;
    context_.on_unreachable({.service_namespace = context_.service_metrics.service_namespace,
                             .service = context_.service_metrics.service,
                             .address = endpoint_.address.address()});
  }
  cluster_.on_connect_failed(*this);
}

void ClusterEndpoint::on_connect_succeeded() {
  cluster_.on_connect_succeeded(*this);
}

bool ClusterEndpoint::is_connected() const noexcept {
  return std::any_of(pools_.begin(), pools_.end(), [](const std::unique_ptr<Pool>& pool) {
    return pool && pool->is_connected();
  });
}

void ClusterEndpoint::begin_request() noexcept {
  ++in_flight_;
  ++requests_;
  if (counts_for_all_) {
    shared_->in_flight().enter(1);
  }
}

bool ClusterEndpoint::try_begin_request(std::uint32_t limit) noexcept {
  if (limit == 0 || !counts_for_all_) {
    begin_request();
    return true;
  }
  if (!shared_->in_flight().try_enter(limit)) {
    return false;
  }
  ++in_flight_;
  ++requests_;
  return true;
}

void ClusterEndpoint::end_request() noexcept {
  --in_flight_;
  if (counts_for_all_) {
    shared_->in_flight().leave(1);
  }
}

void ClusterEndpoint::count_for_all(bool counts) noexcept {
  const bool can_count = counts && shared_;
  if (std::exchange(counts_for_all_, can_count) == can_count) {
    return;
  }
  if (can_count) {
    shared_->in_flight().enter(in_flight_);
  } else {
    shared_->in_flight().leave(in_flight_);
  }
}

bool ClusterEndpoint::is_unused() const noexcept {
  return in_flight_ == 0 &&
         std::all_of(pools_.begin(), pools_.end(), [](const std::unique_ptr<Pool>& pool) {
           return !pool || pool->is_empty();
         });
}

void ClusterEndpoint::apply(const Policy& policy) {
  if (std::exchange(decay_, policy.decay) != policy.decay) {
    latency_ = balancer::PeakEwma{policy.decay};
  }
  connect_timeout_ = policy.connect_timeout;
  connection_age_ = policy.connection_age.value_or(Nanoseconds{0});
  for (const std::unique_ptr<Pool>& pool : pools_) {
    if (pool) {
      pool->set_times(connect_timeout_, connection_age_);
    }
  }
}

void ClusterEndpoint::retire() {
  is_selected_ = false;
  count_for_all(false);
  shared_.reset();
  for (const std::unique_ptr<Pool>& pool : pools_) {
    if (pool) {
      pool->retire();
    }
  }
}

void ClusterEndpoint::describe(EndpointView& view) const {
  view.address = endpoint_text(endpoint_.address);
  view.pod = endpoint_.pod;
  view.requests = requests_;
  view.failures = failures_;
  view.in_flight = in_flight_;
  view.latency = latency_.estimate(context_.loop.now());
  if (const auto cause = health_.cause(); cause && is_selected_) {
    view.ejected_for = telemetry::kEjectionCauseNames[static_cast<std::size_t>(*cause)];
  }
  bool is_connecting = false;
  for (const std::unique_ptr<Pool>& pool : pools_) {
    if (pool) {
      view.connections += static_cast<std::uint32_t>(pool->n_connections());
      is_connecting = is_connecting || (pool->n_connections() > 0 && !pool->is_connected());
    }
  }
  if (!is_selected_) {
    view.state = is_named_ ? "unselected" : "draining";
  } else if (health_.is_ejected()) {
    view.state = health_.is_unreachable() ? "unreachable" : "ejected";
  } else {
    view.state = is_connecting ? "connecting" : endpoint_.is_spare ? "spare" : "ready";
  }
}

}  // namespace router
