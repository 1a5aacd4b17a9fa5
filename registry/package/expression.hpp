// The arithmetic of manifests: grids, shared memory and workspace over problem sizes, defines and the SM count. A
// closed vocabulary, so that data never becomes code: integer | name | {"op": [a, b, ...]} with add, sub, mul, div,
// ceil_div, round_up, min, max.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

class Json;

class Expression {
 public:
  // What a name stands for: a slot that is filled when the expression is evaluated, a constant, or another expression.
  struct Meaning {
    bool is_slot;
    int64_t value;                     // the slot's index, or the constant
    const Expression *term = nullptr;  // in place of both
  };
  using Resolver = std::function<std::optional<Meaning>(std::string_view name)>;

  Expression() = default;
  // Throws QUERN_BAD_MANIFEST.
  static Expression parse(const Json &value, const std::string &path, const Resolver &resolve);
  static Expression constant(int64_t value);

  // No allocation. Overflow and division by zero give kInvalid.
  int64_t evaluate(std::span<const int64_t> slots) const noexcept;
  static constexpr int64_t kInvalid = INT64_MIN;

 private:
  enum class Op : uint8_t { kConstant, kSlot, kAdd, kSub, kMul, kDiv, kCeilDiv, kRoundUp, kMin, kMax };
  struct Step {  // postfix
    Op op;
    int64_t value;
  };
  static constexpr int kMaxStack = 16;
  static constexpr size_t kMaxSteps = 512;

  static int64_t apply(Op op, int64_t left, int64_t right) noexcept;
  void check(const std::string &path) const;
  void append(const Json &value, const std::string &path, const Resolver &resolve, int depth);

  std::vector<Step> steps_;
};

}  // namespace quern
