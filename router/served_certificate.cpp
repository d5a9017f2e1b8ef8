// SPDX-License-Identifier: Apache-2.0
#include "router/served_certificate.hpp"

#include "router/errc.hpp"
#include "router/start_failure.hpp"
#include "router/telemetry/log.hpp"
#include "router/worker/core.hpp"

#include <chrono>
#include <utility>

namespace router {
namespace {

using control::CertificateFiles;
using telemetry::LogLevel;

/// The files are read this often, as a configuration file is.
constexpr std::chrono::seconds kInterval{1};

}  // namespace

ServedCertificate::ServedCertificate(const boost::asio::any_io_executor& executor,
                                     std::filesystem::path certificate,
                                     std::filesystem::path key,
                                     const Cores& cores)
    : timer_{executor}, files_{std::move(certificate), std::move(key)}, cores_{cores} {}

void ServedCertificate::start() {
  if (files_.look() != CertificateFiles::Outcome::taken) {
    throw StartFailure{2, "--tls-cert, --tls-key: " + files_.problem()};
  }
  give_to_cores();
  wait();
}

void ServedCertificate::give_to_cores() {
  for (const auto& core : cores_) {
    core->adopt(files_.in_force());
  }
}

void ServedCertificate::wait() {
  timer_.expires_after(kInterval);
  timer_.async_wait([this](const error_code& cancelled) {
    if (!cancelled) {
      look();
      wait();
    }
  });
}

void ServedCertificate::look() {
  switch (files_.look()) {
    case CertificateFiles::Outcome::unchanged:
      break;
    case CertificateFiles::Outcome::taken:
      give_to_cores();
      telemetry::log(LogLevel::info, "tls", "another certificate is in force");
      break;
    case CertificateFiles::Outcome::rejected:
      telemetry::log(LogLevel::error,
                     "tls",
                     "the certificate is not taken, the former one stays in force",
                     files_.problem());
      break;
  }
}

}  // namespace router
