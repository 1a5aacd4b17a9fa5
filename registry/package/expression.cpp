#include "registry/package/expression.hpp"

#include <algorithm>

#include "runtime/base/json.hpp"

namespace quern {

Expression Expression::constant(int64_t value) {
  Expression expression;
  expression.steps_.push_back({Op::kConstant, value});
  return expression;
}

Expression Expression::parse(const Json &value, const std::string &path, const Resolver &resolve) {
  Expression expression;
  expression.append(value, path, resolve, 1);
  expression.check(path);
  return expression;
}

// That evaluate() has room for it: terms can make deep what is not deep as it is written.
void Expression::check(const std::string &path) const {
  int top = 0;
  for (const Step &step : steps_) {
    top += step.op == Op::kConstant || step.op == Op::kSlot ? 1 : -1;
    if (top > kMaxStack) fail(QUERN_BAD_MANIFEST, path, " nests deeper than ", kMaxStack, " levels with its terms");
  }
  if (steps_.size() > kMaxSteps) {
    fail(QUERN_BAD_MANIFEST, path, " has ", steps_.size(), " steps with its terms; at most ", kMaxSteps);
  }
}

void Expression::append(const Json &value, const std::string &path, const Resolver &resolve, int depth) {
  if (depth > kMaxStack) fail(QUERN_BAD_MANIFEST, path, " nests deeper than ", kMaxStack, " levels");
  if (value.is_number()) {
    steps_.push_back({Op::kConstant, as_integer(value, path, 0, INT64_C(1) << 40)});
    return;
  }
  if (value.is<std::string>()) {
    const std::string &name = value.as<std::string>();
    const std::optional<Meaning> meaning = resolve(name);
    if (!meaning) fail(QUERN_BAD_MANIFEST, path, ": \"", name, "\" is no problem size, define, term or sm_count");
    if (meaning->term != nullptr) {
      steps_.insert(steps_.end(), meaning->term->steps_.begin(), meaning->term->steps_.end());
      return;
    }
    steps_.push_back({meaning->is_slot ? Op::kSlot : Op::kConstant, meaning->value});
    return;
  }
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"add", Op::kAdd},          {"sub", Op::kSub},          {"mul", Op::kMul}, {"div", Op::kDiv},
      {"ceil_div", Op::kCeilDiv}, {"round_up", Op::kRoundUp}, {"min", Op::kMin}, {"max", Op::kMax}};
  const auto *members = std::get_if<Json::Object>(&value.value());
  if (members != nullptr && members->size() == 1) {
    const auto &[name, held] = members->front();
    const auto known = std::find_if(std::begin(kOps), std::end(kOps),
                                    [&, &op_name = name](const auto &op) { return op.first == op_name; });
    const auto *operands = std::get_if<Json::Array>(&held.value());
    if (known != std::end(kOps) && operands != nullptr && operands->size() >= 2 && operands->size() <= 8) {
      append(operands->front(), path, resolve, depth + 1);
      for (size_t i = 1; i < operands->size(); ++i) {
        append((*operands)[i], path, resolve, depth + 1);
        steps_.push_back({known->second, 0});
      }
      return;
    }
  }
  fail(QUERN_BAD_MANIFEST, path,
       " is no expression; write an integer, a name, or {\"ceil_div\": [\"n\", 64]} with add, sub, mul, div, ceil_div, "
       "round_up, min or max");
}

int64_t Expression::apply(Op op, int64_t left, int64_t right) noexcept {
  int64_t result = 0;
  switch (op) {
    case Op::kAdd:
      return __builtin_add_overflow(left, right, &result) ? kInvalid : result;
    case Op::kSub:
      return __builtin_sub_overflow(left, right, &result) ? kInvalid : result;
    case Op::kMul:
      return __builtin_mul_overflow(left, right, &result) ? kInvalid : result;
    case Op::kDiv:
      return right <= 0 ? kInvalid : left / right;
    case Op::kCeilDiv:
      return right <= 0 ? kInvalid : left / right + (left % right > 0 ? 1 : 0);
    case Op::kRoundUp:
      if (right <= 0 || __builtin_mul_overflow(left / right + (left % right > 0 ? 1 : 0), right, &result))
        return kInvalid;
      return result;
    case Op::kMin:
      return std::min(left, right);
    case Op::kMax:
      return std::max(left, right);
    case Op::kConstant:
    case Op::kSlot:
      break;
  }
  return kInvalid;
}

int64_t Expression::evaluate(std::span<const int64_t> slots) const noexcept {
  int64_t stack[kMaxStack + 1];
  int top = 0;
  for (const Step &step : steps_) {
    if (step.op == Op::kConstant) {
      stack[top++] = step.value;
    } else if (step.op == Op::kSlot) {
      stack[top++] = slots[static_cast<size_t>(step.value)];
    } else {
      const int64_t right = stack[--top];
      const int64_t left = stack[top - 1];
      stack[top - 1] = left == kInvalid || right == kInvalid ? kInvalid : apply(step.op, left, right);
    }
  }
  return top == 0 ? kInvalid : stack[0];
}

}  // namespace quern
