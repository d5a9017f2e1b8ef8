// SPDX-License-Identifier: Apache-2.0
#include "router/limits/client_quota.hpp"

#include <algorithm>
#include <utility>

namespace router {

ClientQuota::ClientQuota(std::uint64_t n_descriptors) noexcept
    : max_connections_{static_cast<std::uint32_t>(
          std::clamp<std::uint64_t>(n_descriptors / 2, 1, kMaxConnections))} {}

std::optional<ClientQuota::Place> ClientQuota::take() {
  const std::lock_guard lock{mutex_};
  if (n_connections_ == max_connections_) {
    return std::nullopt;
  }
  ++n_connections_;
  return std::optional<Place>{std::in_place, *this};
}

std::shared_ptr<CallerTotals> ClientQuota::totals_of(const boost::asio::ip::address& caller) {
  const std::lock_guard lock{mutex_};
  const auto found = callers_.find(caller);
  auto totals = found == callers_.end() ? nullptr : found->second.totals.lock();
  if (!totals) {
    totals = std::make_shared<CallerTotals>();
    if (found != callers_.end()) {
      found->second.totals = totals;
    }
  }
  return totals;
}

Admission ClientQuota::enter(const boost::asio::ip::address& caller) {
  const std::lock_guard lock{mutex_};
  Caller& its = callers_[caller];
  if (its.n_taken < kMaxPerCaller) {
    ++its.n_taken;
    return Admission::taken;
  }
  if (its.n_refused < kMaxRefused) {
    ++its.n_refused;
    return Admission::refused;
  }
  return Admission::closed;
}

void ClientQuota::leave(const boost::asio::ip::address& caller, Admission how) {
  const std::lock_guard lock{mutex_};
  --n_connections_;
  if (how == Admission::closed) {
    return;
  }
  const auto found = callers_.find(caller);
  --(how == Admission::taken ? found->second.n_taken : found->second.n_refused);
  if (found->second.n_taken == 0 && found->second.n_refused == 0) {
    callers_.erase(found);
  }
}

ClientQuota::Place::Place(Place&& other) noexcept
    : quota_{std::exchange(other.quota_, nullptr)},
      caller_{std::move(other.caller_)},
      admission_{other.admission_} {}

ClientQuota::Place::~Place() {
  if (quota_ != nullptr) {
    quota_->leave(caller_, admission_);
  }
}

Admission ClientQuota::Place::give_to(const boost::asio::ip::address& caller) {
  caller_ = caller;
  admission_ = quota_->enter(caller);
  return admission_;
}

}  // namespace router
