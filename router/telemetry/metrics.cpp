// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/metrics.hpp"

#include <utility>

namespace router::telemetry {
namespace {

constexpr bool figures_are_in_enum_order() {
  for (std::size_t i = 0; i < kCoreFigures.size(); ++i) {
    if (static_cast<std::size_t>(kCoreFigures[i].id) != i) {
      return false;
    }
  }
  return true;
}
static_assert(figures_are_in_enum_order(), "kCoreFigures: one row per CoreFigure, in its order");
static_assert(kCoreFigures.size() == static_cast<std::size_t>(CoreFigure::requests_put_off) + 1);
static_assert(kLimitNames.size() == static_cast<std::size_t>(Limit::write_stall) + 1);

constexpr std::uint8_t kUnknownGrpcStatus = 2;
constexpr std::uint8_t kLastGrpcStatus = 16;  // UNAUTHENTICATED; gRPC `statuscodes.md`

// Keeps the number of series bounded whatever an endpoint sends.
ResponseKey bounded(ResponseKey key) {
  if (key.grpc_status > kLastGrpcStatus && key.grpc_status != ResponseKey::kNoGrpcStatus) {
    key.grpc_status = kUnknownGrpcStatus;
  }
  return key;
}

}  // namespace

ServiceMetrics::ServiceMetrics(std::string namespace_text,
                               std::string service_text,
                               std::string port_text)
    : service_namespace{std::move(namespace_text)},
      service{std::move(service_text)},
      port{std::move(port_text)} {}

void ServiceMetrics::add_response(ResponseKey key,
                                  std::chrono::nanoseconds to_head,
                                  std::chrono::nanoseconds to_end) {
  key = bounded(key);
  ResponseCell* cell = owned_first_.get();
  while (cell != nullptr && cell->key != key) {
    cell = cell->owned_next.get();
  }
  if (cell == nullptr) {
    auto made = std::make_unique<ResponseCell>(key);
    cell = made.get();
    // The release store is last: a reader that sees the cell sees it whole.
    if (last_ == nullptr) {
      owned_first_ = std::move(made);
      first_.store(cell, std::memory_order_release);
    } else {
      last_->owned_next = std::move(made);
      last_->next.store(cell, std::memory_order_release);
    }
    last_ = cell;
  }
  cell->count.add();
  if (to_head > std::chrono::nanoseconds::zero()) {
    response_start.record(to_head);
  }
  duration.record(to_end);
}

CoreMetrics::~CoreMetrics() {
  // One by one: the chain of owners would otherwise be destroyed by recursion, as deep as there are
  // Services.
  while (owned_first_) {
    owned_first_ = std::move(owned_first_->owned_next_);
  }
}

ServiceMetrics& CoreMetrics::add_service(std::string service_namespace,
                                         std::string service,
                                         std::string port) {
  auto made = std::make_unique<ServiceMetrics>(
      std::move(service_namespace), std::move(service), std::move(port));
  ServiceMetrics* block = made.get();
  if (last_ == nullptr) {
    owned_first_ = std::move(made);
    first_.store(block, std::memory_order_release);
  } else {
    last_->owned_next_ = std::move(made);
    last_->next_.store(block, std::memory_order_release);
  }
  last_ = block;
  return *block;
}

}  // namespace router::telemetry
