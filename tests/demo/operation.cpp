// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/operation.hpp"

#include <algorithm>
#include <cstddef>

namespace demo {

namespace {

constexpr std::array<std::string_view, kOperations.size()> kNames{
    "add", "sub", "mult", "div", "percentage"};

}  // namespace

std::string_view name_of(Operation operation) noexcept {
  return kNames[static_cast<std::size_t>(operation)];
}

std::optional<Operation> operation_named(std::string_view name) noexcept {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    return std::nullopt;
  }
  return kOperations[static_cast<std::size_t>(found - kNames.begin())];
}

std::optional<double> calculate(Operation operation, Operands operands) noexcept {
  switch (operation) {
    case Operation::add:
      return operands.a + operands.b;
    case Operation::sub:
      return operands.a - operands.b;
    case Operation::mult:
      return operands.a * operands.b;
    case Operation::div:
      if (operands.b == 0) {
        return std::nullopt;
      }
      return operands.a / operands.b;
    case Operation::percentage:
      return operands.a * operands.b / kPercent;
  }
  return std::nullopt;
}

Operands draw_operands(std::mt19937& rng) {
  std::uniform_int_distribution<int> first{0, 999};
  std::uniform_int_distribution<int> second{0, 9};
  const int a = first(rng);
  return {.a = static_cast<double>(a), .b = static_cast<double>(second(rng))};
}

}  // namespace demo
