// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/k8s_client/scratch_folder.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace test {

/// Certificates made by the openssl command: two authorities, `ca` and `other-ca`; what the first
/// one signed: `server` (for 127.0.0.1 and kubernetes.test), `elsewhere` (for another name), and
/// `client` (CN me); and by the second `renewed`, for the same as `server`. Each is NAME.pem with
/// NAME.key.
class Certificates {
 public:
  Certificates() {
    make_authority("ca");
    make_authority("other-ca");
    sign("ca", "server", "127.0.0.1", kServerNames);
    sign("ca", "elsewhere", "elsewhere", "subjectAltName=IP:127.0.0.9,DNS:elsewhere.test");
    sign("ca", "client", "me", "extendedKeyUsage=clientAuth");
    sign("other-ca", "renewed", "127.0.0.1", kServerNames);
  }

  [[nodiscard]] std::filesystem::path file(const std::string& name) const {
    return folder_.path() / name;
  }

 private:
  static constexpr const char* kServerNames = "subjectAltName=IP:127.0.0.1,DNS:kubernetes.test";
  static constexpr const char* kNewKey =
      " -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout ";

  void make_authority(const std::string& name) {
    openssl("req -x509 -days 2 -subj /CN=" + name + kNewKey + name + ".key -out " + name + ".pem");
  }

  void sign(const std::string& authority,
            const std::string& name,
            const std::string& subject,
            const std::string& extension) {
    openssl("req -new -subj /CN=" + subject + " -addext " + extension + kNewKey + name +
            ".key -out " + name + ".csr");
    openssl("x509 -req -days 2 -copy_extensions copy -CA " + authority + ".pem -CAkey " +
            authority + ".key -CAcreateserial -in " + name + ".csr -out " + name + ".pem");
  }

  void openssl(const std::string& arguments) const {
    const std::string command =
        "cd " + folder_.path().string() + " && openssl " + arguments + " 2>openssl.log";
    // NOLINTNEXTLINE(concurrency-mt-unsafe): these tests have one thread
    if (std::system(command.c_str()) != 0) {
      throw std::runtime_error{"failed: " + command};
    }
  }

  ScratchFolder folder_;
};

}  // namespace test
