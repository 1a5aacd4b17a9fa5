// Packed weights on the GPU: the same bytes as packed on the CPU, runs that overlap without harm, rows that do not
// depend on their number.
#include "tests/gpu/gpu_problem.hpp"

namespace quern::gpu_test {
namespace {

class PackedGemm : public GpuProblem {
 protected:
  struct Weights {
    int64_t n, k;
    std::vector<uint8_t> blocks, scales;
    void *packed;  // on the device
    size_t bytes;
  };

  quern_weights_desc describe(int64_t n, int64_t k) {
    quern_weights_desc desc = QUERN_WEIGHTS_DESC_INIT;
    desc.layout = QUERN_LAYOUT_MMA16_BF16;
    desc.n = n;
    desc.k = k;
    return desc;
  }

  Weights make_weights(int64_t n, int64_t k) {
    Weights weights{n,
                    k,
                    std::vector<uint8_t>(static_cast<size_t>(n * k) / 2),
                    std::vector<uint8_t>(static_cast<size_t>(n * k) / 32),
                    nullptr,
                    0};
    for (uint8_t &byte : weights.blocks) byte = static_cast<uint8_t>(random_());
    for (uint8_t &byte : weights.scales) byte = static_cast<uint8_t>(116 + random_() % 6);
    const quern_weights_desc desc = describe(n, k);
    EXPECT_EQ(quern_weights_packed_bytes(&desc, &weights.bytes), QUERN_OK);
    weights.packed = upload(std::vector<uint8_t>(weights.bytes, 0xee));
    EXPECT_EQ(
        quern_weights_pack(device_, &desc, upload(weights.blocks), upload(weights.scales), weights.packed, nullptr),
        QUERN_OK)
        << quern_last_error();
    return weights;
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

  quern_plan *plan_for(const Weights &weights, int64_t m_max, bool overlap, bool batch_invariant) {
    quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
    desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
    desc.layout = QUERN_LAYOUT_MMA16_BF16;
    desc.m_max = m_max;
    desc.n = weights.n;
    desc.k = weights.k;
    desc.overlap = overlap;
    desc.batch_invariant = batch_invariant;
    quern_plan *plan = nullptr;
    EXPECT_EQ(quern_gemm_plan(device_, &desc, &plan), QUERN_OK) << quern_last_error();
    return plan;
  }

  void run(const quern_plan *plan, const Weights &weights, int64_t m, const void *x, void *y) {
    quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
    args.m = m;
    args.x = x;
    args.blocks = weights.packed;
    args.y = y;
    ASSERT_EQ(quern_gemm_run(plan, &args, nullptr), QUERN_OK) << quern_last_error();
  }

  std::mt19937 random_{11};
};

TEST_F(PackedGemm, TheGpuPacksTheSameBytesAsTheCpu) {
  quern_device *cpu = nullptr;
  QUERN_ASSERT_OK(quern_device_open(hub_, "cpu", &cpu));
  for (const auto &[n, k] : {std::pair<int64_t, int64_t>{1, 32}, {17, 96}, {2880, 2880}, {4096, 4096}}) {
    const Weights weights = make_weights(n, k);
    std::vector<uint64_t> on_cpu(weights.bytes / 8, 0x1111111111111111);
    const quern_weights_desc desc = describe(n, k);
    QUERN_ASSERT_OK(
        quern_weights_pack(cpu, &desc, weights.blocks.data(), weights.scales.data(), on_cpu.data(), nullptr));
    const std::vector<uint8_t> on_gpu = download(weights.packed, weights.bytes);
    EXPECT_EQ(std::memcmp(on_gpu.data(), on_cpu.data(), weights.bytes), 0) << n << " x " << k;
  }
  quern_device_close(cpu);
}

// Each product reads what the one before wrote, and writes over what the one before that read.
TEST_F(PackedGemm, AChainOfRunsThatOverlapGivesTheSameBits) {
  constexpr int64_t kSide = 2880, kRuns = 24;
  const Weights first = make_weights(kSide, kSide), second = make_weights(kSide, kSide);
  for (const int64_t m : {1, 8, 16, 40, 64, 100, 300}) {
    std::vector<uint8_t> expected;
    for (const bool overlap : {false, true}) {
      quern_plan *const plan = plan_for(first, 300, overlap, false);
      ASSERT_NE(plan, nullptr);
      const std::vector<uint8_t> x = random_x(m, kSide);
      static std::vector<uint8_t> kept;
      if (!overlap) kept = x;
      void *buffers[2] = {upload(kept), upload(std::vector<uint8_t>(kept.size(), 0xff))};
      for (int repeat = 0; repeat < (overlap ? 10 : 1); ++repeat) {
        QUERN_ASSERT_OK(quern_device_copy(device_, buffers[0], kept.data(), kept.size(), nullptr));
        for (int i = 0; i < kRuns; ++i) {
          run(plan, i % 2 == 0 ? first : second, m, buffers[i % 2], buffers[(i + 1) % 2]);
        }
        const std::vector<uint8_t> result = download(buffers[kRuns % 2], kept.size());
        if (!overlap) {
          expected = result;
        } else {
          ASSERT_EQ(result, expected) << "m = " << m << ", repeat " << repeat;
        }
      }
      quern_plan_close(plan);
    }
  }
}

TEST_F(PackedGemm, RowsDoNotDependOnTheirNumberWhereThatIsAsked) {
  constexpr int64_t kN = 2880, kK = 2880, kMost = 257;
  const Weights weights = make_weights(kN, kK);
  quern_plan *const plan = plan_for(weights, kMost, false, true);
  ASSERT_NE(plan, nullptr);
  void *x = upload(random_x(kMost, kK)), *y = upload(std::vector<uint8_t>(kMost * kN * 2, 0xff));
  run(plan, weights, kMost, x, y);
  const std::vector<uint8_t> all = download(y, kMost * kN * 2);
  for (int64_t m = 1; m < kMost; m += m < 20 ? 1 : 13) {
    run(plan, weights, m, x, y);
    const std::vector<uint8_t> some = download(y, static_cast<size_t>(m * kN) * 2);
    ASSERT_TRUE(std::equal(some.begin(), some.end(), all.begin())) << "m = " << m;
  }
  quern_plan_close(plan);
}

TEST_F(PackedGemm, HundredRunsUnderLoadGiveTheSameBits) {
  constexpr int64_t kN = 5760, kK = 2880;
  const Weights weights = make_weights(kN, kK);
  quern_plan *const plan = plan_for(weights, 512, true, false);
  ASSERT_NE(plan, nullptr);
  quern_stream other = nullptr;
  void *context = nullptr;
  ASSERT_EQ(driver<int (*)(void **, int)>("cuDevicePrimaryCtxRetain")(&context, 0), 0);
  ASSERT_EQ(driver<int (*)(void *)>("cuCtxSetCurrent")(context), 0);
  ASSERT_EQ(driver<int (*)(quern_stream *, unsigned)>("cuStreamCreate")(&other, 1), 0);
  void *load_y = upload(std::vector<uint8_t>(512 * kN * 2, 0));
  for (const int64_t m : {1, 16, 64, 512}) {
    void *x = upload(random_x(512, kK)), *y = upload(std::vector<uint8_t>(static_cast<size_t>(m * kN) * 2, 0xff));
    std::vector<uint8_t> first;
    for (int i = 0; i < 100; ++i) {
      quern_gemm_args load = QUERN_GEMM_ARGS_INIT;
      load.m = 512;
      load.x = x;
      load.blocks = weights.packed;
      load.y = load_y;
      QUERN_ASSERT_OK(quern_gemm_run(plan, &load, other));
      run(plan, weights, m, x, y);
      const std::vector<uint8_t> result = download(y, static_cast<size_t>(m * kN) * 2);
      if (i == 0) first = result;
      ASSERT_EQ(result, first) << "m = " << m << ", run " << i;
    }
  }
  QUERN_ASSERT_OK(quern_device_synchronize(device_, other));
  driver<int (*)(quern_stream)>("cuStreamDestroy_v2")(other);
  quern_plan_close(plan);
}

}  // namespace
}  // namespace quern::gpu_test
