// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/tls/server_context.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

namespace router::control {

/// How the TLS listener's certificate is doing.
struct CertificateStatus {
  bool valid = false;          ///< what the files hold is in force
  std::uint64_t loaded = 0;    ///< pairs put in force, the first included
  std::uint64_t rejected = 0;  ///< contents of the files that were no usable pair
  std::optional<std::chrono::system_clock::time_point> expires_at;  ///< of the one in force
};

/// The two files that hold the TLS listener's certificate chain and key, and the last good pair
/// that they held.
///
/// They are compared by content, since they may be links into a folder that is replaced as a whole,
/// as the kubelet does with a Secret. The two are not read at one instant: a pair that does not fit
/// is told only once it has been found the same in two looks. Control thread, but for `status`.
class CertificateFiles {
 public:
  /// Far above any chain.
  static constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

  CertificateFiles(std::filesystem::path certificate, std::filesystem::path key);

  enum class Outcome : std::uint8_t {
    unchanged,
    taken,     ///< `in_force` is another one
    rejected,  ///< `problem` says why; `in_force` is as before
  };
  /// Reads both files. To be called every second or so.
  Outcome look();

  /// Null until the first pair was taken.
  [[nodiscard]] const tls::ServerContextPtr& in_force() const noexcept { return in_force_; }
  /// One line with the names of the files.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
  /// Any thread.
  [[nodiscard]] CertificateStatus status() const;

 private:
  struct Content {
    std::string certificate;
    std::string key;
    std::string unreadable;  ///< why one of them could not be read

    friend bool operator==(const Content&, const Content&) = default;
  };

  [[nodiscard]] Content read() const;
  Outcome take(tls::ServerContextPtr context);
  Outcome reject(const std::string& why);

  std::filesystem::path certificate_;
  std::filesystem::path key_;
  Content judged_;  ///< what was taken or rejected last
  Content seen_;    ///< by the last look
  tls::ServerContextPtr in_force_;
  std::string problem_;
  mutable std::mutex mutex_;  ///< guards the status, which the admin's threads read
  CertificateStatus status_;
};

}  // namespace router::control
