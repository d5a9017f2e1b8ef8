// SPDX-License-Identifier: Apache-2.0
#include "tests/support/metrics_text.hpp"

#include "tests/support/deadline.hpp"

#include <algorithm>

namespace test {
namespace {

/// Reads one line from its front.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_{line}, rest_{line} {}

  Sample read() {
    Sample sample;
    sample.name = take_until("{ ");
    if (take_if('{')) {
      while (!take_if('}')) {
        std::string name = take_until("=");
        expect('=');
        sample.labels.emplace(std::move(name), take_quoted());
        take_if(',');
      }
    }
    expect(' ');
    sample.value = std::stod(std::string{rest_});
    return sample;
  }

 private:
  bool take_if(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!take_if(wanted)) {
      throw Failure{"no metric: " + std::string{line_}};
    }
  }

  std::string take_until(std::string_view ends) {
    const std::size_t size = rest_.find_first_of(ends);
    if (size == std::string_view::npos) {
      throw Failure{"no metric: " + std::string{line_}};
    }
    std::string taken{rest_.substr(0, size)};
    rest_.remove_prefix(size);
    return taken;
  }

  std::string take_quoted() {
    expect('"');
    std::string text;
    while (!take_if('"')) {
      const bool is_escaped = take_if('\\');
      if (rest_.empty()) {
        throw Failure{"no metric: " + std::string{line_}};
      }
      const char c = rest_.front();
      text += is_escaped && c == 'n' ? '\n' : c;
      rest_.remove_prefix(1);
    }
    return text;
  }

  std::string_view line_;
  std::string_view rest_;
};

}  // namespace

std::vector<Sample> parse_metrics(std::string_view text) {
  std::vector<Sample> samples;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    if (!line.empty() && line.front() != '#') {
      samples.push_back(LineReader{line}.read());
    }
  }
  return samples;
}

double sum_of(const std::vector<Sample>& samples, std::string_view name, const Labels& labels) {
  double sum = 0;
  for (const Sample& sample : samples) {
    const bool fits = std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
      const auto found = sample.labels.find(label.first);
      return found != sample.labels.end() && found->second == label.second;
    });
    if (sample.name == name && fits) {
      sum += sample.value;
    }
  }
  return sum;
}

}  // namespace test
