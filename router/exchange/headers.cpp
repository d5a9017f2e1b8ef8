// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/headers.hpp"

#include <algorithm>
#include <cstring>

#include <nghttp2/nghttp2.h>

namespace router {
namespace {

std::string_view text_of(nghttp2_rcbuf* buffer) noexcept {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

}  // namespace

HeaderField::HeaderField(nghttp2_rcbuf* name, nghttp2_rcbuf* value) noexcept
    : name_{text_of(name)}, value_{text_of(value)}, name_buffer_{name}, value_buffer_{value} {
  nghttp2_rcbuf_incref(name);
  nghttp2_rcbuf_incref(value);
}

void HeaderField::release() noexcept {
  nghttp2_rcbuf_decref(name_buffer_);
  nghttp2_rcbuf_decref(value_buffer_);
}

void HeaderList::add_copy(std::string_view name, std::string_view value) {
  const std::string_view kept_name = keep(name);
  add({kept_name, keep(value)});
}

std::string_view HeaderList::keep(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  if (!arena_) {
    arena_ = std::make_unique<std::pmr::monotonic_buffer_resource>();
  }
  auto* copy = static_cast<char*>(arena_->allocate(text.size(), 1));
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

std::optional<std::string_view> HeaderList::search(std::string_view name) const noexcept {
  const auto found = std::find_if(fields_.begin(), fields_.end(), [name](const HeaderField& field) {
    return field.name() == name;
  });
  if (found == fields_.end()) {
    return std::nullopt;
  }
  return found->value();
}

std::size_t HeaderList::erase(std::string_view name) noexcept {
  return std::erase_if(fields_, [name](const HeaderField& field) { return field.name() == name; });
}

std::size_t size_of(const HeaderList& fields) noexcept {
  std::size_t n_bytes = 0;
  for (const HeaderField& field : fields) {
    n_bytes += field_size(field.name().size(), field.value().size());
  }
  return n_bytes;
}

RequestHead copy_of(const RequestHead& head) {
  RequestHead copy;
  copy.method = copy.pseudo.keep(head.method);
  copy.scheme = copy.pseudo.keep(head.scheme);
  copy.authority = copy.pseudo.keep(head.authority);
  copy.path = copy.pseudo.keep(head.path);
  copy.protocol = copy.pseudo.keep(head.protocol);
  for (const HeaderField& field : head.fields) {
    copy.fields.add_copy(field.name(), field.value());
  }
  copy.n_bytes = head.n_bytes;
  copy.is_grpc = head.is_grpc;
  copy.is_too_large = head.is_too_large;
  return copy;
}

}  // namespace router
