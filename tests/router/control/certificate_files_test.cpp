// SPDX-License-Identifier: Apache-2.0
#include "router/control/certificate_files.hpp"

#include "tests/k8s_client/certificates.hpp"

#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>

using router::control::CertificateFiles;
using Outcome = CertificateFiles::Outcome;

namespace {

/// A pair of files, in front of those that the openssl command has made.
struct Pair {
  Pair() {
    put("tls.crt", "server.pem");
    put("tls.key", "server.key");
  }

  void put(const std::string& file, const std::string& made) {
    std::ifstream in{certificates.file(made)};
    folder.write(file, std::string{std::istreambuf_iterator<char>{in}, {}});
  }

  test::Certificates certificates;
  test::ScratchFolder folder;
  CertificateFiles files{folder.path() / "tls.crt", folder.path() / "tls.key"};
};

}  // namespace

TEST_CASE("CertificateFiles: takes a pair once", "[tls]") {
  Pair pair;

  CHECK(pair.files.look() == Outcome::taken);
  CHECK(pair.files.look() == Outcome::unchanged);

  const auto status = pair.files.status();
  CHECK(status.valid);
  CHECK(status.loaded == 1);
  const auto left = status.expires_at.value() - std::chrono::system_clock::now();
  CHECK(left > std::chrono::hours{47});  // it was made for two days
  CHECK(left <= std::chrono::hours{48});
}

TEST_CASE("CertificateFiles: a pair that is half replaced is waited for without a word", "[tls]") {
  Pair pair;
  REQUIRE(pair.files.look() == Outcome::taken);
  const auto before = pair.files.in_force();

  pair.put("tls.crt", "renewed.pem");
  CHECK(pair.files.look() == Outcome::unchanged);
  pair.put("tls.key", "renewed.key");
  CHECK(pair.files.look() == Outcome::taken);

  CHECK(pair.files.in_force() != before);
  CHECK(pair.files.status().rejected == 0);
}

TEST_CASE("CertificateFiles: a pair that stays wrong is told once, and the former one stays",
          "[tls]") {
  Pair pair;
  REQUIRE(pair.files.look() == Outcome::taken);
  const auto before = pair.files.in_force();

  pair.put("tls.crt", "renewed.pem");
  CHECK(pair.files.look() == Outcome::unchanged);
  CHECK(pair.files.look() == Outcome::rejected);
  CHECK(pair.files.look() == Outcome::unchanged);

  CHECK_THAT(pair.files.problem(), Catch::EndsWith("the key is not that of the certificate"));
  CHECK(pair.files.in_force() == before);
  CHECK_FALSE(pair.files.status().valid);
  CHECK(pair.files.status().rejected == 1);
  pair.put("tls.crt", "server.pem");
  CHECK(pair.files.look() == Outcome::taken);
  CHECK(pair.files.status().valid);
}

TEST_CASE("CertificateFiles: says at once what is wrong with the first pair", "[tls]") {
  Pair pair;

  SECTION("no file") {
    pair.folder.remove("tls.key");
    CHECK(pair.files.look() == Outcome::rejected);
    CHECK_THAT(pair.files.problem(), Catch::EndsWith("tls.key: No such file or directory"));
  }
  SECTION("no certificate") {
    pair.folder.write("tls.crt", "nothing");
    CHECK(pair.files.look() == Outcome::rejected);
    CHECK_THAT(pair.files.problem(), Catch::Contains("the certificate cannot be used"));
  }
  SECTION("no key") {
    pair.folder.write("tls.key", "nothing");
    CHECK(pair.files.look() == Outcome::rejected);
    CHECK_THAT(pair.files.problem(), Catch::Contains("the key cannot be used"));
  }
  CHECK(pair.files.in_force() == nullptr);
}
