// SPDX-License-Identifier: Apache-2.0
#include "tests/support/message.hpp"

#include <algorithm>
#include <cctype>

namespace test {
namespace {

constexpr std::size_t kPrefixBytes = 5;

bool is_same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

std::optional<std::string> find(const Headers& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (is_same_name(header.name, name)) {
      return header.value;
    }
  }
  return std::nullopt;
}

std::size_t count(const Headers& headers, std::string_view name) {
  const auto n = std::count_if(headers.begin(), headers.end(), [&](const Header& header) {
    return is_same_name(header.name, name);
  });
  return static_cast<std::size_t>(n);
}

int Reply::grpc_status() const {
  const auto text = trailer("grpc-status") ? trailer("grpc-status") : header("grpc-status");
  return text ? std::stoi(*text) : -1;
}

std::string Reply::grpc_message() const {
  const auto text = trailer("grpc-message") ? trailer("grpc-message") : header("grpc-message");
  return text.value_or("");
}

std::string grpc_frame(std::string_view payload) {
  std::string frame(kPrefixBytes, '\0');
  const std::size_t size = payload.size();
  for (std::size_t i = 0; i < 4; ++i) {
    frame[i + 1] = static_cast<char>((size >> (24 - 8 * i)) & 0xff);
  }
  return frame.append(payload);
}

std::vector<std::string> grpc_payloads(std::string_view body) {
  std::vector<std::string> payloads;
  while (body.size() >= kPrefixBytes) {
    std::size_t size = 0;
    for (std::size_t i = 1; i < kPrefixBytes; ++i) {
      size = size << 8 | static_cast<unsigned char>(body[i]);
    }
    if (body.size() < kPrefixBytes + size) {
      break;
    }
    payloads.emplace_back(body.substr(kPrefixBytes, size));
    body.remove_prefix(kPrefixBytes + size);
  }
  return payloads;
}

}  // namespace test
