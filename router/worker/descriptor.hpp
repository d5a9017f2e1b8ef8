// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"

#include <cerrno>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace router {

/// A file descriptor, closed at its end.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_{number} {}
  Descriptor(Descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }

  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
  [[nodiscard]] int number() const noexcept { return number_; }
  void close() noexcept {
    if (is_open()) {
      ::close(std::exchange(number_, -1));
    }
  }

 private:
  int number_ = -1;
};

/// What a system call has made that a core cannot do without. Throws where it failed.
[[nodiscard]] inline Descriptor required(int made, const char* call) {
  if (made < 0) {
    throw std::system_error{errno, std::system_category(), call};
  }
  return Descriptor{made};
}

/// That of errno.
[[nodiscard]] inline error_code last_error() noexcept {
  return {errno, boost::system::system_category()};
}

}  // namespace router
