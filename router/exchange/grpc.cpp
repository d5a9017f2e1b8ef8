// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/grpc.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace router {
namespace {

constexpr std::size_t kMaxTimeoutDigits = 8;
constexpr std::uint8_t kMaxGrpcStatus = 16;

struct Unit {
  char letter;
  std::chrono::nanoseconds length;
};

/// From the finest to the coarsest.
constexpr std::array kUnits{Unit{'n', std::chrono::nanoseconds{1}},
                            Unit{'u', std::chrono::microseconds{1}},
                            Unit{'m', std::chrono::milliseconds{1}},
                            Unit{'S', std::chrono::seconds{1}},
                            Unit{'M', std::chrono::minutes{1}},
                            Unit{'H', std::chrono::hours{1}}};

}  // namespace

std::optional<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kMaxTimeoutDigits + 1) {
    return std::nullopt;
  }
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&text](const Unit& each) {
    return each.letter == text.back();
  });
  std::uint32_t count = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto parsed = std::from_chars(text.data(), end, count);
  if (unit == kUnits.end() || parsed.ec != std::errc{} || parsed.ptr != end) {
    return std::nullopt;
  }
  // 8 digits of hours are 11,000 years: more than nanoseconds hold, and no deadline.
  const auto longest = std::chrono::nanoseconds::max() / 2;
  return count > longest / unit->length ? longest : count * unit->length;
}

std::string format_grpc_timeout(std::chrono::nanoseconds timeout) {
  constexpr std::int64_t kTooMany = 100'000'000;  // 8 digits
  for (const Unit& unit : kUnits) {
    const std::int64_t count = timeout / unit.length;
    if (count < kTooMany) {
      return std::to_string(std::max<std::int64_t>(count, 1)) + unit.letter;
    }
  }
  return "99999999H";
}

std::optional<std::uint8_t> grpc_status_of(const HeaderList& fields) {
  const auto text = fields.find("grpc-status");
  if (!text) {
    return std::nullopt;
  }
  std::uint8_t status = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), status);
  const bool is_known = parsed.ec == std::errc{} && parsed.ptr == text->data() + text->size() &&
                        status <= kMaxGrpcStatus;
  return is_known ? status : kGrpcUnknown;
}

bool is_grpc_web(const HeaderList& fields) {
  return fields.find("content-type").value_or("").starts_with("application/grpc-web");
}

}  // namespace router
