// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_survey.hpp"

#include <utility>

namespace router::control {
namespace {

/// Offers every field to the code that reads it, and notes what that code asks for.
class Surveyor final : public FieldReader {
 public:
  [[nodiscard]] ConfigShape survey() {
    ConfigShape root;
    at_ = &root;
    static_cast<void>(read_document(nothing_, *this));
    return root;
  }

  // Nothing is there, so whatever is missing is no news.
  void fail(TextPlace /*place*/, std::string /*path*/, std::string /*message*/) override {}

  void fields(const Place& /*map*/, std::span<const Field> known) override {
    at_->takes = ConfigShape::Fields{};
    for (const Field& field : known) {
      visit(std::string{field.name}, [&] { field.read({.node = nothing_, .path = ""}); });
    }
  }

  void members(
      const Place& /*map*/,
      const std::function<void(const YamlMember& member, const Place& value)>& read) override {
    at_->takes = ConfigShape::Entries{};
    const YamlMember entry{.key = "name.namespace", .place = {}, .value = {}};
    visit(entry.key, [&] { read(entry, {.node = nothing_, .path = ""}); });
  }

  void items(const Place& /*list*/, const std::function<void(const Place& item)>& read) override {
    at_->takes = ConfigShape::Items{};
    visit("[]", [&] { read({.node = nothing_, .path = ""}); });
  }

  void one_of(const Place& /*value*/, std::span<const Field> alternatives) override {
    at_->takes = ConfigShape::OneOf{};
    for (const Field& alternative : alternatives) {
      visit(std::string{alternative.name},
            [&] { alternative.read({.node = nothing_, .path = ""}); });
    }
  }

  std::optional<bool> flag(const Place& /*value*/) override {
    at_->takes = ConfigShape::Flag{};
    return std::nullopt;
  }

  std::optional<std::string> text(const Place& /*value*/) override {
    at_->takes = ConfigShape::Text{};
    return std::nullopt;
  }
  void constant(const Place& /*value*/,
                std::uint32_t number,
                std::string_view /*problem*/) override {
    at_->takes = ConfigShape::Constant{number};
  }
  std::optional<std::uint32_t> count(const Place& /*value*/, CountRange range) override {
    at_->takes = range;
    return std::nullopt;
  }
  std::optional<double> fraction(const Place& /*value*/, FractionRange range) override {
    at_->takes = range;
    return std::nullopt;
  }
  std::optional<std::variant<std::size_t, std::uint32_t>> choice_or_count(
      const Place& /*value*/, std::span<const std::string_view> names, CountRange range) override {
    at_->takes = ConfigShape::ChoiceOrCount{{names.begin(), names.end()}, range};
    return std::nullopt;
  }
  std::optional<Nanoseconds> duration(const Place& /*value*/, DurationRange range) override {
    at_->takes = range;
    return std::nullopt;
  }
  std::optional<std::variant<std::size_t, Nanoseconds>> choice_or_duration(
      const Place& /*value*/,
      std::span<const std::string_view> names,
      DurationRange range) override {
    at_->takes = ConfigShape::ChoiceOrDuration{{names.begin(), names.end()}, range};
    return std::nullopt;
  }
  std::optional<std::size_t> choice(const Place& /*value*/,
                                    std::span<const std::string_view> names) override {
    at_->takes = ConfigShape::Choice{{names.begin(), names.end()}};
    return std::nullopt;
  }

 private:
  template <class Read>
  void visit(std::string name, const Read& read) {
    ConfigShape member{.name = std::move(name)};
    ConfigShape* const outer = std::exchange(at_, &member);
    read();
    at_ = outer;
    at_->members.push_back(std::move(member));
  }

  const YamlNode nothing_;
  ConfigShape* at_ = nullptr;
};

}  // namespace

ConfigShape survey_config() {
  return Surveyor{}.survey();
}

}  // namespace router::control
