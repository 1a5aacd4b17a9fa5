// Random MXFP4 problems on the first GPU, and the driver's functions that these tests need beyond the C ABI.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <quern/mxfp4.h>
#include <quern/quern.h>

namespace quern::gpu_test {

#define QUERN_ASSERT_OK(call) ASSERT_EQ(call, QUERN_OK) << quern_last_error()

template <typename Function>
Function driver(const char *symbol) {
  static void *const library = dlopen("libcuda.so.1", RTLD_NOW);
  return library == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(library, symbol));
}

// One GEMM's operands on the device, with random weights and activations.
class GpuProblem : public testing::Test {
 protected:
  void SetUp() override {
    QUERN_ASSERT_OK(quern_hub_open(nullptr, &hub_));
    QUERN_ASSERT_OK(quern_device_open(hub_, "cuda:0", &device_));
  }
  void TearDown() override {
    for (void *memory : memory_) quern_device_release(device_, memory);
    quern_plan_close(plan_);
    quern_device_close(device_);
    quern_hub_close(hub_);
  }

  void *upload(const std::vector<uint8_t> &bytes) {
    void *memory = nullptr;
    EXPECT_EQ(quern_device_allocate(device_, bytes.size(), &memory), QUERN_OK) << quern_last_error();
    EXPECT_EQ(quern_device_copy(device_, memory, bytes.data(), bytes.size(), nullptr), QUERN_OK) << quern_last_error();
    memory_.push_back(memory);
    return memory;
  }
  std::vector<uint8_t> download(const void *memory, size_t bytes) {
    std::vector<uint8_t> out(bytes);
    EXPECT_EQ(quern_device_copy(device_, out.data(), memory, bytes, nullptr), QUERN_OK) << quern_last_error();
    return out;
  }

  void make(int64_t m_max, int64_t n, int64_t k) {
    quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
    desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
    desc.m_max = m_max;
    desc.n = n;
    desc.k = k;
    QUERN_ASSERT_OK(quern_gemm_plan(device_, &desc, &plan_));
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<uint8_t> x(static_cast<size_t>(m_max * k) * 2), blocks(static_cast<size_t>(n * k) / 2),
        scales(static_cast<size_t>(n * k) / 32);
    for (size_t i = 0; i < x.size(); i += 2) {
      const uint16_t value = bf16_from_f32(normal(random));
      std::memcpy(&x[i], &value, 2);
    }
    for (uint8_t &byte : blocks) byte = static_cast<uint8_t>(random());
    for (uint8_t &byte : scales) byte = static_cast<uint8_t>(118 + random() % 8);
    y_bytes_ = static_cast<size_t>(m_max * n) * 2;
    args_.m = m_max;
    args_.x = upload(x);
    args_.blocks = upload(blocks);
    args_.scales = upload(scales);
    args_.y = upload(std::vector<uint8_t>(y_bytes_, 0xff));
  }
  void poison() {
    const std::vector<uint8_t> bytes(y_bytes_, 0xff);
    QUERN_ASSERT_OK(quern_device_copy(device_, args_.y, bytes.data(), bytes.size(), nullptr));
  }
  std::vector<uint8_t> result() { return download(args_.y, y_bytes_); }

  quern_hub *hub_ = nullptr;
  quern_device *device_ = nullptr;
  quern_plan *plan_ = nullptr;
  quern_gemm_args args_ = QUERN_GEMM_ARGS_INIT;
  size_t y_bytes_ = 0;

 private:
  std::vector<void *> memory_;
};

}  // namespace quern::gpu_test
