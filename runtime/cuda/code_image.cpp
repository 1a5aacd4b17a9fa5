#include "runtime/cuda/code_image.hpp"

#include <cstring>
#include <string_view>

#include <elf.h>

namespace quern {
namespace {

using Bytes = std::span<const uint8_t>;

template <typename T>
std::optional<T> read_at(Bytes bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::optional<Bytes> slice(Bytes bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || bytes.size() - offset < size) return std::nullopt;
  return bytes.subspan(offset, size);
}

std::optional<Bytes> find_section(Bytes image, const std::string &name) {
  const auto header = read_at<Elf64_Ehdr>(image, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  const auto section = [&](uint64_t i) { return read_at<Elf64_Shdr>(image, header->e_shoff + i * sizeof(Elf64_Shdr)); };
  const auto names = section(header->e_shstrndx);
  if (!names) return std::nullopt;
  for (uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto candidate = section(i);
    if (!candidate) return std::nullopt;
    const auto text = slice(image, names->sh_offset + candidate->sh_name, name.size() + 1);
    if (text && std::memcmp(text->data(), name.c_str(), name.size() + 1) == 0) {
      return slice(image, candidate->sh_offset, candidate->sh_size);
    }
  }
  return std::nullopt;
}

// .nv.info.<kernel> is a list of attributes: format, id, and a 16-bit value or the size of what follows. The numbers
// are those that `cuobjdump -elf` prints as EIFMT_* and EIATTR_*.
constexpr uint8_t kFormatSized = 4;
constexpr uint8_t kAttributeParameter =
    0x17;  // KPARAM_INFO: index, ordinal (16 bits), offset, and the size from bit 18
constexpr size_t kMostParameters = 64;

std::optional<std::vector<size_t>> cubin_parameter_sizes(Bytes image, const std::string &entry) {
  const auto info = find_section(image, ".nv.info." + entry);
  if (!info) return std::nullopt;
  std::vector<size_t> sizes;
  for (size_t offset = 0; offset + 4 <= info->size();) {
    const uint8_t format = (*info)[offset], attribute = (*info)[offset + 1];
    const uint16_t value = *read_at<uint16_t>(*info, offset + 2);
    if (format == kFormatSized && attribute == kAttributeParameter) {
      const auto ordinal = read_at<uint16_t>(*info, offset + 8);
      const auto word = read_at<uint32_t>(*info, offset + 12);
      if (!ordinal || !word || *ordinal >= kMostParameters) return std::nullopt;
      if (sizes.size() <= *ordinal) sizes.resize(*ordinal + size_t{1});
      sizes[*ordinal] = *word >> 18;
    }
    offset += 4 + (format == kFormatSized ? value : 0u);
  }
  return sizes;
}

// .entry NAME( .param .align 8 .b8 NAME_param_0[96], ... ): each "[.align n] TYPE name[count]".
std::optional<std::vector<size_t>> ptx_parameter_sizes(std::string_view ptx, const std::string &entry) {
  size_t at = ptx.find(".entry " + entry + "(");
  if (at == std::string_view::npos) return std::nullopt;
  const size_t end = ptx.find(')', at);
  if (end == std::string_view::npos) return std::nullopt;
  std::vector<size_t> sizes;
  while ((at = ptx.find(".param", at)) < end && sizes.size() < kMostParameters) {
    const std::string_view parameter = ptx.substr(at, std::min(ptx.find(',', at), end) - at);
    at += 6;
    const size_t bracket = parameter.find('[');
    size_t count = 1;
    if (bracket != std::string_view::npos) count = std::strtoull(parameter.data() + bracket + 1, nullptr, 10);
    size_t width = 0;
    for (const auto &[name, bytes] : {std::pair{".b8", 1},
                                      {".u8", 1},
                                      {".u16", 2},
                                      {".u32", 4},
                                      {".f32", 4},
                                      {".s32", 4},
                                      {".b32", 4},
                                      {".u64", 8},
                                      {".s64", 8},
                                      {".b64", 8},
                                      {".f64", 8}}) {
      if (parameter.find(std::string(name) + " ") != std::string_view::npos) width = static_cast<size_t>(bytes);
    }
    sizes.push_back(width * count);
  }
  return sizes;
}

}  // namespace

std::optional<std::vector<size_t>> parameter_sizes(Bytes code, const std::string &entry) {
  if (code.size() >= SELFMAG && std::memcmp(code.data(), ELFMAG, SELFMAG) == 0)
    return cubin_parameter_sizes(code, entry);
  return ptx_parameter_sizes({reinterpret_cast<const char *>(code.data()), code.size()}, entry);
}

}  // namespace quern
