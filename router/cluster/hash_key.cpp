// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/hash_key.hpp"

#include "balancer/stable_hash.hpp"
#include "router/exchange/field_text.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace router {
namespace {

/// The value of the first cookie of that name. HTTP/2 may split `cookie` into several fields (RFC
/// 9113 section 8.2.3); the pairs are separated by semicolons (RFC 6265 section 4.2.1).
std::optional<std::string_view> find_cookie(const HeaderList& fields, std::string_view name) {
  for (const HeaderField& field : fields) {
    std::string_view rest = field.name() == "cookie" ? field.value() : std::string_view{};
    while (!rest.empty()) {
      const std::string_view pair = trim(rest.substr(0, rest.find(';')));
      rest.remove_prefix(std::min(rest.size(), rest.find(';')));
      rest.remove_prefix(rest.empty() ? 0 : 1);
      if (const auto equals = pair.find('=');
          equals != std::string_view::npos && pair.substr(0, equals) == name) {
        return pair.substr(equals + 1);
      }
    }
  }
  return std::nullopt;
}

std::uint64_t hash_of(const boost::asio::ip::address& address) {
  return balancer::stable_hash(address.to_string());
}

std::optional<std::uint64_t> hash_of(std::optional<std::string_view> text) {
  return text ? std::optional{balancer::stable_hash(*text)} : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> hash_key_of(const Policy& policy,
                                         const RequestHead& request,
                                         const Caller& caller,
                                         const boost::asio::ip::address& peer) {
  if (policy.balancer != BalancerKind::ring_hash && policy.balancer != BalancerKind::maglev) {
    return std::nullopt;
  }
  const HashOn& hash_on = policy.hash_on;
  switch (hash_on.part) {
    case HashOn::Part::header:
      return hash_of(request.fields.find(hash_on.name));
    case HashOn::Part::cookie:
      return hash_of(find_cookie(request.fields, hash_on.name));
    case HashOn::Part::path:
      return hash_of(request.path.substr(0, request.path.find('?')));
    case HashOn::Part::caller_ip:
      return hash_of(peer);
    case HashOn::Part::caller_pod:
      return caller.pod == nullptr
                 ? hash_of(peer)
                 : balancer::stable_hash(caller.pod->namespace_ + '/' + caller.pod->name);
  }
  return std::nullopt;
}

}  // namespace router
