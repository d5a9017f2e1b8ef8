// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/snapshot.hpp"
#include "router/errc.hpp"
#include "router/resolve/dns_name.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/address.hpp>

namespace router {

/// What a name may mean, and the port behind it. Texts are "" where they do not apply.
struct Target {
  std::string_view service;     ///< first label
  std::string_view namespace_;  ///< second label, or the default
  std::string_view key;         ///< `name.namespace`, as the snapshot has it; "": no Service's form
  std::string_view absolute;    ///< of several labels: with a dot at its end
  std::string_view hostname;    ///< of a headless Service's pod; "" if none is named
  std::optional<boost::asio::ip::address>
      address;  ///< that was named and is no ClusterIP; the names are "" then
  std::optional<std::uint16_t> port;
  bool is_short = false;  ///< the caller named no namespace
};

/// Why a name leads nowhere.
struct Failure {
  Errc error;
  std::string detail;
};

/// The caller's text, bounded, and harmless in a log line or a header field.
[[nodiscard]] std::string quoted(std::string_view text);

/// Reads names into a buffer of its own, so that a request's path allocates nothing. Knows their
/// form; of what the names stand for it looks up ClusterIPs only.
class NameReader {
 public:
  /// `snapshot` and `home_namespace` outlive the reader.
  NameReader(const Snapshot& snapshot, std::string_view home_namespace) noexcept
      : snapshot_{snapshot}, home_namespace_{home_namespace} {}

  /// The target's views last as long as the reader and the snapshot. Errors: bad_authority; and
  /// unknown_service for a caller's namespace that is none.
  [[nodiscard]] std::optional<Failure> read(std::string_view name, Target& target);

 private:
  void take_address(const boost::asio::ip::address& address, Target& target) const;
  void take_apart(std::string_view host, Target& target) const;
  [[nodiscard]] bool is_kind_or_end(std::string_view rest) const;
  [[nodiscard]] std::optional<Failure> complete_short_name(Target& target);

  const Snapshot& snapshot_;
  std::string_view home_namespace_;
  std::array<char, kMaxDnsNameBytes + 1> buffer_{};
};

}  // namespace router
