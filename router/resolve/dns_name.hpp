// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace router {

/// Of a whole name, without the trailing dot. Source: RFC 1035 section 2.3.4.
inline constexpr std::size_t kMaxDnsNameBytes = 253;

inline constexpr std::size_t kMaxDnsLabelBytes = 63;  ///< of one label; the same source

/// Whether it is one label of a DNS name in lower case: RFC 1123, since Kubernetes takes it for
/// namespaces and, with RelaxedServiceNameValidation, for Services; DNS-1035 names are all among
/// them.
[[nodiscard]] bool is_dns_label(std::string_view text) noexcept;

}  // namespace router
