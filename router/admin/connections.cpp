// SPDX-License-Identifier: Apache-2.0
#include "router/admin/connections.hpp"

#include <algorithm>
#include <sys/socket.h>

namespace router::admin {

Connections::Id Connections::enter(int socket) {
  const std::lock_guard lock{mutex_};
  const Id id = next_++;
  Connection& self = connections_[id];
  self.socket = socket;
  ++open_;
  if (is_closed_) {
    shut_down(self);
  } else if (owed_ > 0) {
    --owed_;
    evict(self);
  }
  for (auto oldest = connections_.begin(); open_ > limits_.connections; ++oldest) {
    evict(oldest->second);
  }
  return id;
}

void Connections::leave(Id id) {
  const std::lock_guard lock{mutex_};
  const auto found = connections_.find(id);
  if (!found->second.is_shut_down) {
    --open_;
    pending_bytes_ -= found->second.pending_bytes;
  }
  connections_.erase(found);
}

void Connections::set_pending(Id id, std::size_t bytes) {
  const std::lock_guard lock{mutex_};
  Connection& self = connections_.at(id);
  if (self.is_shut_down) {
    return;
  }
  pending_bytes_ = pending_bytes_ - self.pending_bytes + bytes;
  self.pending_bytes = bytes;
  for (auto& [other, connection] : connections_) {
    if (pending_bytes_ <= limits_.pending_bytes || other == id) {
      break;
    }
    if (connection.pending_bytes > 0) {
      evict(connection);
    }
  }
}

void Connections::evict_oldest() {
  const std::lock_guard lock{mutex_};
  const auto oldest = std::ranges::find_if(
      connections_, [](const auto& entry) { return !entry.second.is_shut_down; });
  if (oldest == connections_.end()) {
    ++owed_;
  } else {
    evict(oldest->second);
  }
}

void Connections::shut_down_all() {
  const std::lock_guard lock{mutex_};
  is_closed_ = true;
  for (auto& [id, connection] : connections_) {
    if (!connection.is_shut_down) {
      shut_down(connection);
    }
  }
}

std::uint64_t Connections::evicted() const {
  const std::lock_guard lock{mutex_};
  return evicted_;
}

void Connections::evict(Connection& connection) {
  if (!connection.is_shut_down) {
    shut_down(connection);
    ++evicted_;
  }
}

void Connections::shut_down(Connection& connection) {
  // Wakes the thread that waits on it; that one closes the socket.
  ::shutdown(connection.socket, SHUT_RDWR);
  connection.is_shut_down = true;
  --open_;
  pending_bytes_ -= connection.pending_bytes;
}

}  // namespace router::admin
