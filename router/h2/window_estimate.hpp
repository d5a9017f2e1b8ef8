// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/timer_wheel.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace router::h2 {

/// How large a stream's window must be so that the peer of one connection never waits for it: twice
/// what comes in during a round trip, the bandwidth-delay product.
///
/// A round trip is measured by a PING. It is asked for only by DATA that has just come, one at a
/// time, since gRPC servers take PINGs without DATA in between for abuse (`too_many_pings`). Pure:
/// knows no session and no clock. Source: the estimator of gRPC ("BDP estimation and dynamic flow
/// control").
class WindowEstimate {
 public:
  /// A PING is worth its while after one full frame: small messages fit into any window.
  static constexpr std::size_t kDataBetweenPings = 16 * std::size_t{1024};
  /// After so many PINGs that have led to no larger window there are none for a while. One is not
  /// enough: what comes in within a round trip comes in bursts, of which it may have seen the
  /// least.
  static constexpr int kTries = 4;
  static constexpr std::chrono::milliseconds kPause{10};

  /// The window starts at `least`, and never grows beyond `most`.
  WindowEstimate(std::uint32_t least, std::uint32_t most) noexcept
      : least_{least}, window_bytes_{least}, most_{most} {}

  [[nodiscard]] std::uint32_t window_bytes() const noexcept { return window_bytes_; }

  [[nodiscard]] bool has_grown() const noexcept { return window_bytes_ != least_; }

  /// DATA has come. Whether a PING is to go out at once.
  [[nodiscard]] bool on_data(std::size_t n_bytes, TimePoint now) noexcept {
    if (is_measuring_) {
      n_bytes_ += n_bytes;
      return false;
    }
    if (window_bytes_ == most_ || now < next_ping_at_) {
      return false;
    }
    n_bytes_ += n_bytes;
    if (n_bytes_ < kDataBetweenPings) {
      return false;
    }
    is_measuring_ = true;
    began_at_ = now;
    return true;
  }

  /// The PING has been answered.
  void on_ping_ack(TimePoint now) noexcept {
    if (!is_measuring_) {
      return;
    }
    is_measuring_ = false;
    const std::size_t n_came = std::exchange(n_bytes_, 0);
    const auto took = std::max<std::chrono::nanoseconds>(now - began_at_, kShortest);
    const double bytes_per_ns = static_cast<double>(n_came) / static_cast<double>(took.count());
    // Where more in flight does not bring more in, it waits in a queue on its way.
    const bool is_faster = bytes_per_ns > fastest_ * kClearly;
    fastest_ = std::max(fastest_, bytes_per_ns);
    if (is_faster && n_came * 3 >= std::size_t{window_bytes_} * 2) {
      window_bytes_ =
          static_cast<std::uint32_t>(std::clamp<std::size_t>(2 * n_came, window_bytes_, most_));
      n_tries_ = 0;
    } else if (++n_tries_ == kTries) {
      n_tries_ = 0;
      next_ping_at_ = now + kPause;
    }
  }

 private:
  /// Both ends of a round trip may fall into turns that began at the same time.
  static constexpr std::chrono::microseconds kShortest{1};

  /// A window of twice the size makes a long way twice as fast; less is noise.
  static constexpr double kClearly = 1.1;

  std::uint32_t least_;
  std::uint32_t window_bytes_;
  std::uint32_t most_;
  std::size_t n_bytes_ =
      0;             ///< of a measurement: the frame that began it, and what came until the answer
  int n_tries_ = 0;  ///< in a row that have led to nothing
  bool is_measuring_ = false;
  TimePoint began_at_{};
  TimePoint next_ping_at_{};
  double fastest_ = 0;  ///< bytes per nanosecond
};

}  // namespace router::h2
