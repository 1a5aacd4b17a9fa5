// The same bits from run to run, and every element written and nothing else.
#include "tests/gpu/gpu_problem.hpp"

namespace quern::gpu_test {
namespace {

class Determinism : public GpuProblem {};

TEST_F(Determinism, HundredRunsGiveTheSameBits) {
  make(257, 2880, 2880);
  for (const int64_t m : {1, 16, 257}) {
    args_.m = m;
    y_bytes_ = static_cast<size_t>(m) * 2880 * 2;
    QUERN_ASSERT_OK(quern_gemm_run(plan_, &args_, nullptr));
    const std::vector<uint8_t> first = result();
    for (int run = 1; run < 100; ++run) {
      poison();
      QUERN_ASSERT_OK(quern_gemm_run(plan_, &args_, nullptr));
      ASSERT_EQ(result(), first) << "m = " << m << ", run " << run;
    }
  }
}

TEST_F(Determinism, ThreadsShareAPlan) {
  make(16, 512, 256);
  QUERN_ASSERT_OK(quern_gemm_run(plan_, &args_, nullptr));
  const std::vector<uint8_t> expected = result();
  std::vector<void *> outputs;
  for (int i = 0; i < 8; ++i) outputs.push_back(upload(std::vector<uint8_t>(y_bytes_, 0xff)));
  std::vector<std::thread> threads;
  for (void *output : outputs) {
    threads.emplace_back([this, output] {
      quern_gemm_args mine = args_;
      mine.y = output;
      for (int run = 0; run < 50; ++run)
        EXPECT_EQ(quern_gemm_run(plan_, &mine, nullptr), QUERN_OK) << quern_last_error();
      EXPECT_EQ(quern_device_synchronize(device_, nullptr), QUERN_OK);
    });
  }
  for (std::thread &thread : threads) thread.join();
  for (const void *output : outputs) EXPECT_EQ(download(output, y_bytes_), expected);
}

}  // namespace
}  // namespace quern::gpu_test
