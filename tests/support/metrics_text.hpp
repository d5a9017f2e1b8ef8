// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace test {

using Labels = std::map<std::string, std::string>;

/// One line of the Prometheus text format.
struct Sample {
  std::string name;
  Labels labels;
  double value = 0;
};

/// The samples of a scrape. Throws `Failure` for a line that is none: the format is part of what is
/// tested. Source: Prometheus exposition formats, "Text-based format" 0.0.4.
[[nodiscard]] std::vector<Sample> parse_metrics(std::string_view text);

/// Sum over the samples of this name whose labels include `labels`; 0 if there are none, as a
/// series is made at first use.
[[nodiscard]] double sum_of(const std::vector<Sample>& samples,
                            std::string_view name,
                            const Labels& labels);

}  // namespace test
