#include "runtime/cuda/code_image.hpp"

#include <elf.h>

#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"
#include "runtime/compile/compiler.hpp"
#include "tests/nvrtc_required.hpp"

namespace quern {
namespace {

using Bytes = std::vector<uint8_t>;

using Sizes = std::vector<size_t>;

std::optional<Sizes> of_text(const std::string &ptx, const std::string &entry) {
  return parameter_sizes({reinterpret_cast<const uint8_t *>(ptx.data()), ptx.size()}, entry);
}

// An ELF image with a section table of two: the names, and .nv.info.kernel with these attributes.
Bytes image_with(const Bytes &attributes) {
  const std::string names("\0.nv.info.kernel", 17);  // with its ending zero
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_shoff = sizeof header;
  header.e_shnum = 2;
  Elf64_Shdr sections[2]{};
  sections[0].sh_offset = sizeof header + sizeof sections;
  sections[0].sh_size = names.size();
  sections[1].sh_name = 1;
  sections[1].sh_offset = sections[0].sh_offset + names.size();
  sections[1].sh_size = attributes.size();
  Bytes out;
  const auto append = [&](const void *data, size_t size) {
    out.insert(out.end(), static_cast<const uint8_t *>(data), static_cast<const uint8_t *>(data) + size);
  };
  append(&header, sizeof header);
  append(sections, sizeof sections);
  append(names.data(), names.size());
  append(attributes.data(), attributes.size());
  return out;
}

TEST(CodeImage, WhatIsNoCodeHasNoKernel) {
  EXPECT_EQ(parameter_sizes({}, "k"), std::nullopt);
  EXPECT_EQ(of_text("garbage", "k"), std::nullopt);
  EXPECT_EQ(of_text("\x7f"
                    "ELF",
                    "k"),
            std::nullopt);
  EXPECT_EQ(of_text(".entry k(", "k"), std::nullopt);
  EXPECT_EQ(of_text(".entry other()", "k"), std::nullopt);
  EXPECT_EQ(of_text(".entry kk()", "k"), std::nullopt);
}

TEST(CodeImage, PtxParametersAreRead) {
  EXPECT_EQ(of_text(".visible .entry k()\n{", "k"), Sizes());
  EXPECT_EQ(of_text(".visible .entry k(\n\t.param .align 8 .b8 k_param_0[96]\n)\n{", "k"), Sizes{96});
  EXPECT_EQ(of_text(".entry k(.param .u64 a, .param .f32 b, .param .u8 c)", "k"), (Sizes{8, 4, 1}));
  EXPECT_EQ(of_text(".entry k(.param .align 8 .b8 a[120], .param .align 64 .b8 b[128])", "k"), (Sizes{120, 128}));
  EXPECT_EQ(of_text(".entry a(.param .b8 x[4]) {} .entry b(.param .b8 x[8]) {}", "b"), Sizes{8});
}

// KPARAM_INFO of a parameter of `size` bytes.
Bytes parameter(uint8_t ordinal, uint32_t size) {
  const uint32_t word = size << 18 | 0x1f000u;
  return {4,
          0x17,
          12,
          0,
          0,
          0,
          0,
          0,
          ordinal,
          0,
          0,
          0,
          static_cast<uint8_t>(word),
          static_cast<uint8_t>(word >> 8),
          static_cast<uint8_t>(word >> 16),
          static_cast<uint8_t>(word >> 24)};
}

Bytes operator+(Bytes left, const Bytes &right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

TEST(CodeImage, CubinAttributesAreWalked) {
  EXPECT_EQ(parameter_sizes(image_with({}), "kernel"), Sizes());
  EXPECT_EQ(parameter_sizes(image_with(parameter(0, 120)), "kernel"), Sizes{120});
  EXPECT_EQ(parameter_sizes(image_with(Bytes{3, 0x1b, 255, 0, 4, 0x0a, 4, 0, 4, 0x17, 12, 0} + parameter(1, 128) +
                                       parameter(0, 120)),
                            "kernel"),
            (Sizes{120, 128}));
  EXPECT_EQ(parameter_sizes(image_with(parameter(0, 96)), "other"), std::nullopt);
}

TEST(CodeImage, DamagedAttributesDoNotLeadOut) {
  EXPECT_EQ(parameter_sizes(image_with({4, 0x0a, 0xff, 0xff}), "kernel"), Sizes());
  EXPECT_EQ(parameter_sizes(image_with({3, 0x19, 96}), "kernel"), Sizes());
  EXPECT_EQ(parameter_sizes(image_with({4, 0x17, 12, 0, 0, 0, 0, 0}), "kernel"), std::nullopt) << "cut off";
  EXPECT_EQ(parameter_sizes(image_with(parameter(255, 8)), "kernel"), std::nullopt) << "no kernel has so many";
  const Bytes good = image_with(Bytes{4, 0x0a, 4, 0, 1, 2, 3, 4} + parameter(0, 96));
  for (size_t size = 0; size < good.size(); ++size) parameter_sizes({good.data(), size}, "kernel");
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    Bytes damaged = good;
    for (int i = 0; i < 4; ++i) damaged[4 + random() % (damaged.size() - 4)] = static_cast<uint8_t>(random());
    parameter_sizes(damaged, "kernel");
  }
}

class CompiledCodeImageTest : public testing::Test {
 protected:
  void SetUp() override { require_nvrtc(nvrtc_.missing()); }
  // `k`, compiled with these parameters, of which compile() itself checks the sizes.
  Bytes compiled(const std::string &parameters, const Sizes &sizes, const std::string &target) {
    UnitFields unit;
    unit.source = std::make_shared<UnitSource>(UnitSource{"k.cu",
                                                          "struct Block { long long words[12]; };\n"
                                                          "struct alignas(64) Map { long long words[16]; };\n"
                                                          "extern \"C\" __global__ void first(int *p) { *p = 1; }\n"
                                                          "extern \"C\" __global__ void k(" +
                                                              parameters + ") {}\n",
                                                          {},
                                                          ""});
    unit.target = parse_target(target);
    unit.options = {"--gpu-architecture=" + unit.target.name()};
    unit.entry = "k";
    unit.parameter_sizes = sizes;
    unit.kernel = "test:k";
    return compile(nvrtc_, CompileUnit(unit)).code;
  }
  Nvrtc nvrtc_{"", read_environment()};
};

TEST_F(CompiledCodeImageTest, WhatNvrtcWritesIsRead) {
  for (const char *target : {"sm_75", "sm_90a", "sm_120a", "compute_75", "compute_90a"}) {
    const std::pair<const char *, Sizes> cases[] = {
        {"", {}},
        {"int a", {4}},
        {"const char *a", {8}},
        {"const __grid_constant__ Block b", {96}},
        {"Block b, void *c", {96, 8}},
        {"const __grid_constant__ Block b, const __grid_constant__ Map c, const __grid_constant__ Map d",
         {96, 128, 128}}};
    for (const auto &[parameters, sizes] : cases) {
      const Bytes code = compiled(parameters, sizes, target);
      EXPECT_EQ(parameter_sizes(code, "k"), sizes) << target << ": " << parameters;
      EXPECT_EQ(parameter_sizes(code, "first"), Sizes{8}) << target;
      EXPECT_EQ(parameter_sizes(code, "absent"), std::nullopt) << target;
    }
  }
}

TEST_F(CompiledCodeImageTest, EveryPrefixIsReadWithoutHarm) {
  const Bytes cubin = compiled("const __grid_constant__ Block b", {96}, "sm_90a");
  for (size_t size = 0; size < cubin.size(); ++size) {
    const Bytes prefix(cubin.begin(),
                       cubin.begin() + static_cast<ptrdiff_t>(size));  // a copy: its end is the allocation's
    const auto found = parameter_sizes(prefix, "k");
    EXPECT_TRUE(!found || *found == Sizes{96} || found->empty()) << size;
  }
  const Bytes ptx = compiled("Block b, int c", {96, 4}, "compute_75");
  for (size_t size = 0; size < ptx.size(); ++size) {
    const Bytes prefix(ptx.begin(), ptx.begin() + static_cast<ptrdiff_t>(size));
    parameter_sizes(prefix, "k");
  }
}

TEST_F(CompiledCodeImageTest, DamagedImagesAreReadWithoutHarm) {
  const Bytes cubin = compiled("const __grid_constant__ Block b", {96}, "sm_90a");
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    Bytes damaged = cubin;
    for (int i = 0; i < 8; ++i) damaged[4 + random() % (damaged.size() - 4)] = static_cast<uint8_t>(random());
    parameter_sizes(damaged, "k");
  }
}

}  // namespace
}  // namespace quern
