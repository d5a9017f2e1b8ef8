// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/load_report.hpp"

#include "router/exchange/field_text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace router {
namespace {

constexpr std::string_view kName = "endpoint-load-metrics";
constexpr std::string_view kBinName = "endpoint-load-metrics-bin";
constexpr std::string_view kJsonName = "endpoint-load-metrics-json";

/// Of a binary report: many times what one with a dozen metrics of its own takes. A longer one is
/// passed over.
constexpr std::size_t kMostBytes = 2048;

/// What is gathered while a report is read.
struct Figures {
  double cpu_utilization = 0;
  double application_utilization = 0;
  double rps = 0;  ///< a whole number; deprecated
  double rps_fractional = 0;
  double eps = 0;
};

std::optional<LoadReport> report_of(const Figures& figures) {
  for (const double each : {figures.cpu_utilization,
                            figures.application_utilization,
                            figures.rps,
                            figures.rps_fractional,
                            figures.eps}) {
    if (!std::isfinite(each) || each < 0) {
      return std::nullopt;
    }
  }
  return LoadReport{
      .utilization = figures.application_utilization > 0 ? figures.application_utilization
                                                         : figures.cpu_utilization,
      .requests_per_second = figures.rps_fractional > 0 ? figures.rps_fractional : figures.rps,
      .errors_per_second = figures.eps};
}

/// Where the figure of that name goes; null if it is of no use here.
double* figure_named(Figures& figures, std::string_view name) {
  if (name == "cpu_utilization" || name == "cpuUtilization") {
    return &figures.cpu_utilization;
  }
  if (name == "application_utilization" || name == "applicationUtilization") {
    return &figures.application_utilization;
  }
  if (name == "rps_fractional" || name == "rpsFractional") {
    return &figures.rps_fractional;
  }
  if (name == "rps") {
    return &figures.rps;
  }
  return name == "eps" ? &figures.eps : nullptr;
}

bool read_number(std::string_view text, double& into) {
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, into);
  return parsed.ec == std::errc{} && parsed.ptr == end;
}

/// `name=value` or `name:value`, with commas between them.
std::optional<LoadReport> read_text(std::string_view text) {
  Figures figures;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(','));
    text.remove_prefix(std::min(entry.size() + 1, text.size()));
    const std::size_t middle = entry.find_first_of("=:");
    if (middle == std::string_view::npos) {
      return std::nullopt;
    }
    double* const figure = figure_named(figures, trim(entry.substr(0, middle)));
    if (figure != nullptr && !read_number(trim(entry.substr(middle + 1)), *figure)) {
      return std::nullopt;
    }
  }
  return report_of(figures);
}

/// Reads the members of one JSON object that are numbers or such texts, and passes over the others.
/// What it takes for JSON is more than JSON; that does no harm.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_{text} {}

  std::optional<LoadReport> read() {
    if (!take('{')) {
      return std::nullopt;
    }
    Figures figures;
    if (take('}')) {
      return report_of(figures);
    }
    do {
      const auto name = take_string();
      if (!name || !take(':') || !read_value(figure_named(figures, *name))) {
        return std::nullopt;
      }
    } while (take(','));
    return take('}') && trim(rest_).empty() ? report_of(figures) : std::nullopt;
  }

 private:
  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
  }

  bool take(char wanted) {
    skip_spaces();
    const bool is_there = rest_.starts_with(wanted);
    rest_.remove_prefix(is_there ? 1 : 0);
    return is_there;
  }

  /// Without undoing escapes: the names that count have none.
  std::optional<std::string_view> take_string() {
    if (!take('"')) {
      return std::nullopt;
    }
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        const std::string_view text = rest_.substr(0, i);
        rest_.remove_prefix(i + 1);
        return text;
      }
    }
    return std::nullopt;
  }

  bool read_value(double* figure) {
    skip_spaces();
    if (rest_.starts_with('{') || rest_.starts_with('[')) {
      return figure == nullptr && skip_nested();
    }
    if (rest_.starts_with('"')) {  // a 64-bit number, as protobuf writes it
      const auto text = take_string();
      return text && (figure == nullptr || read_number(*text, *figure));
    }
    const std::string_view text = rest_.substr(0, rest_.find_first_of(",}] \t"));
    rest_.remove_prefix(text.size());
    return !text.empty() && (figure == nullptr || read_number(text, *figure));
  }

  bool skip_nested() {
    std::size_t depth = 0;
    do {
      if (rest_.starts_with('"')) {
        if (!take_string()) {
          return false;
        }
        continue;
      }
      if (rest_.empty()) {
        return false;
      }
      depth += rest_.front() == '{' || rest_.front() == '[' ? 1 : 0;
      depth -= rest_.front() == '}' || rest_.front() == ']' ? 1 : 0;
      rest_.remove_prefix(1);
    } while (depth > 0);
    return true;
  }

  std::string_view rest_;
};

/// The wire format of protobuf: just what an OrcaLoadReport needs.
class ProtobufReader {
 public:
  explicit ProtobufReader(std::span<const std::uint8_t> bytes) : rest_{bytes} {}

  std::optional<LoadReport> read() {
    Figures figures;
    while (!rest_.empty()) {
      const auto key = take_varint();
      if (!key || !read_field(*key >> 3U, *key & 7U, figures)) {
        return std::nullopt;
      }
    }
    return report_of(figures);
  }

 private:
  enum WireType : std::uint8_t { varint = 0, fixed64 = 1, counted = 2, fixed32 = 5 };

  bool read_field(std::uint64_t number, std::uint64_t type, Figures& figures) {
    switch (type) {
      case varint: {
        const auto value = take_varint();
        if (value && number == 3) {
          figures.rps = static_cast<double>(*value);
        }
        return value.has_value();
      }
      case fixed64: {
        const auto value = take_fixed64();
        double* const figure = number == 1   ? &figures.cpu_utilization
                               : number == 6 ? &figures.rps_fractional
                               : number == 7 ? &figures.eps
                               : number == 9 ? &figures.application_utilization
                                             : nullptr;
        if (value && figure != nullptr) {
          *figure = std::bit_cast<double>(*value);
        }
        return value.has_value();
      }
      case counted: {
        const auto size = take_varint();
        return size && skip(*size);
      }
      case fixed32:
        return skip(4);
      default:
        return false;
    }
  }

  std::optional<std::uint64_t> take_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const std::uint8_t byte = rest_.front();
      rest_ = rest_.subspan(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80U) == 0) {
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<std::uint64_t> take_fixed64() {
    std::uint64_t value = 0;
    if (rest_.size() < sizeof value) {
      return std::nullopt;
    }
    for (std::size_t i = 0; i < sizeof value; ++i) {
      value |= std::uint64_t{rest_[i]} << (8 * i);
    }
    rest_ = rest_.subspan(sizeof value);
    return value;
  }

  bool skip(std::uint64_t n_bytes) {
    if (n_bytes > rest_.size()) {
      return false;
    }
    rest_ = rest_.subspan(n_bytes);
    return true;
  }

  std::span<const std::uint8_t> rest_;
};

/// With or without padding, as gRPC's PROTOCOL-HTTP2.md wants a `-bin` field to be read.
std::optional<LoadReport> read_binary(std::string_view text) {
  std::array<std::uint8_t, kMostBytes> bytes;
  const auto n_bytes = decode_base64(text.substr(0, text.find('=')), Base64::standard, bytes);
  return n_bytes ? ProtobufReader{std::span{bytes}.first(*n_bytes)}.read() : std::nullopt;
}

std::optional<LoadReport> read_tagged(std::string_view text) {
  const std::string_view tag = text.substr(0, text.find(' '));
  const std::string_view report = trim(text.substr(tag.size()));
  if (tag == "JSON") {
    return JsonReader{report}.read();
  }
  if (tag == "BIN") {
    return read_binary(report);
  }
  return read_text(tag == "TEXT" ? report : text);
}

}  // namespace

std::optional<LoadReport> load_report_of(const HeaderList& fields) {
  std::optional<LoadReport> report;
  if (const auto text = fields.find(kName)) {
    report = read_tagged(trim(*text));
  }
  if (const auto text = fields.find(kBinName); text && !report) {
    report = read_binary(trim(*text));
  }
  if (const auto text = fields.find(kJsonName); text && !report) {
    report = JsonReader{trim(*text)}.read();
  }
  return report;
}

}  // namespace router
