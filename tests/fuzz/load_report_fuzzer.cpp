// SPDX-License-Identifier: Apache-2.0
// Small texts in header fields that are a format of their own: what a pod says of its load, in each
// of its forms, and a client's HTTP2-Settings. The first line of an input is the field's name.
#include "router/exchange/load_report.hpp"
#include "router/h1/h2c.hpp"
#include "tests/fuzz/input.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

using fuzz::require;

namespace {

void check_report(std::string_view name, std::string_view value) {
  router::HeaderList fields;
  fields.add_copy(name, value);
  const auto report = router::load_report_of(fields);
  if (!report) {
    return;
  }
  for (const double figure :
       {report->utilization, report->requests_per_second, report->errors_per_second}) {
    require(std::isfinite(figure) && figure >= 0, "a load is a number, and not negative");
  }
  router::HeaderList behind;
  behind.add_copy("x-before", value);
  behind.add_copy(name, value);
  require(router::load_report_of(behind) == report, "other fields say nothing of the load");
}

void check_settings(std::string_view value) {
  constexpr std::size_t kEntryBytes = 6;  // RFC 9113, 6.5.1
  router::HeaderList fields;
  fields.add_copy("http2-settings", value);
  if (const auto payload = router::h1::h2c_settings(fields)) {
    require(payload->size() % kEntryBytes == 0, "a payload of SETTINGS is whole");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string name{text.substr(0, end)};
  const std::string value{text.substr(std::min(end + 1, text.size()))};
  check_report(name, value);
  check_settings(value);
  return 0;
}
