// SPDX-License-Identifier: Apache-2.0
// h2spec, which others wrote, against the listener of the real binary.
#include "tests/integration/one_service.hpp"
#include "tests/support/go_binaries.hpp"

#include <sstream>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

/// Cases that h2spec counts as failed, and why they are none.
const std::vector<std::string> kNoFailures{
    // "3.5": the port speaks HTTP/1.1 as well, and these bytes begin like a request of it. It is
    // answered with 400, and the connection closed, which h2spec takes for a frame that is broken.
    "2: Sends invalid connection preface",
};

struct Verdict {
  std::vector<std::string> failures;
  std::string summary;  ///< "145 tests, …"
};

Verdict verdict_of(const std::vector<std::string>& lines) {
  const std::string mark = "× ";
  Verdict verdict;
  bool is_in_list = false;  // of failures, which repeats what stands above it
  for (const std::string& line : lines) {
    is_in_list = is_in_list || line.starts_with("Failures:");
    const std::size_t at = line.find(mark);
    if (is_in_list && at != std::string::npos) {
      verdict.failures.push_back(line.substr(at + mark.size()));
    }
    if (line.find(" tests, ") != std::string::npos) {
      verdict.summary = line;
    }
  }
  return verdict;
}

}  // namespace

TEST_CASE("h2spec: no case fails", "[h2spec]") {
  const std::string h2spec = test::folder_of_go_binaries() + "/h2spec";
  // h2spec's authority is the address that it dials, so the path says which Service it means.
  test::OneService path{test::answer(200, std::string(10'000, 'x')),
                        "version: 1\nidentifiers:\n  - path: {segments: 2}\n"
                        "services:\n  cart.shop: {upstreamProtocol: h2c}\n"};

  test::ChildProcess process{{h2spec,
                              "-h",
                              "127.0.0.1",
                              "-p",
                              std::to_string(path.router.listen_port()),
                              "-P",
                              "/cart/shop",
                              "-o",
                              "5"},
                             {}};
  static_cast<void>(process.wait_exit(120s));

  const Verdict verdict = verdict_of(process.stdout_lines());
  CAPTURE(verdict.summary);
  CHECK(verdict.summary.starts_with("145 tests, 144 passed, 0 skipped"));
  CHECK(verdict.failures == kNoFailures);
  CHECK(path.upstream.requests_seen() > 0);  // else it proved little
}
