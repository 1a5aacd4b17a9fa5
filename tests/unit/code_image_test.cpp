#include "runtime/code_image.hpp"

#include <elf.h>

#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"
#include "runtime/compiler.hpp"
#include "tests/nvrtc_required.hpp"

namespace quern {
namespace {

using Bytes = std::vector<uint8_t>;

std::optional<size_t> of_text(const std::string &ptx, const std::string &entry) {
  return parameter_bytes({reinterpret_cast<const uint8_t *>(ptx.data()), ptx.size()}, entry);
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
  EXPECT_EQ(parameter_bytes({}, "k"), std::nullopt);
  EXPECT_EQ(of_text("garbage", "k"), std::nullopt);
  EXPECT_EQ(of_text("\x7f"
                    "ELF",
                    "k"),
            std::nullopt);
  EXPECT_EQ(of_text(".entry k(", "k"), std::nullopt);
  EXPECT_EQ(of_text(".entry other()", "k"), std::nullopt);
  EXPECT_EQ(of_text(".entry kk()", "k"), std::nullopt);
}

TEST(CodeImage, PtxParametersAreSummed) {
  EXPECT_EQ(of_text(".visible .entry k()\n{", "k"), 0u);
  EXPECT_EQ(of_text(".visible .entry k(\n\t.param .align 8 .b8 k_param_0[96]\n)\n{", "k"), 96u);
  EXPECT_EQ(of_text(".entry k(.param .u64 a, .param .f32 b, .param .u8 c)", "k"), 13u);
  EXPECT_EQ(of_text(".entry k(.param .b8 a[95], .param .b8 b[1])", "k"), 96u);
  EXPECT_EQ(of_text(".entry a(.param .b8 x[4]) {} .entry b(.param .b8 x[8]) {}", "b"), 8u);
}

TEST(CodeImage, CubinAttributesAreWalked) {
  EXPECT_EQ(parameter_bytes(image_with({}), "kernel"), 0u);
  EXPECT_EQ(parameter_bytes(image_with({3, 0x19, 96, 0}), "kernel"), 96u);
  EXPECT_EQ(parameter_bytes(image_with({3, 0x1b, 255, 0, 4, 0x0a, 4, 0, 3, 0x19, 1, 0, 3, 0x19, 0x40, 1}), "kernel"),
            320u);
  EXPECT_EQ(parameter_bytes(image_with({3, 0x19, 96, 0}), "other"), std::nullopt);
}

TEST(CodeImage, DamagedAttributesDoNotLeadOut) {
  EXPECT_EQ(parameter_bytes(image_with({4, 0x0a, 0xff, 0xff}), "kernel"), 0u);
  EXPECT_EQ(parameter_bytes(image_with({3, 0x19, 96}), "kernel"), 0u);
  const Bytes good = image_with({4, 0x0a, 4, 0, 1, 2, 3, 4, 3, 0x19, 96, 0});
  for (size_t size = 0; size < good.size(); ++size) parameter_bytes({good.data(), size}, "kernel");
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    Bytes damaged = good;
    for (int i = 0; i < 4; ++i) damaged[4 + random() % (damaged.size() - 4)] = static_cast<uint8_t>(random());
    parameter_bytes(damaged, "kernel");
  }
}

class CompiledCodeImageTest : public testing::Test {
 protected:
  void SetUp() override { require_nvrtc(nvrtc_.missing()); }
  // `k`, compiled with these parameters, of which compile() itself checks the size.
  Bytes compiled(const std::string &parameters, size_t bytes, const std::string &target) {
    CompileUnit unit;
    unit.source = std::make_shared<UnitSource>(UnitSource{"k.cu",
                                                          "struct Block { long long words[12]; };\n"
                                                          "extern \"C\" __global__ void first(int *p) { *p = 1; }\n"
                                                          "extern \"C\" __global__ void k(" +
                                                              parameters + ") {}\n",
                                                          {},
                                                          ""});
    unit.target = parse_target(target);
    unit.options = {"--gpu-architecture=" + unit.target.name()};
    unit.entry = "k";
    unit.parameter_bytes = bytes;
    unit.kernel = "test:k";
    return compile(nvrtc_, unit).code;
  }
  Nvrtc nvrtc_{"", read_environment()};
};

TEST_F(CompiledCodeImageTest, WhatNvrtcWritesIsRead) {
  for (const char *target : {"sm_75", "sm_90a", "sm_120a", "compute_75", "compute_90a"}) {
    const std::pair<const char *, size_t> cases[] = {{"", 0},
                                                     {"int a", 4},
                                                     {"const char *a", 8},
                                                     {"const __grid_constant__ Block b", 96},
                                                     {"Block b, void *c", 104}};
    for (const auto &[parameters, bytes] : cases) {
      const Bytes code = compiled(parameters, bytes, target);
      EXPECT_EQ(parameter_bytes(code, "k"), bytes) << target << ": " << parameters;
      EXPECT_EQ(parameter_bytes(code, "first"), 8u) << target;
      EXPECT_EQ(parameter_bytes(code, "absent"), std::nullopt) << target;
    }
  }
}

TEST_F(CompiledCodeImageTest, EveryPrefixIsReadWithoutHarm) {
  const Bytes cubin = compiled("const __grid_constant__ Block b", 96, "sm_90a");
  for (size_t size = 0; size < cubin.size(); ++size) {
    const Bytes prefix(cubin.begin(),
                       cubin.begin() + static_cast<ptrdiff_t>(size));  // a copy: its end is the allocation's
    const auto found = parameter_bytes(prefix, "k");
    EXPECT_TRUE(!found || *found == 96u || *found == 0u) << size;
  }
  const Bytes ptx = compiled("Block b, int c", 100, "compute_75");
  for (size_t size = 0; size < ptx.size(); ++size) {
    const Bytes prefix(ptx.begin(), ptx.begin() + static_cast<ptrdiff_t>(size));
    parameter_bytes(prefix, "k");
  }
}

TEST_F(CompiledCodeImageTest, DamagedImagesAreReadWithoutHarm) {
  const Bytes cubin = compiled("const __grid_constant__ Block b", 96, "sm_90a");
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    Bytes damaged = cubin;
    for (int i = 0; i < 8; ++i) damaged[4 + random() % (damaged.size() - 4)] = static_cast<uint8_t>(random());
    parameter_bytes(damaged, "k");
  }
}

}  // namespace
}  // namespace quern
