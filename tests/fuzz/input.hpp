// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string_view>
#include <vector>

/// What the fuzzers share: a reader of their input, cuts of a stream of bytes, and a way to fail.
namespace fuzz {

/// Ends the process, which libFuzzer and the replay both take for a crash.
[[noreturn]] inline void breach(const char* claim) {
  std::fprintf(stderr, "breach: not so: %s\n", claim);
  std::abort();
}

/// Not `assert`: the claims must be checked in every build.
inline void require(bool holds, const char* claim) {
  if (!holds) {
    breach(claim);
  }
}

/// Reads an input from its front. At its end everything is zero or empty, so that a mutation never
/// makes one invalid.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_{std::as_bytes(std::span{data, size})} {}

  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }
  [[nodiscard]] std::uint8_t byte() {
    const auto taken = take(1);
    return taken.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(taken.front());
  }
  [[nodiscard]] std::span<const std::byte> take(std::size_t n_bytes) {
    const auto taken = left_.first(std::min(n_bytes, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  [[nodiscard]] std::span<const std::byte> rest() { return take(left_.size()); }

 private:
  std::span<const std::byte> left_;
};

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Where a stream of bytes is cut. The random cuts follow from the bytes themselves, so that an
/// input is nothing but the text that is parsed, and a seed can be written by hand.
enum class Cutting : std::uint8_t { none, each_byte, random };
inline constexpr std::array kCuttings{Cutting::none, Cutting::each_byte, Cutting::random};

inline std::minstd_rand rng_of(std::string_view text) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return std::minstd_rand{hash};
}

/// Calls `feed(piece)` for the pieces of `text` until it answers false. Each lies in a block of its
/// own, which is freed behind the call: ASan sees what reads beyond its end, or keeps a view of it.
template <class Feed>
void for_each_piece(std::string_view text, Cutting cutting, Feed feed) {
  constexpr std::size_t kMaxRandomPiece = 24;  // about a line
  std::minstd_rand rng = rng_of(text);
  while (!text.empty()) {
    std::size_t size = text.size();
    if (cutting == Cutting::each_byte) {
      size = 1;
    } else if (cutting == Cutting::random) {
      size = std::min<std::size_t>(1 + rng() % kMaxRandomPiece, size);
    }
    const std::vector<char> block(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    text.remove_prefix(size);
    if (!feed(std::string_view{block.data(), block.size()})) {
      return;
    }
  }
}

}  // namespace fuzz
