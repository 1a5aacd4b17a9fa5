#include "cli/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cli/printable.hpp"
#include "cli/safetensors_header.hpp"

namespace quern::safetensors {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit

struct DtypeRow {
  std::string_view name;
  Dtype dtype;
  int bits;
};

constexpr DtypeRow kDtypes[] = {
    {"BOOL", Dtype::kBool, 8},      {"U8", Dtype::kU8, 8},          {"I8", Dtype::kI8, 8},
    {"F8_E4M3", Dtype::kF8E4M3, 8}, {"F8_E5M2", Dtype::kF8E5M2, 8}, {"F8_E8M0", Dtype::kF8E8M0, 8},
    {"I16", Dtype::kI16, 16},       {"U16", Dtype::kU16, 16},       {"F16", Dtype::kF16, 16},
    {"BF16", Dtype::kBf16, 16},     {"I32", Dtype::kI32, 32},       {"U32", Dtype::kU32, 32},
    {"F32", Dtype::kF32, 32},       {"I64", Dtype::kI64, 64},       {"U64", Dtype::kU64, 64},
    {"F64", Dtype::kF64, 64},       {"F4", Dtype::kF4, 4},
};

const DtypeRow &row(Dtype dtype) {
  return *std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const DtypeRow &r) { return r.dtype == dtype; });
}

[[noreturn]] void refuse(const Tensor &tensor, const std::string &fact) {
  throw FormatError("tensor '" + printable(tensor.name) + "': " + fact);
}

std::string offsets_text(const Tensor &tensor) {
  return "data_offsets [" + std::to_string(tensor.begin) + ", " + std::to_string(tensor.end) + "]";
}

// The tensors must tile the data exactly: what lies in a hole would be unseen, what overlaps would be two things.
void check_coverage(const std::vector<Tensor> &by_offset, uint64_t data_bytes) {
  uint64_t covered = 0;
  for (const Tensor &tensor : by_offset) {
    if (tensor.begin > tensor.end) refuse(tensor, offsets_text(tensor) + " end before they begin");
    if (tensor.end > data_bytes) {
      refuse(tensor, offsets_text(tensor) + " reach beyond the " + std::to_string(data_bytes) +
                         " data bytes; the file is cut short or damaged");
    }
    const auto expected = tensor_bytes(tensor.dtype, tensor.shape);
    if (!expected) refuse(tensor, "shape " + shape_text(tensor.shape) + " does not fill whole bytes, or overflows");
    if (*expected != tensor.bytes()) {
      refuse(tensor, std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape) + " takes " +
                         std::to_string(*expected) + " bytes, " + offsets_text(tensor) + " hold " +
                         std::to_string(tensor.bytes()));
    }
    if (tensor.begin < covered) refuse(tensor, offsets_text(tensor) + " overlap another tensor");
    if (tensor.begin > covered) refuse(tensor, offsets_text(tensor) + " leave a hole before them");
    covered = tensor.end;
  }
  if (covered != data_bytes) {
    throw FormatError("the last " + std::to_string(data_bytes - covered) + " bytes belong to no tensor");
  }
}

}  // namespace

std::optional<Dtype> find_dtype(std::string_view name) {
  for (const DtypeRow &known : kDtypes) {
    if (known.name == name) return known.dtype;
  }
  return std::nullopt;
}

std::string_view dtype_name(Dtype dtype) { return row(dtype).name; }

int dtype_bits(Dtype dtype) { return row(dtype).bits; }

std::optional<uint64_t> tensor_bytes(Dtype dtype, std::span<const int64_t> shape) {
  // A zero anywhere makes the product zero, however large the rest: as in the reference, that still may not overflow.
  uint64_t elements = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(elements, static_cast<uint64_t>(dimension), &elements)) return {};
  }
  uint64_t bits = 0;
  if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dtype_bits(dtype)), &bits) || bits % 8 != 0) return {};
  return bits / 8;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

const Tensor *Header::find(std::string_view name) const {
  const auto found = index.find(name);
  return found == index.end() ? nullptr : &tensors[found->second];
}

Header parse_safetensors(std::span<const std::byte> file) {
  constexpr size_t kLengthBytes = 8;
  if (file.size() < kLengthBytes) throw FormatError("too short to be a safetensors file");
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), kLengthBytes);  // little-endian, as the hosts we build for
  if (header_bytes > kMaxHeaderBytes)
    throw FormatError("not a safetensors file: the header would be larger than 100 MB");
  if (header_bytes > file.size() - kLengthBytes) {
    throw FormatError("the header of " + std::to_string(header_bytes) +
                      " bytes reaches beyond the file; the file is cut short or no safetensors file");
  }
  const auto text = file.subspan(kLengthBytes, header_bytes);
  if (text.empty() || text[0] != std::byte{'{'})
    throw FormatError("not a safetensors file: no header begins at byte 8");

  Header header;
  header.data_start = kLengthBytes + header_bytes;
  parse_header_text({reinterpret_cast<const char *>(text.data()), text.size()}, header);
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const Tensor &a, const Tensor &b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_coverage(header.tensors, file.size() - header.data_start);
  for (size_t i = 0; i < header.tensors.size(); ++i) header.index.emplace(header.tensors[i].name, i);
  return header;
}

}  // namespace quern::safetensors
