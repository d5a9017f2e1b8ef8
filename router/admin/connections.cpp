// SPDX-License-Identifier: Apache-2.0
#include "router/admin/connections.hpp"

#include <sys/socket.h>

namespace router::admin {

Connections::Id Connections::enter(int socket) {
  const std::lock_guard lock{mutex_};
  const Id id = next_++;
  connections_[id] = {.socket = socket};
  ++open_;
  for (auto oldest = connections_.begin(); open_ > limits_.connections; ++oldest) {
    if (!oldest->second.is_shut_down) {
      shut_down(oldest->second);
      ++evicted_;
    }
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
    if (!connection.is_shut_down && connection.pending_bytes > 0) {
      shut_down(connection);
      ++evicted_;
    }
  }
}

void Connections::shut_down_all() {
  const std::lock_guard lock{mutex_};
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

void Connections::shut_down(Connection& connection) {
  // Wakes the thread that waits on it; that one closes the socket.
  ::shutdown(connection.socket, SHUT_RDWR);
  connection.is_shut_down = true;
  --open_;
  pending_bytes_ -= connection.pending_bytes;
}

}  // namespace router::admin
