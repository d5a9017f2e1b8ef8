// SPDX-License-Identifier: Apache-2.0
#include "router/control/caller_table.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/make_shared.hpp>

namespace router::control {
namespace {

namespace ip = boost::asio::ip;

using Claims = std::map<ip::address, std::vector<const k8s_client::Pod*>>;

/// The one pod that the address means; null if it may be another one.
const k8s_client::Pod* owner_of(const std::vector<const k8s_client::Pod*>& claimants,
                                bool awaits_addresses) {
  const auto n_staying = std::count_if(
      claimants.begin(), claimants.end(), [](const auto* pod) { return !pod->is_terminating; });
  if (n_staying == 1) {
    return *std::find_if(
        claimants.begin(), claimants.end(), [](const auto* pod) { return !pod->is_terminating; });
  }
  const bool is_alone = n_staying == 0 && claimants.size() == 1;
  return is_alone && !awaits_addresses ? claimants.front() : nullptr;
}

boost::shared_ptr<const CallerPod> caller_pod(const k8s_client::Pod& pod) {
  return boost::make_shared<CallerPod>(CallerPod{
      .namespace_ = pod.meta.key.ns,
      .name = pod.meta.key.name,
      .service_account = pod.service_account,
      .workload = pod.workload_kind.empty() ? "" : pod.workload_kind + "/" + pod.workload_name});
}

}  // namespace

void CallerTable::set_pod(const k8s_client::ObjectKey& key, Pod pod) {
  is_changed_ = true;
  if (pod && pod->node_name == node_) {
    pods_[key] = std::move(pod);
  } else {
    pods_.erase(key);
  }
}

void CallerTable::set_allowed(CallersAllowed allowed) {
  is_changed_ = true;
  allowed_ = std::move(allowed);
}

void CallerTable::await_list(bool is_awaited) {
  is_changed_ = true;
  awaits_list_ = is_awaited;
}

boost::shared_ptr<const Callers> CallerTable::build() {
  if (std::exchange(is_changed_, false)) {
    Callers next = derive();
    if (!built_ || !(next == *built_)) {
      built_ = boost::make_shared<const Callers>(std::move(next));
    }
  }
  return built_;
}

Callers CallerTable::derive() const {
  Callers callers;
  callers.allowed = allowed_;
  callers.awaits_list = awaits_list_;
  Claims claims;
  for (const auto& [key, pod] : pods_) {
    if (pod->is_over) {
      continue;
    }
    callers.awaits_addresses = callers.awaits_addresses || (pod->ips.empty() && !pod->host_network);
    for (const std::string& text : pod->ips) {
      boost::system::error_code failure;
      const ip::address address = ip::make_address(text, failure);
      if (failure) {
        continue;
      }
      if (pod->host_network) {
        callers.hosts.insert(address);
      } else {
        claims[address].push_back(pod.get());
      }
    }
  }
  for (const auto& [address, claimants] : claims) {
    if (const k8s_client::Pod* owner = owner_of(claimants, callers.awaits_addresses)) {
      callers.pods.emplace(address, caller_pod(*owner));
    } else {
      callers.ambiguous.insert(address);
    }
  }
  return callers;
}

}  // namespace router::control
