// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <random>
#include <string_view>

/// The calculator of the demo: its services, their HTTP twin, and the load generator.
namespace demo {

/// The five operations; each is a service of its own.
enum class Operation { add, sub, mult, div, percentage };

inline constexpr std::array kOperations{
    Operation::add, Operation::sub, Operation::mult, Operation::div, Operation::percentage};

struct Operands {
  double a;
  double b;
};

inline constexpr std::string_view kDivisionByZero = "division by zero";

/// What a hundred percent is divided by.
inline constexpr double kPercent = 100;

/// The name of the Service, which is also what callers put in `:authority` and `Host`.
[[nodiscard]] std::string_view name_of(Operation operation) noexcept;
[[nodiscard]] std::optional<Operation> operation_named(std::string_view name) noexcept;

/// The value of an operation, `nullopt` if it has none: division by zero.
[[nodiscard]] std::optional<double> calculate(Operation operation, Operands operands) noexcept;

/// Whole numbers small enough for every result to be exact but division's; one in ten of the second
/// operands is zero.
[[nodiscard]] Operands draw_operands(std::mt19937& rng);

}  // namespace demo
