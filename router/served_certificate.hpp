// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/all_cores.hpp"
#include "router/control/certificate_files.hpp"

#include <filesystem>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace router {

/// What the TLS listeners of all cores show: the certificate of two files, and each later one that
/// is found there. Control thread, but for `status`.
class ServedCertificate {
 public:
  /// `cores` outlives it.
  ServedCertificate(const boost::asio::any_io_executor& executor,
                    std::filesystem::path certificate,
                    std::filesystem::path key,
                    const Cores& cores);

  /// Gives it to the cores, and follows the files from here on. Before the cores run. Throws
  /// StartFailure if the files hold no usable pair.
  void start();

  /// Any thread.
  [[nodiscard]] control::CertificateStatus status() const { return files_.status(); }

 private:
  void give_to_cores();
  void wait();
  void look();

  boost::asio::steady_timer timer_;
  control::CertificateFiles files_;
  const Cores& cores_;
};

}  // namespace router
