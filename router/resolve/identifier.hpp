// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace router {

/// The value of a header field, which is not passed on.
struct HeaderIdentifier {
  std::string field = "l5d-dst-override";  ///< lower case

  friend bool operator==(const HeaderIdentifier&, const HeaderIdentifier&) = default;
};

/// `:authority`, or `Host`.
struct AuthorityIdentifier {
  friend bool operator==(const AuthorityIdentifier&, const AuthorityIdentifier&) = default;
};

/// What a template of GrpcPathIdentifier may hold.
inline constexpr std::string_view kServicePlace = "{service}";
inline constexpr std::string_view kPackagePlace = "{package}";

/// The gRPC service in `/package.Service/Method`: for callers that use one authority for all.
struct GrpcPathIdentifier {
  std::map<std::string, std::string, std::less<>> services;  ///< `package.Service` to a name
  /// For those not in `services`; `{service}` and `{package}` stand for the parts in lower case,
  /// dots of the package as `-`. "": none.
  std::string name_template;

  friend bool operator==(const GrpcPathIdentifier&, const GrpcPathIdentifier&) = default;
};

/// The first segments of the path, joined by dots.
struct PathIdentifier {
  std::uint32_t segments = 1;
  bool consume = false;  ///< the endpoint gets the path without them

  friend bool operator==(const PathIdentifier&, const PathIdentifier&) = default;
};

using Identifier =
    std::variant<HeaderIdentifier, AuthorityIdentifier, GrpcPathIdentifier, PathIdentifier>;
/// In the order in which they are tried.
using Identifiers = std::vector<Identifier>;

/// docs/configuration.md, `identifiers`.
[[nodiscard]] Identifiers default_identifiers();

/// The name that a request means, for `resolve`.
class IdentifiedName {
 public:
  /// The name, as the first identifier that applies gives it; nothing if none applies. The text is
  /// the request's, the identifiers' or this object's. Allocates nothing.
  [[nodiscard]] std::optional<std::string_view> find(const Identifiers& identifiers,
                                                     const RequestHead& request);

  /// Of the path, at its front: what is not passed on. Meaningful after `find`.
  [[nodiscard]] std::size_t consumed_bytes() const noexcept { return consumed_bytes_; }

 private:
  [[nodiscard]] std::optional<std::string_view> apply(const HeaderIdentifier& by,
                                                      const RequestHead& request);
  [[nodiscard]] std::optional<std::string_view> apply(const AuthorityIdentifier& by,
                                                      const RequestHead& request);
  [[nodiscard]] std::optional<std::string_view> apply(const GrpcPathIdentifier& by,
                                                      const RequestHead& request);
  [[nodiscard]] std::optional<std::string_view> apply(const PathIdentifier& by,
                                                      const RequestHead& request);
  void append(std::string_view text) noexcept;
  [[nodiscard]] std::string_view made() const noexcept { return {made_.data(), n_made_}; }

  std::array<char, 512> made_;  // more than any name has; what does not fit is no name either way
  std::size_t n_made_ = 0;
  std::size_t consumed_bytes_ = 0;
};

/// What must not be passed on to the endpoint: fields that identify, and consumed segments.
void remove_identification(const Identifiers& identifiers,
                           std::size_t consumed_bytes,
                           RequestHead& request);

}  // namespace router
