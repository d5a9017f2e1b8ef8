// SPDX-License-Identifier: Apache-2.0
// A compressed reply of the API server, cut anywhere.
#include "k8s_client/inflater.hpp"
#include "tests/fuzz/input.hpp"

#include <algorithm>
#include <string>

using fuzz::require;

namespace k8s_client {
namespace {

/// Of what comes out; enough to see whether two are alike, though a few bytes stand for much.
constexpr std::size_t kMaxKeptBytes = std::size_t{1024} * 1024;

struct Inflated {
  std::string text;
  bool is_refused = false;
  bool is_whole = false;

  bool operator==(const Inflated&) const = default;
};

Inflated inflate(std::string_view coded, fuzz::Cutting cutting) {
  Inflated result;
  Inflater inflater;
  fuzz::for_each_piece(coded, cutting, [&](std::string_view piece) {
    inflater.feed(std::string{piece});
    while (result.text.size() < kMaxKeptBytes) {
      const Result<std::string> part = inflater.next();
      if (!part) {
        result.is_refused = true;
        return false;
      }
      if (part->empty()) {
        return true;
      }
      require(part->size() <= Inflater::kMaxPartBytes, "a part is within its limit");
      result.text += *part;
    }
    return false;
  });
  result.is_whole = inflater.is_between_members();
  return result;
}

}  // namespace
}  // namespace k8s_client

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8s_client;
  const std::string_view coded = fuzz::text_of(data, size);
  const Inflated whole = inflate(coded, fuzz::Cutting::none);
  for (const fuzz::Cutting cutting : fuzz::kCuttings) {
    const Inflated other = inflate(coded, cutting);
    const std::size_t common = std::min(other.text.size(), whole.text.size());
    require(other.text.substr(0, common) == whole.text.substr(0, common),
            "the text does not depend on the cuts");
    if (std::max(other.text.size(), whole.text.size()) < kMaxKeptBytes) {
      require(other.is_refused == whole.is_refused, "what is gzip does not depend on the cuts");
      require(whole.is_refused || other == whole, "nothing is lost");
    }
  }
  return 0;
}
