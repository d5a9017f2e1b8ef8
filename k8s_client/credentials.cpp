// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/credentials.hpp"

#include "k8s_client/text_file.hpp"

#include <utility>

namespace k8s_client {
namespace {

/// Far above any bundle of certificates; keeps a wrong path (a device, a disk image) from filling
/// the memory.
constexpr std::size_t kMaxSecretBytes = std::size_t{4} * 1024 * 1024;

}  // namespace

Result<std::string> read_secret(const Secret& secret) {
  if (!secret.text.empty() || secret.file.empty()) {
    return secret.text;
  }
  Result<std::string> text = read_text_file(secret.file, kMaxSecretBytes);
  if (!text) {
    return Failure{text.error().code, secret.file.string() + ": " + text.error().message()};
  }
  if (text->empty()) {
    return Failure{Errc::bad_file, secret.file.string() + ": is empty"};
  }
  return text;
}

Result<std::string> Credentials::token() {
  const Clock::TimePoint now = clock_.now();
  if (read_at_ && now - *read_at_ < kReadAgainAfter) {
    return last_;
  }
  Result<std::string> text = read_secret(token_);
  if (!text) {
    return last_.empty() ? text : last_;
  }
  text->erase(text->find_last_not_of(" \t\r\n") + 1);
  read_at_ = now;
  last_ = *std::move(text);
  return last_;
}

}  // namespace k8s_client
