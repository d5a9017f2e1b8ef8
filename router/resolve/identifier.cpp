// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/identifier.hpp"

#include <algorithm>
#include <iterator>

namespace router {
namespace {

/// The path without its query.
std::string_view without_query(std::string_view path) noexcept {
  return path.substr(0, path.find('?'));
}

}  // namespace

Identifiers default_identifiers() {
  return {HeaderIdentifier{}, AuthorityIdentifier{}};
}

std::optional<std::string_view> IdentifiedName::find(const Identifiers& identifiers,
                                                     const RequestHead& request) {
  consumed_bytes_ = 0;
  for (const Identifier& identifier : identifiers) {
    n_made_ = 0;
    const auto name = std::visit([&](const auto& by) { return apply(by, request); }, identifier);
    if (name) {
      return name;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> IdentifiedName::apply(const HeaderIdentifier& by,
                                                      const RequestHead& request) {
  return request.fields.find(by.field);
}

std::optional<std::string_view> IdentifiedName::apply(const AuthorityIdentifier& /*by*/,
                                                      const RequestHead& request) {
  return request.authority;
}

std::optional<std::string_view> IdentifiedName::apply(const GrpcPathIdentifier& by,
                                                      const RequestHead& request) {
  const std::string_view path = request.path;
  const std::size_t slash = path.find('/', 1);
  if (!request.is_grpc || !path.starts_with('/') || slash == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view full_name = path.substr(1, slash - 1);
  if (const auto found = by.services.find(full_name); found != by.services.end()) {
    return found->second;
  }
  if (by.name_template.empty()) {
    return std::nullopt;
  }
  const std::size_t dot = full_name.rfind('.');
  const std::string_view package =
      dot == std::string_view::npos ? std::string_view{} : full_name.substr(0, dot);
  std::string_view rest = by.name_template;
  while (!rest.empty()) {
    const std::size_t begin = n_made_;
    if (rest.starts_with(kServicePlace)) {
      append(full_name.substr(dot == std::string_view::npos ? 0 : dot + 1));
      rest.remove_prefix(kServicePlace.size());
    } else if (rest.starts_with(kPackagePlace)) {
      append(package);
      std::replace(std::next(made_.begin(), static_cast<std::ptrdiff_t>(begin)),
                   std::next(made_.begin(), static_cast<std::ptrdiff_t>(n_made_)),
                   '.',
                   '-');
      rest.remove_prefix(kPackagePlace.size());
    } else {
      append(rest.substr(0, 1));
      rest.remove_prefix(1);
    }
  }
  return made();
}

std::optional<std::string_view> IdentifiedName::apply(const PathIdentifier& by,
                                                      const RequestHead& request) {
  const std::string_view path = without_query(request.path);
  std::size_t end = 0;
  for (std::uint32_t i = 0; i < by.segments; ++i) {
    if (end >= path.size() || path[end] != '/') {
      return std::nullopt;
    }
    const std::size_t next = std::min(path.find('/', end + 1), path.size());
    const std::string_view segment = path.substr(end + 1, next - end - 1);
    if (segment.empty()) {
      return std::nullopt;
    }
    append(i == 0 ? "" : ".");
    append(segment);
    end = next;
  }
  consumed_bytes_ = by.consume ? end : 0;
  return made();
}

void IdentifiedName::append(std::string_view text) noexcept {
  const std::size_t n_bytes = std::min(text.size(), made_.size() - n_made_);
  std::copy_n(
      text.begin(), n_bytes, std::next(made_.begin(), static_cast<std::ptrdiff_t>(n_made_)));
  n_made_ += n_bytes;
}

void remove_identification(const Identifiers& identifiers,
                           std::size_t consumed_bytes,
                           RequestHead& request) {
  for (const Identifier& identifier : identifiers) {
    if (const auto* const header = std::get_if<HeaderIdentifier>(&identifier)) {
      request.fields.remove(header->field);
    }
  }
  request.path.remove_prefix(consumed_bytes);
  if (consumed_bytes > 0 && !request.path.starts_with('/')) {
    // "/?query" of "/name?query", and "/" of "/name".
    request.path = request.pseudo.keep("/" + std::string{request.path});
  }
}

}  // namespace router
