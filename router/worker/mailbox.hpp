// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/descriptor.hpp"
#include "router/worker/poller.hpp"

#include <atomic>
#include <functional>

namespace router {

/// What other threads have for a core to do, in the order in which they asked; they do not wait for
/// it, nor for each other.
class Mailbox final : private Pollable {
 public:
  /// `poller`, which must outlive it, tells when there is something.
  explicit Mailbox(Poller& poller);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  /// Drops what has not been run.
  ~Mailbox();

  /// Any thread. `task` runs on the poller's, soon.
  void post(std::function<void()> task);

 private:
  struct Letter {
    std::function<void()> task;
    Letter* next;
  };

  void on_ready(bool readable, bool writable) override;
  /// All that is there, the oldest first.
  [[nodiscard]] Letter* take_all() noexcept;

  Poller& poller_;
  Descriptor event_;  ///< eventfd(2); readable while there is something
  std::atomic<Letter*> newest_{nullptr};
};

}  // namespace router
