// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/dns_name.hpp"

#include <algorithm>

namespace router {
namespace {

bool is_alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_dns_label(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxDnsLabelBytes && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) || c == '-';
         });
}

}  // namespace router
