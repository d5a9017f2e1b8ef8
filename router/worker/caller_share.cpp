// SPDX-License-Identifier: Apache-2.0
#include "router/worker/caller_share.hpp"

#include <limits>
#include <utility>

namespace router {

CallerRequest::~CallerRequest() {
  leave_caller();
}

const void* CallerRequest::caller() const noexcept {
  return caller_ == nullptr ? nullptr : caller_->totals_.get();
}

void CallerRequest::leave_caller() noexcept {
  if (std::exchange(is_open_, false)) {
    unlink();
    caller_->close();
  }
}

CallerShare::CallerShare(CallerShares& all,
                         boost::asio::ip::address caller,
                         std::shared_ptr<CallerTotals> totals)
    : all_{&all},
      caller_{std::move(caller)},
      totals_{std::move(totals)},
      buffers_{all.loop_.buffers()} {}

CallerShare::~CallerShare() {
  // What its last requests held they have given back after the end of their turn.
  totals_->bytes.change(buffers_.n_bytes() - n_bytes_posted_);
  if (all_ != nullptr) {
    all_->forget(*this);
  }
}

std::optional<telemetry::Limit> CallerShare::open(CallerRequest& request) {
  request.caller_ = this;
  if (totals_->open_requests.read() - n_open_posted_ + n_open_ >=
      ClientQuota::kMaxRequestsPerCaller) {
    return telemetry::Limit::caller_requests;
  }
  if (totals_->bytes.read() - n_bytes_posted_ + buffers_.n_bytes() >= max_bytes()) {
    return telemetry::Limit::caller_bytes;
  }
  request.is_open_ = true;
  ++n_open_;
  all_->touch(*this);
  return std::nullopt;
}

std::int64_t CallerShare::max_bytes() const noexcept {
  const BufferShare& buffers = all_->loop_.buffers();
  if (buffers.is_used_up()) {
    return ClientQuota::kModestBytes;
  }
  return buffers.pressure() == Pressure::full && all_->is_another_active(*this)
             ? ClientQuota::kMaxBytesPerCaller
             : std::numeric_limits<std::int64_t>::max();
}

void CallerShare::close() noexcept {
  --n_open_;
  if (all_ != nullptr) {
    all_->touch(*this);
  }
}

void CallerShare::begin(CallerRequest& request) {
  all_->note_active(*this);
  if (waiters_.empty() && may_begin()) {
    ++n_begun_;
    request.on_turn();
    return;
  }
  waiters_.push_back(request);
  all_->loop_.metrics().figure(telemetry::CoreFigure::requests_put_off).add();
}

bool CallerShare::may_begin() const noexcept {
  return n_begun_ < kRequestsPerTurn || !all_->is_another_active(*this);
}

void CallerShare::serve() {
  while (!waiters_.empty() && may_begin()) {
    CallerRequest& first = waiters_.front();
    waiters_.pop_front();
    ++n_begun_;
    first.on_turn();
  }
}

std::size_t CallerShare::n_bytes_left() noexcept {
  all_->touch(*this);
  if (!all_->is_another_active(*this)) {
    return std::numeric_limits<std::size_t>::max();
  }
  return n_bytes_ < kBytesPerTurn ? kBytesPerTurn - n_bytes_ : 0;
}

/// The end of a turn is when it is written, so its count begins with the turn.
bool CallerShare::may_write() noexcept {
  const TimePoint now = all_->loop_.now();
  if (std::exchange(writes_at_, now) != now) {
    n_written_ = 0;
  }
  return n_written_ < kWrittenPerTurn || !all_->is_another_active(*this);
}

bool CallerShare::end_turn() noexcept {
  n_begun_ = 0;
  n_bytes_ = 0;
  totals_->open_requests.change(n_open_ - std::exchange(n_open_posted_, n_open_));
  const std::int64_t n_held = buffers_.n_bytes();
  totals_->bytes.change(n_held - std::exchange(n_bytes_posted_, n_held));
  return !waiters_.empty();
}

CallerShares::~CallerShares() {
  loop_.forget(*this);
  touched_.clear();
  for (const auto& [caller, share] : shares_) {
    share->all_ = nullptr;
  }
}

void CallerShares::forget(const CallerShare& share) noexcept {
  shares_.erase(share.caller_);
  if (latest_ == &share) {
    latest_ = nullptr;
  }
}

CallerSharePtr CallerShares::of(const boost::asio::ip::address& caller) {
  if (const auto found = shares_.find(caller); found != shares_.end()) {
    return found->second;
  }
  CallerSharePtr made{new CallerShare{*this, caller, quota_.totals_of(caller)}};
  shares_.emplace(caller, made.get());
  return made;
}

void CallerShares::touch(CallerShare& share) {
  if (!std::exchange(share.is_touched_, true)) {
    touched_.emplace_back(&share);
  }
  loop_.flush_later(*this);
}

void CallerShares::note_active(const CallerShare& share) noexcept {
  if (latest_ != &share) {
    other_at_ = latest_at_;
    latest_ = &share;
  }
  latest_at_ = loop_.now();
}

bool CallerShares::is_another_active(const CallerShare& share) const noexcept {
  const TimePoint at = latest_ == &share ? other_at_ : latest_at_;
  return at != TimePoint{} && loop_.now() - at < CallerShare::kActiveFor;
}

void CallerShares::flush() {
  std::erase_if(touched_, [](const CallerSharePtr& share) {
    const bool is_waiting = share->end_turn();
    share->is_touched_ = is_waiting;
    return !is_waiting;
  });
  if (!touched_.empty() && !std::exchange(is_next_turn_due_, true)) {
    loop_.in_next_turn([this] { begin_next_turn(); });
  }
}

void CallerShares::begin_next_turn() {
  is_next_turn_due_ = false;
  // By index: what begins may touch further ones.
  for (std::size_t i = 0; i < touched_.size(); ++i) {  // NOLINT(modernize-loop-convert)
    touched_[i]->serve();
  }
  loop_.flush_later(*this);
}

}  // namespace router
