// SPDX-License-Identifier: Apache-2.0
#include "router/h1/websocket.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace router::h1 {
namespace {

std::string in_base64(std::span<const unsigned char> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a NUL
  EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

std::array<unsigned char, SHA_DIGEST_LENGTH> sha1(std::string_view text) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

}  // namespace

std::string websocket_key(std::uint64_t entropy, std::uint64_t more_entropy) {
  constexpr std::size_t kKeyBytes = 16;
  std::array<char, 2 * sizeof entropy> seed{};
  std::memcpy(seed.data(), &entropy, sizeof entropy);
  std::memcpy(seed.data() + sizeof entropy, &more_entropy, sizeof more_entropy);
  const auto digest = sha1({seed.data(), seed.size()});
  return in_base64(std::span{digest}.first(kKeyBytes));
}

std::string websocket_accept(std::string_view key) {
  return in_base64(sha1(std::string{key} + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

}  // namespace router::h1
