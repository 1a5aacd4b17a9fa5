// E4M3 on the GPU: the CPU's bytes where they are promised, a plan that quantizes its X against the two steps apart,
// and the same bits from run to run.
#include <string>
#include <utility>

#include "tests/gpu/gpu_problem.hpp"

namespace quern::gpu_test {
namespace {

class W4a8 : public GpuProblem {
 protected:
  static constexpr int64_t kMost = 512;

  void SetUp() override {
    GpuProblem::SetUp();
    if (HasFatalFailure()) return;
    QUERN_ASSERT_OK(quern_device_open(hub_, "cpu", &cpu_));
    quern_gemm_desc desc = describe(QUERN_DTYPE_E4M3);
    quern_layout layout = QUERN_LAYOUT_CANONICAL;
    const quern_status status = quern_gemm_best_layout(device_, &desc, &layout);
    if (status == QUERN_UNSUPPORTED) {
      unsupported_ = quern_last_error();
      return;
    }
    QUERN_ASSERT_OK(status);
    ASSERT_EQ(layout, QUERN_LAYOUT_MMA16_E5M2);
  }
  void TearDown() override {
    quern_device_close(cpu_);
    GpuProblem::TearDown();
  }

  quern_gemm_desc describe(quern_dtype x_dtype) const {
    quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
    desc.x_dtype = x_dtype;
    desc.y_dtype = QUERN_DTYPE_BF16;
    desc.m_max = kMost;
    desc.n = kN;
    desc.k = kK;
    desc.layout = QUERN_LAYOUT_MMA16_E5M2;
    return desc;
  }

  // Random weights, packed on the GPU and on the CPU.
  void *pack(int64_t n, int64_t k, std::vector<uint64_t> *on_cpu = nullptr) {
    std::vector<uint8_t> blocks(static_cast<size_t>(n * k) / 2), scales(static_cast<size_t>(n * k) / 32);
    for (uint8_t &byte : blocks) byte = static_cast<uint8_t>(random_());
    for (uint8_t &byte : scales) byte = static_cast<uint8_t>(104 + random_() % 27);
    quern_weights_desc desc = QUERN_WEIGHTS_DESC_INIT;
    desc.layout = QUERN_LAYOUT_MMA16_E5M2;
    desc.n = n;
    desc.k = k;
    size_t bytes = 0;
    EXPECT_EQ(quern_weights_packed_bytes(&desc, &bytes), QUERN_OK);
    void *packed = upload(std::vector<uint8_t>(bytes, 0xee));
    EXPECT_EQ(quern_weights_pack(device_, &desc, upload(blocks), upload(scales), packed, nullptr), QUERN_OK)
        << quern_last_error();
    if (on_cpu == nullptr) return packed;
    on_cpu->assign(bytes / 8, 0x1111111111111111);
    EXPECT_EQ(quern_weights_pack(cpu_, &desc, blocks.data(), scales.data(), on_cpu->data(), nullptr), QUERN_OK);
    return packed;
  }

  std::vector<uint8_t> random_x(int64_t m, int64_t k) {
    std::normal_distribution<float> normal;
    std::vector<uint8_t> x(static_cast<size_t>(m * k) * 2);
    for (size_t i = 0; i < x.size(); i += 2) {
      const uint16_t value = bf16_from_f32(normal(random_));
      std::memcpy(&x[i], &value, 2);
    }
    return x;
  }

  quern_plan *plan(const quern_gemm_desc &desc) {
    quern_plan *made = nullptr;
    EXPECT_EQ(quern_gemm_plan(device_, &desc, &made), QUERN_OK) << quern_last_error();
    return made;
  }
  // With a workspace of its own.
  void run(const quern_plan *plan, quern_gemm_args args) {
    QUERN_ASSERT_OK(quern_plan_workspace_size(plan, args.m, &args.workspace_bytes));
    if (args.workspace_bytes > 0) args.workspace = upload(std::vector<uint8_t>(args.workspace_bytes, 0xff));
    QUERN_ASSERT_OK(quern_gemm_run(plan, &args, nullptr));
  }

  static constexpr int64_t kN = 2880, kK = 2880;
  quern_device *cpu_ = nullptr;
  std::string unsupported_;  // why this GPU multiplies no E4M3; "" if it does
  std::mt19937 random_{11};
};

TEST_F(W4a8, TheGpuPacksTheSameBytesAsTheCpu) {
  for (const auto &[n, k] : {std::pair<int64_t, int64_t>{1, 32}, {17, 96}, {2880, 2880}, {4096, 4096}}) {
    std::vector<uint64_t> on_cpu;
    const void *packed = pack(n, k, &on_cpu);
    const std::vector<uint8_t> on_gpu = download(packed, on_cpu.size() * 8);
    EXPECT_EQ(std::memcmp(on_gpu.data(), on_cpu.data(), on_gpu.size()), 0) << n << " x " << k;
  }
}

TEST_F(W4a8, TheGpuQuantizesToTheSameBytesAsTheCpu) {
  for (const auto &[rows, k] : {std::pair<int64_t, int64_t>{1, 32}, {64, 1024}, {333, 2880}, {5, 28672}}) {
    std::vector<uint8_t> src = random_x(rows, k);
    if (rows == 64) {  // every bf16 there is
      for (size_t i = 0; i < 65536; ++i) {
        src[2 * i] = static_cast<uint8_t>(i);
        src[2 * i + 1] = static_cast<uint8_t>(i >> 8);
      }
    }
    quern_quantize_desc desc = QUERN_QUANTIZE_DESC_INIT;
    desc.src_dtype = QUERN_DTYPE_BF16;
    desc.rows_max = rows;
    desc.k = k;
    quern_quantize_args args = QUERN_QUANTIZE_ARGS_INIT;
    args.rows = rows;
    const auto elements = static_cast<size_t>(rows * k);
    std::vector<uint8_t> expected(elements);
    std::vector<float> scales(static_cast<size_t>(rows));
    quern_plan *quantizer = nullptr;
    args.src = src.data();
    args.dst = expected.data();
    args.scales = scales.data();
    QUERN_ASSERT_OK(quern_quantize_plan(cpu_, &desc, &quantizer));
    QUERN_ASSERT_OK(quern_quantize_run(quantizer, &args, nullptr));
    quern_plan_close(quantizer);
    args.src = upload(src);
    args.dst = upload(std::vector<uint8_t>(elements, 0xee));
    args.scales = static_cast<float *>(upload(std::vector<uint8_t>(scales.size() * 4, 0xee)));
    QUERN_ASSERT_OK(quern_quantize_plan(device_, &desc, &quantizer));
    QUERN_ASSERT_OK(quern_quantize_run(quantizer, &args, nullptr));
    quern_plan_close(quantizer);
    const std::vector<uint8_t> got = download(args.dst, elements),
                               got_scales = download(args.scales, scales.size() * 4);
    EXPECT_EQ(std::memcmp(got_scales.data(), scales.data(), got_scales.size()), 0) << rows << " x " << k;
    for (size_t i = 0; i < elements; ++i) {
      const bool nan = (expected[i] & 0x7f) == 0x7f;  // of either sign
      ASSERT_EQ(got[i] & (nan ? 0x7f : 0xff), expected[i] & (nan ? 0x7f : 0xff)) << i << " of " << rows << " x " << k;
    }
  }
}

TEST_F(W4a8, PlanFromBf16IsQuantizeAndPlanFromE4m3BitForBit) {
  if (!unsupported_.empty()) GTEST_SKIP() << unsupported_;
  void *packed = pack(kN, kK);
  void *x = upload(random_x(kMost, kK));
  void *x8 = upload(std::vector<uint8_t>(kMost * kK)), *scales = upload(std::vector<uint8_t>(kMost * 4));
  quern_quantize_desc rows = QUERN_QUANTIZE_DESC_INIT;
  rows.src_dtype = QUERN_DTYPE_BF16;
  rows.rows_max = kMost;
  rows.k = kK;
  quern_quantize_args quantize = QUERN_QUANTIZE_ARGS_INIT;
  quantize.rows = kMost;
  quantize.src = x;
  quantize.dst = x8;
  quantize.scales = static_cast<float *>(scales);
  quern_plan *quantizer = nullptr;
  QUERN_ASSERT_OK(quern_quantize_plan(device_, &rows, &quantizer));
  QUERN_ASSERT_OK(quern_quantize_run(quantizer, &quantize, nullptr));
  quern_plan_close(quantizer);
  for (const quern_accumulation accumulation : {QUERN_ACCUMULATION_PROMOTED, QUERN_ACCUMULATION_FAST}) {
    for (const int overlap : {0, 1}) {
      quern_gemm_desc desc = describe(QUERN_DTYPE_E4M3);
      desc.accumulation = accumulation;
      desc.overlap = overlap;
      quern_plan *from_e4m3 = plan(desc);
      desc.x_dtype = QUERN_DTYPE_BF16;
      quern_plan *from_bf16 = plan(desc);
      ASSERT_TRUE(from_e4m3 != nullptr && from_bf16 != nullptr);
      for (const int64_t m : {1, 7, 16, 40, 64, 100, 512}) {
        const size_t bytes = static_cast<size_t>(m * kN) * 2;
        quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
        args.m = m;
        args.blocks = packed;
        args.x = x8;
        args.x_scales = static_cast<const float *>(scales);
        args.y = upload(std::vector<uint8_t>(bytes, 0xff));
        run(from_e4m3, args);
        const std::vector<uint8_t> expected = download(args.y, bytes);
        args.x = x;
        args.x_scales = nullptr;
        args.y = upload(std::vector<uint8_t>(bytes, 0xff));
        run(from_bf16, args);
        ASSERT_EQ(download(args.y, bytes), expected) << "m = " << m << ", overlap " << overlap;
      }
      quern_plan_close(from_e4m3);
      quern_plan_close(from_bf16);
    }
  }
}

// Each quantizes what the product before wrote, in the workspace that that product still reads when it begins.
TEST_F(W4a8, AChainThatOverlapsInOneWorkspaceGivesTheSameBitsAHundredTimes) {
  if (!unsupported_.empty()) GTEST_SKIP() << unsupported_;
  void *packed = pack(kN, kK);
  const std::vector<uint8_t> x = random_x(kMost, kK);
  for (const int64_t m : {1, 40, 512}) {
    const size_t bytes = static_cast<size_t>(m * kK) * 2;
    const std::vector<uint8_t> start(x.begin(), x.begin() + static_cast<ptrdiff_t>(bytes));
    void *buffers[2] = {upload(start), upload(std::vector<uint8_t>(bytes, 0xff))};
    std::vector<uint8_t> expected;
    for (const int overlap : {0, 1}) {
      quern_gemm_desc desc = describe(QUERN_DTYPE_BF16);
      desc.overlap = overlap;
      quern_plan *chain = plan(desc);
      ASSERT_NE(chain, nullptr);
      quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
      QUERN_ASSERT_OK(quern_plan_workspace_size(chain, kMost, &args.workspace_bytes));
      args.workspace = upload(std::vector<uint8_t>(args.workspace_bytes, 0xff));
      args.m = m;
      args.blocks = packed;
      args.alpha = 1e-4f;  // so that nothing grows without end
      for (int repeat = 0; repeat < (overlap ? 100 : 1); ++repeat) {
        QUERN_ASSERT_OK(quern_device_copy(device_, buffers[0], start.data(), bytes, nullptr));
        for (int i = 0; i < 6; ++i) {
          args.x = buffers[i % 2];
          args.y = buffers[(i + 1) % 2];
          QUERN_ASSERT_OK(quern_gemm_run(chain, &args, nullptr));
        }
        const std::vector<uint8_t> result = download(buffers[0], bytes);
        if (!overlap) expected = result;
        ASSERT_EQ(result, expected) << "m = " << m << ", repeat " << repeat;
      }
      quern_plan_close(chain);
    }
  }
}

}  // namespace
}  // namespace quern::gpu_test
