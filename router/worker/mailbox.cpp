// SPDX-License-Identifier: Apache-2.0
#include "router/worker/mailbox.hpp"

#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace router {

Mailbox::Mailbox(Poller& poller)
    : poller_{poller}, event_{required(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")} {
  poller_.watch(event_.number(), *this, true, false);
}

Mailbox::~Mailbox() {
  poller_.forget(*this);
  for (Letter* letter = take_all(); letter != nullptr;) {
    delete std::exchange(letter, letter->next);
  }
}

void Mailbox::post(std::function<void()> task) {
  Letter* before = newest_.load(std::memory_order_relaxed);
  auto* const letter = new Letter{std::move(task), before};
  while (!newest_.compare_exchange_weak(
      before, letter, std::memory_order_release, std::memory_order_relaxed)) {
    letter->next = before;
  }
  if (before == nullptr) {  // else whoever was the first has told
    const std::uint64_t one = 1;
    static_cast<void>(::write(event_.number(), &one, sizeof one));
  }
}

void Mailbox::on_ready(bool /*readable*/, bool /*writable*/) {
  // First this, so that what is posted from now on is told anew.
  std::uint64_t n_told = 0;
  static_cast<void>(::read(event_.number(), &n_told, sizeof n_told));
  for (Letter* letter = take_all(); letter != nullptr;) {
    letter->task();
    delete std::exchange(letter, letter->next);
  }
}

Mailbox::Letter* Mailbox::take_all() noexcept {
  Letter* newest = newest_.exchange(nullptr, std::memory_order_acquire);
  Letter* oldest = nullptr;
  while (newest != nullptr) {
    Letter* const next = std::exchange(newest->next, oldest);
    oldest = std::exchange(newest, next);
  }
  return oldest;
}

}  // namespace router
