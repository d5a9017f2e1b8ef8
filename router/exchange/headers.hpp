// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_rcbuf;

namespace router {

/// One header or trailer field. Its text lives in nghttp2's own counted buffers, or in the arena of
/// the `HeaderList` that holds it, or is a literal; so it is handed from one session to the other
/// without being copied.
class HeaderField {
 public:
  /// Text that outlives the field: a literal, or an arena's.
  HeaderField(std::string_view name, std::string_view value) noexcept
      : name_{name}, value_{value} {}
  /// Takes a reference of its own to both buffers.
  HeaderField(nghttp2_rcbuf* name, nghttp2_rcbuf* value) noexcept;
  HeaderField(HeaderField&& other) noexcept
      : name_{other.name_},
        value_{other.value_},
        name_buffer_{std::exchange(other.name_buffer_, nullptr)},
        value_buffer_{std::exchange(other.value_buffer_, nullptr)} {}
  HeaderField& operator=(HeaderField&& other) noexcept {
    std::swap(name_, other.name_);
    std::swap(value_, other.value_);
    std::swap(name_buffer_, other.name_buffer_);
    std::swap(value_buffer_, other.value_buffer_);
    return *this;
  }
  HeaderField(const HeaderField&) = delete;
  HeaderField& operator=(const HeaderField&) = delete;
  ~HeaderField() {
    if (name_buffer_ != nullptr) {  // both or none: see the constructors
      release();
    }
  }

  [[nodiscard]] std::string_view name() const noexcept {
    return name_;
  }  ///< lower case, RFC 9113 section 8.2.1
  [[nodiscard]] std::string_view value() const noexcept {
    return value_;
  }  ///< any bytes but NUL, CR, LF

 private:
  void release() noexcept;

  std::string_view name_;
  std::string_view value_;
  nghttp2_rcbuf* name_buffer_ = nullptr;
  nghttp2_rcbuf* value_buffer_ = nullptr;
};

/// Header fields in the order they came, with the text that was made here. Pseudo-header fields are
/// not in it.
class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(HeaderList&&) noexcept = default;
  HeaderList& operator=(HeaderList&&) noexcept = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() = default;

  /// Takes the field as it is; its text must outlive the list or be counted.
  void add(HeaderField field) {
    if (fields_.capacity() == 0) {
      fields_.reserve(kUsualFields);
    }
    names_ |= mark_of(field.name());
    fields_.push_back(std::move(field));
  }
  /// Copies both texts into the list's arena. `name` must be lower case.
  void add_copy(std::string_view name, std::string_view value);
  /// Copies `text` into the list's arena: for pseudo-header fields made here.
  [[nodiscard]] std::string_view keep(std::string_view text);

  /// Value of the first field of that (lower-case) name. O(1) for most names that are not there, as
  /// `remove` is: most of what a proxy looks for is absent.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept {
    return (names_ & mark_of(name)) == 0 ? std::nullopt : search(name);
  }
  /// Removes every field of that name; returns how many there were.
  std::size_t remove(std::string_view name) noexcept {
    return (names_ & mark_of(name)) == 0 ? 0 : erase(name);
  }

  [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] auto end() const noexcept { return fields_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
  [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }

 private:
  static constexpr std::size_t kUsualFields = 8;  ///< of a gRPC call's head: one allocation for all

  /// One bit of 64, by length and by the letters at both ends: tells 37 of 40 usual names apart.
  [[nodiscard]] static constexpr std::uint64_t mark_of(std::string_view name) noexcept {
    if (name.empty()) {
      return 1;
    }
    const std::size_t first = static_cast<unsigned char>(name.front());
    const std::size_t last = static_cast<unsigned char>(name.back());
    return std::uint64_t{1} << ((name.size() * 4 + first * 4 + last * 15) % 64);
  }
  [[nodiscard]] std::optional<std::string_view> search(std::string_view name) const noexcept;
  std::size_t erase(std::string_view name) noexcept;

  std::vector<HeaderField> fields_;
  std::uint64_t names_ = 0;  ///< marks of all that were ever added
  /// Made at the first text that has to be copied; most lists never need one.
  std::unique_ptr<std::pmr::monotonic_buffer_resource> arena_;
};

/// What a field counts for in a limit, in bytes: its text and 32. Source: RFC 9113 section 6.5.2.
[[nodiscard]] constexpr std::size_t field_size(std::size_t name_bytes,
                                               std::size_t value_bytes) noexcept {
  return name_bytes + value_bytes + 32;
}
/// What the fields take of memory, about: the sum of their sizes.
[[nodiscard]] std::size_t size_of(const HeaderList& fields) noexcept;

/// Head of a request. The pseudo-header values live in `fields`' arena or in counted buffers held
/// by `pseudo`.
struct RequestHead {
  std::string_view method;     ///< never empty
  std::string_view scheme;     ///< `http` unless the caller said otherwise
  std::string_view authority;  ///< `:authority`, else `Host`; may be empty
  std::string_view path;       ///< with the query; `*` for OPTIONS
  /// What the client wants to speak through a tunnel, e.g. `websocket`: by `upgrade` of HTTP/1.1,
  /// or by `:protocol` of an extended CONNECT (RFC 8441). Empty: an ordinary request. The body of
  /// such a request is what goes through the tunnel, and is not at its end when the head is.
  std::string_view protocol{};
  HeaderList fields;          ///< without `host`
  HeaderList pseudo;          ///< owns the text of the views above, where it is not in `fields`
  std::size_t n_bytes = 0;    ///< of its fields as they came, about: what it takes of memory
  bool is_grpc = false;       ///< content-type begins with `application/grpc`
  bool is_too_large = false;  ///< over the limit on header fields: those beyond it are missing
};

/// With text of its own.
[[nodiscard]] RequestHead copy_of(const RequestHead& head);

/// Head of a reply, final or informational.
struct ReplyHead {
  std::uint16_t status = 0;
  HeaderList fields;
  /// The endpoint has opened the tunnel that was asked for, for this protocol (text in `fields`).
  /// Only then is `status` 101, or 2xx in reply to a CONNECT.
  std::string_view protocol{};
  std::size_t n_bytes = 0;  ///< of its fields as they came, about: what it takes of memory
};

}  // namespace router
