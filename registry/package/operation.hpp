// Operations: the contracts between the library and kernel packages. An operation names the fields of its problem,
// which of them may change from run to run, and the version and size of the parameter block its kernels take.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

// A size is any non-negative number; a kernel that does not mention it accepts all. An option is one of a few named
// values; a kernel that does not mention it accepts only the default, 0.
enum class FieldKind { kSize, kOption };

struct FieldValue {
  std::string_view name;
  int64_t value;
};

inline constexpr FieldValue kNoYes[] = {{"no", 0}, {"yes", 1}};

struct Field {
  std::string_view name;
  FieldKind kind;
  std::span<const FieldValue> values;  // of an option
};

inline constexpr size_t kMaxFields = 16;

// A matrix that kernels may ask a TMA descriptor of (PTX ISA, "Tensors"). The operation tells its address and shape.
struct TensorOperand {
  std::string_view name;
  int element_bytes;  // 2 or 8
};
inline constexpr size_t kTensorRank = 2;
inline constexpr size_t kMaxTensorMaps = 4;
inline constexpr size_t kTensorMapBytes = 128;

struct Operation {
  std::string_view name;
  int params_version;
  size_t params_bytes;  // 0: the operation is the host's own, which knows the parameters and the geometry
  size_t run_size;      // index of the field that a run may set from 1 to the plan's maximum
  std::span<const Field> fields;
  std::span<const TensorOperand> operands;

  bool is_hosts_own() const { return params_bytes == 0; }

  // The field's index, or -1.
  int find(std::string_view field) const;
  int find_operand(std::string_view operand) const;
};

const Operation &gemm_operation();
const Operation &dequantize_operation();
const Operation &quantize_operation();
const Operation &repack_operation();
std::span<const Operation *const> operations();
const Operation *find_operation(std::string_view name);  // null if unknown

// The name of an option's value, "bf16" for 3; the number itself for a size.
std::string value_name(const Field &field, int64_t value);

// A problem: a value for every field of its operation, in the operation's order. The run-size field holds the maximum.
struct Problem {
  const Operation *operation;
  std::array<int64_t, kMaxFields> values{};

  int64_t &operator[](std::string_view field) { return values[static_cast<size_t>(operation->find(field))]; }
  int64_t operator[](std::string_view field) const { return values[static_cast<size_t>(operation->find(field))]; }
};

}  // namespace quern
