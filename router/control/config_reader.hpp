// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/config_document.hpp"
#include "router/control/yaml_tree.hpp"
#include "router/route/policy.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace router::control {

struct DurationRange {
  Nanoseconds least;
  Nanoseconds most;
  bool zero_too = false;  ///< 0 is taken as well, though it is below `least`
};

struct CountRange {
  std::uint32_t least;
  std::uint32_t most;
};

struct FractionRange {
  double least;
  double most;
};

/// What the fields of the document are read through: by ConfigReader from a text, and by
/// `survey_config` to learn which fields there are.
///
/// Every function that reads a value returns nothing after an error, and for null, which is as good
/// as leaving the field out.
class FieldReader {
 public:
  /// A value and how to get there; lives for the call that is given it.
  struct Place {
    const YamlNode& node;
    std::string path;
  };

  /// A field that a map may have.
  struct Field {
    std::string_view name;
    std::function<void(const Place&)> read;
  };

  virtual void fail(TextPlace place, std::string path, std::string message) = 0;

  /// Reads a map of known fields. Unknown and repeated ones are errors.
  virtual void fields(const Place& map, std::span<const Field> known) = 0;

  /// Calls `read` for each member of a map with free keys. Repeated ones are errors.
  virtual void members(
      const Place& map,
      const std::function<void(const YamlMember& member, const Place& value)>& read) = 0;

  /// Calls `read` for each item of a list.
  virtual void items(const Place& list, const std::function<void(const Place& item)>& read) = 0;

  /// The name of one of the `alternatives`, whose `read` gets null then, or a map of just one of
  /// them with what it reads.
  virtual void one_of(const Place& value, std::span<const Field> alternatives) = 0;

  [[nodiscard]] virtual std::optional<bool> flag(const Place& value) = 0;
  /// Without quotes it must not look like a number, `true` or `false`.
  [[nodiscard]] virtual std::optional<std::string> text(const Place& value) = 0;
  /// The one number that may stand there.
  virtual void constant(const Place& value, std::uint32_t number, std::string_view problem) = 0;
  [[nodiscard]] virtual std::optional<std::uint32_t> count(const Place& value,
                                                           CountRange range) = 0;
  [[nodiscard]] virtual std::optional<double> fraction(const Place& value, FractionRange range) = 0;
  /// The index of the value in `names`, or a number.
  [[nodiscard]] virtual std::optional<std::variant<std::size_t, std::uint32_t>> choice_or_count(
      const Place& value, std::span<const std::string_view> names, CountRange range) = 0;
  [[nodiscard]] virtual std::optional<Nanoseconds> duration(const Place& value,
                                                            DurationRange range) = 0;
  /// The index of the value in `names`, or a duration.
  [[nodiscard]] virtual std::optional<std::variant<std::size_t, Nanoseconds>> choice_or_duration(
      const Place& value, std::span<const std::string_view> names, DurationRange range) = 0;
  /// The index of the value in `names`.
  [[nodiscard]] virtual std::optional<std::size_t> choice(
      const Place& value, std::span<const std::string_view> names) = 0;

 protected:
  ~FieldReader() = default;
};

/// Reads all fields of a document through `reader`, from its root on.
[[nodiscard]] ConfigDocument read_document(const YamlNode& root, FieldReader& reader);

/// Checks values of a YAML tree one by one, and collects what is wrong with them.
class ConfigReader final : public FieldReader {
 public:
  void fail(TextPlace place, std::string path, std::string message) override;
  void fields(const Place& map, std::span<const Field> known) override;
  void members(
      const Place& map,
      const std::function<void(const YamlMember& member, const Place& value)>& read) override;
  void items(const Place& list, const std::function<void(const Place& item)>& read) override;
  void one_of(const Place& value, std::span<const Field> alternatives) override;
  [[nodiscard]] std::optional<bool> flag(const Place& value) override;
  [[nodiscard]] std::optional<std::string> text(const Place& value) override;
  void constant(const Place& value, std::uint32_t number, std::string_view problem) override;
  [[nodiscard]] std::optional<std::uint32_t> count(const Place& value, CountRange range) override;
  [[nodiscard]] std::optional<double> fraction(const Place& value, FractionRange range) override;
  [[nodiscard]] std::optional<std::variant<std::size_t, std::uint32_t>> choice_or_count(
      const Place& value, std::span<const std::string_view> names, CountRange range) override;
  [[nodiscard]] std::optional<Nanoseconds> duration(const Place& value,
                                                    DurationRange range) override;
  [[nodiscard]] std::optional<std::variant<std::size_t, Nanoseconds>> choice_or_duration(
      const Place& value, std::span<const std::string_view> names, DurationRange range) override;
  [[nodiscard]] std::optional<std::size_t> choice(const Place& value,
                                                  std::span<const std::string_view> names) override;

  /// In the order of the text. At most kMaxConfigErrors.
  [[nodiscard]] std::vector<ConfigError> take_errors();

 private:
  void fail(const Place& value, std::string message);
  [[nodiscard]] bool is_map(const Place& value);
  [[nodiscard]] std::optional<std::string> scalar(const Place& value);
  /// `written`, what the value's text says as a number, if it is within `range`.
  template <class Number, class Range>
  [[nodiscard]] std::optional<Number> number(const Place& value,
                                             std::optional<Number> written,
                                             const Range& range,
                                             std::string_view kind);

  std::vector<ConfigError> errors_;
};

/// The caller's text in quotes, cut to a length that suits a log line, unprintable bytes replaced.
[[nodiscard]] std::string quoted(std::string_view text);

/// `path` with one field more: `a.b`, or `a["b.c"]` where the name is no word.
[[nodiscard]] std::string path_to(std::string_view path, std::string_view field);

}  // namespace router::control
