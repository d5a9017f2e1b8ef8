// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace k8s_client {

/// Longest watch line and longest item of a list that is read. etcd takes at most 1.5 MiB a
/// request, and the API server at most 3 MiB of JSON, so that a valid object stays below it.
constexpr std::size_t kMaxObjectBytes = std::size_t{4} * 1024 * 1024;

/// Cuts a stream of bytes into its lines, wherever the chunks are split.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t max_line_bytes = kMaxObjectBytes) : limit_{max_line_bytes} {}

  void feed(std::string_view chunk);

  /// The next whole line without its end, `nullopt` if more must be fed first, `too_large` once a
  /// line is longer than the limit (the stream is of no use then). Empty lines are left out.
  [[nodiscard]] Result<std::optional<std::string>> next();

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the line that comes next
  std::size_t scanned_ = 0;  // no line end before here
};

/// Cuts the JSON text of a Kubernetes list into its items and the envelope around them, wherever
/// the chunks are split.
///
/// A server answers `resourceVersion=0` from its cache in one piece, whatever limit was asked for:
/// in a large cluster hundreds of MiB, which must not be held at once.
class ListSplitter {
 public:
  using OnItem = std::function<void(std::string_view item)>;

  explicit ListSplitter(std::size_t max_item_bytes = kMaxObjectBytes) : limit_{max_item_bytes} {}

  /// Calls `on_item` with the text of each item that is whole. `too_large`: an item, or all that is
  /// around the items, is longer than the limit.
  [[nodiscard]] Result<void> feed(std::string_view chunk, const OnItem& on_item);

  /// Whether the outermost object has ended.
  [[nodiscard]] bool is_whole() const noexcept { return has_begun_ && depth_ == 0; }

  /// The list with its items left out: `{"kind":…,"metadata":{…},"items":[]}`.
  [[nodiscard]] const std::string& envelope() const noexcept { return envelope_; }

 private:
  void take_in_string(char c);
  void take_outside_string(char c);
  [[nodiscard]] bool is_in_item() const noexcept { return in_items_ && depth_ > kItemsDepth; }

  static constexpr std::size_t kItemsDepth = 2;  // of the brackets `{` and `[` around an item

  std::size_t limit_;
  std::string envelope_;
  std::string item_;
  std::string last_string_;  // at depth 1, where it is a key or a short value
  std::size_t depth_ = 0;
  bool has_begun_ = false;
  bool in_items_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace k8s_client
