// SPDX-License-Identifier: Apache-2.0
#include "router/limits/buffer_budget.hpp"

namespace router {
namespace {

/// What was reached is left a quarter below it, so that peers are not told of each to and fro.
Pressure next(Pressure before, std::int64_t n_bytes) noexcept {
  const auto is_beyond = [n_bytes](bool was_beyond, std::int64_t limit) {
    return n_bytes >= (was_beyond ? limit - limit / 4 : limit);
  };
  if (is_beyond(before == Pressure::full, BufferBudget::kNarrowAtBytes)) {
    return Pressure::full;
  }
  return is_beyond(before != Pressure::none, BufferBudget::kGrowUntilBytes) ? Pressure::high
                                                                            : Pressure::none;
}

}  // namespace

bool BufferShare::grow(std::int64_t n_bytes) noexcept {
  if (budget_ == nullptr) {
    return true;
  }
  // Two cores at once may both find room: then it is exceeded by one window.
  if (budget_->grown.read() + n_bytes > BufferBudget::kMaxGrownBytes) {
    return false;
  }
  budget_->grown.change(n_bytes);
  return true;
}

void BufferShare::shrink(std::int64_t n_bytes) noexcept {
  if (budget_ != nullptr) {
    budget_->grown.change(-n_bytes);
  }
}

bool BufferShare::is_used_up() const noexcept {
  const std::int64_t of_others = budget_ == nullptr ? 0 : budget_->bytes.read() - n_posted_;
  return of_others + n_bytes_ >= BufferBudget::kMaxBytes;
}

bool BufferShare::post() noexcept {
  const std::int64_t total =
      budget_ == nullptr ? n_bytes_ : budget_->bytes.change(n_bytes_ - n_posted_);
  n_posted_ = n_bytes_;
  const Pressure before = pressure_;
  pressure_ = next(before, total);
  return pressure_ == Pressure::full && before != Pressure::full;
}

}  // namespace router
