// The safetensors format: a little-endian header length, a JSON header, the tensors' bytes. Reading trusts nothing:
// the tensors that parse_safetensors() returns lie inside the file, cover it without overlap or hole, and are as long
// as their shapes say. Knows nothing of Quern.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace quern::safetensors {

// One line that names the tensor and the fact.
class FormatError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Dtype {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kF4
};

std::optional<Dtype> find_dtype(std::string_view name);
std::string_view dtype_name(Dtype dtype);  // "BF16"
int dtype_bits(Dtype dtype);               // 4 for F4, of which two share a byte

struct Tensor {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  uint64_t begin;  // of its bytes, counted from the end of the header
  uint64_t end;

  uint64_t bytes() const { return end - begin; }
};

// Elements times width, or empty if that overflows or does not fill whole bytes.
std::optional<uint64_t> tensor_bytes(Dtype dtype, std::span<const int64_t> shape);

// "[2, 64, 3, 16]"
std::string shape_text(std::span<const int64_t> shape);

struct Header {
  std::vector<Tensor> tensors;  // by offset
  std::map<std::string, std::string> metadata;
  uint64_t data_start = 0;  // offset in the file

  const Tensor *find(std::string_view name) const;

  std::unordered_map<std::string_view, size_t> index;  // into tensors, by name
  Header() = default;
  Header(Header &&) = default;
  Header &operator=(Header &&) = default;
};

// Parse the header of a whole file in memory. Pure: no input makes it crash, read outside `file`, or recurse. Throws
// FormatError.
Header parse_safetensors(std::span<const std::byte> file);

}  // namespace quern::safetensors
