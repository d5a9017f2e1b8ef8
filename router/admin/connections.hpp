// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace router::admin {

/// The admin endpoint's open connections, so that those of clients that do nothing make room for
/// others: where there are too many, or too much is waiting to be written, the oldest is shut down.
/// Any thread.
class Connections {
 public:
  using Id = std::uint64_t;

  struct Limits {
    std::size_t connections = 128;  ///< one thread each; probes and a scraper need three
    std::size_t pending_bytes =
        std::size_t{32} * 1024 * 1024;  ///< answers made and not yet written
  };

  explicit Connections(Limits limits) : limits_{limits} {}

  /// Enters a connection, and shuts down the oldest one if it is one too many; after
  /// `shut_down_all` this one. Does not own `socket`.
  [[nodiscard]] Id enter(int socket);
  /// Must come before the socket is closed: its number may then be another's.
  void leave(Id id);

  /// Says how much of an answer is waiting to be written on a connection. If that is too much in
  /// all, the oldest ones that something is waiting on are shut down, this one last.
  void set_pending(Id id, std::size_t bytes);

  /// Shuts down the oldest one; if all are, the next one that enters. So each call makes room once.
  void evict_oldest();

  /// Shuts down all, also those that are yet to come.
  void shut_down_all();

  /// How many connections were shut down to make room.
  [[nodiscard]] std::uint64_t evicted() const;

 private:
  struct Connection {
    int socket = -1;
    std::size_t pending_bytes = 0;
    bool is_shut_down = false;
  };

  void shut_down(Connection& connection);
  void evict(Connection& connection);

  const Limits limits_;
  mutable std::mutex mutex_;
  bool is_closed_ = false;
  Id next_ = 0;
  std::size_t open_ = 0;           ///< of those entered, the ones not shut down
  std::size_t pending_bytes_ = 0;  ///< of all that are not shut down
  std::uint64_t evicted_ = 0;
  std::size_t owed_ = 0;                  ///< evictions for which there was no connection yet
  std::map<Id, Connection> connections_;  ///< oldest first
};

}  // namespace router::admin
