// The conversion of packed weights is what decoding costs beside memory, so its instructions are counted: in machine
// code from NVRTC, as the difference between a kernel that converts a tile and one that only copies it.
#include <cstring>

#include <elf.h>

#include "nvrtc_required.hpp"
#include "registry/package/package.hpp"
#include "runtime/compile/compiler.hpp"

namespace quern {
namespace {

constexpr const char *kSource = R"(
#include <quern/packed_convert.cuh>
using namespace quern;
extern "C" __global__ void tile(const uint4 *words, const uint32_t *bytes, uint32_t offset, uint4 *out) {
  const uint4 w = words[threadIdx.x];
  const uint32_t b = bytes[threadIdx.x];
  const uint32_t word[4] = {w.x, w.y, w.z, w.w};
#if CONVERT
  const uint32_t scales[2] = {packed_scales<DTYPE>(b, 0, offset), packed_scales<DTYPE>(b, 1, offset)};
#endif
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    uint32_t a[4] = {word[step], b, offset, word[3 - step]};
#if CONVERT
    packed_fragment<DTYPE>(word[step], scales[step / 2], a);
#endif
    out[4 * threadIdx.x + step] = make_uint4(a[0], a[1], a[2], a[3]);
  }
}
)";

// Instructions of 16 bytes in the kernel's section of a cubin, without the padding.
int count_instructions(const std::vector<uint8_t> &cubin) {
  constexpr uint16_t kOpcodeBits = 0x1ff, kNop = 0x118;
  Elf64_Ehdr header;
  std::memcpy(&header, cubin.data(), sizeof header);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), cubin.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  int count = 0;
  for (const Elf64_Shdr &section : sections) {
    const char *name =
        reinterpret_cast<const char *>(cubin.data()) + sections[header.e_shstrndx].sh_offset + section.sh_name;
    if (std::string(name) != ".text.tile") continue;
    for (uint64_t at = section.sh_offset; at < section.sh_offset + section.sh_size; at += 16) {
      uint16_t opcode;
      std::memcpy(&opcode, cubin.data() + at, 2);
      count += (opcode & kOpcodeBits) != kNop;
    }
  }
  return count;
}

class ConversionCostTest : public testing::Test {
 protected:
  void SetUp() override { require_nvrtc(nvrtc_.missing()); }

  int instructions(const char *dtype, bool convert) {
    // The headers that a unit of the package gets.
    for (const auto &package : builtin_packages()) {
      if (package->manifest.id != "quern/mxfp4-gemm") continue;
      UnitFields unit;
      unit.source = std::make_shared<UnitSource>(
          UnitSource{"tile.cu", kSource, package->units.at("decode_sm90a.cu")->headers, ""});
      unit.target = parse_target("sm_90a");
      unit.options = {"--gpu-architecture=sm_90a", "--std=c++17", std::string("-DDTYPE=") + dtype,
                      convert ? "-DCONVERT=1" : "-DCONVERT=0"};
      unit.entry = "tile";
      unit.parameter_sizes = {8, 8, 4, 8};
      unit.kernel = "test:tile";
      return count_instructions(compile(nvrtc_, CompileUnit(unit)).code);
    }
    return 0;
  }
  Nvrtc nvrtc_{"", read_environment()};
};

TEST_F(ConversionCostTest, ATileTakesNoMoreInstructionsThanItsLayoutPromises) {
  const int copied = instructions("kBf16", false);
  ASSERT_GT(copied, 8);
  // Four words of 9 integer instructions and 4 multiplies, and two pairs of scales, less the moves that copying takes.
  EXPECT_LE(instructions("kBf16", true) - copied, 4 * 13 + 2 * 2);
  EXPECT_LE(instructions("kF16", true) - copied, 4 * 15 + 2 * 5);
  EXPECT_GE(instructions("kBf16", true) - copied, 4 * 9) << "the count has lost sight of the conversion";
}

}  // namespace
}  // namespace quern
