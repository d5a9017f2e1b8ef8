// SPDX-License-Identifier: Apache-2.0
#include "router/control/certificate_files.hpp"

#include "k8s_client/text_file.hpp"

#include <utility>
#include <variant>

#include <fmt/format.h>

namespace router::control {

CertificateFiles::CertificateFiles(std::filesystem::path certificate, std::filesystem::path key)
    : certificate_{std::move(certificate)}, key_{std::move(key)} {}

CertificateFiles::Content CertificateFiles::read() const {
  Content content;
  const auto read_into = [&content](const std::filesystem::path& file, std::string& text) {
    auto read = k8s_client::read_text_file(file, kMaxFileBytes);
    if (read) {
      text = *std::move(read);
    } else if (content.unreadable.empty()) {
      content.unreadable = fmt::format("{}: {}", file.string(), read.error().message());
    }
  };
  read_into(certificate_, content.certificate);
  read_into(key_, content.key);
  return content;
}

CertificateFiles::Outcome CertificateFiles::look() {
  Content content = read();
  const bool is_settled = std::exchange(seen_, content) == content;
  if (in_force_ && content == judged_) {
    return Outcome::unchanged;
  }
  auto made = content.unreadable.empty()
                  ? tls::ServerContext::make(content.certificate, content.key)
                  : std::variant<tls::ServerContextPtr, std::string>{content.unreadable};
  if (auto* const context = std::get_if<tls::ServerContextPtr>(&made)) {
    judged_ = std::move(content);
    return take(std::move(*context));
  }
  if (in_force_ && !is_settled) {
    return Outcome::unchanged;  // it may be half replaced
  }
  judged_ = std::move(content);
  return reject(std::get<std::string>(made));
}

CertificateFiles::Outcome CertificateFiles::take(tls::ServerContextPtr context) {
  in_force_ = std::move(context);
  problem_.clear();
  const std::lock_guard lock{mutex_};
  status_.valid = true;
  ++status_.loaded;
  status_.expires_at = in_force_->expires_at();
  return Outcome::taken;
}

CertificateFiles::Outcome CertificateFiles::reject(const std::string& why) {
  problem_ = fmt::format("{} and {}: {}", certificate_.string(), key_.string(), why);
  const std::lock_guard lock{mutex_};
  status_.valid = false;
  ++status_.rejected;
  return Outcome::rejected;
}

CertificateStatus CertificateFiles::status() const {
  const std::lock_guard lock{mutex_};
  return status_;
}

}  // namespace router::control
