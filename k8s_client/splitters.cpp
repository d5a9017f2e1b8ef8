// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/splitters.hpp"

#include <utility>

namespace k8s_client {

void LineSplitter::feed(std::string_view chunk) {
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  buffer_.append(chunk);
}

Result<std::optional<std::string>> LineSplitter::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', scanned_);
    const std::size_t size = (end == std::string::npos ? buffer_.size() : end) - begin_;
    if (size > limit_) {
      return Failure{Errc::too_large, "a line of the watch is above its limit"};
    }
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      return std::optional<std::string>{};
    }
    std::string line = buffer_.substr(begin_, size);
    begin_ = scanned_ = end + 1;
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    if (!line.empty()) {
      return std::optional<std::string>{std::move(line)};
    }
  }
}

Result<void> ListSplitter::feed(std::string_view chunk, const OnItem& on_item) {
  for (const char c : chunk) {
    const bool was_in_item = is_in_item();
    if (in_string_) {
      take_in_string(c);
    } else {
      take_outside_string(c);
    }
    const bool now_in_item = is_in_item();
    if (was_in_item || now_in_item) {
      item_.push_back(c);
    } else if (!in_items_ || depth_ != kItemsDepth || c == '[') {
      envelope_.push_back(c);  // so commas and blanks between items are left out with them
    }
    if (was_in_item && !now_in_item) {
      on_item(item_);
      item_.clear();
    }
    if (item_.size() > limit_ || envelope_.size() > limit_) {
      return Failure{Errc::too_large, "an item of the list is above its limit"};
    }
  }
  return {};
}

void ListSplitter::take_in_string(char c) {
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    in_string_ = false;
    return;
  }
  if (depth_ == 1) {
    last_string_.push_back(c);
  }
}

void ListSplitter::take_outside_string(char c) {
  switch (c) {
    case '"':
      in_string_ = true;
      if (depth_ == 1) {
        last_string_.clear();
      }
      break;
    case '{':
    case '[':
      in_items_ = in_items_ || (c == '[' && depth_ == 1 && last_string_ == "items");
      has_begun_ = true;
      ++depth_;
      break;
    case '}':
    case ']':
      depth_ -= depth_ > 0 ? 1 : 0;
      in_items_ = in_items_ && depth_ >= kItemsDepth;
      break;
    default:
      break;
  }
}

}  // namespace k8s_client
