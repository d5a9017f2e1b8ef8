// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_server.hpp"
#include "k8s_client/clock.hpp"
#include "k8s_client/errc.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace k8s_client {

/// The text itself or that of its file; "" if neither is set. `bad_file` names the file. Reads at
/// once, without the loop: these are small files in memory, and the control thread serves no
/// request.
[[nodiscard]] Result<std::string> read_secret(const Secret& secret);

/// The bearer token, as it rotates. The kubelet renews a mounted one well before it expires.
class Credentials {
 public:
  static constexpr std::chrono::seconds kReadAgainAfter{60};

  /// `clock` must outlive the object.
  Credentials(Secret token, Clock& clock) : token_{std::move(token)}, clock_{clock} {}

  /// "" if none is used. While its file cannot be read, the last token stays in use: it may still
  /// be valid.
  [[nodiscard]] Result<std::string> token();

  /// The server has refused it (401): the next call reads the file.
  void forget_token() noexcept { read_at_.reset(); }

 private:
  Secret token_;
  Clock& clock_;
  std::string last_;
  std::optional<Clock::TimePoint> read_at_;
};

}  // namespace k8s_client
