// wgmma of one warp: its sixteen rows of the instruction's 64, B from shared memory.
#include <cstring>

#include <quern/e4m3.h>
#include <quern/mxfp4.h>

#include "emulator/gpu_state.hpp"

namespace emulator {
namespace {

using namespace quern;

constexpr uint32_t kPoison = 0x7fedcba9u;  // a NaN

float element(uint32_t dtype, const uint8_t *bytes, int index) {
  if (dtype == kE4m3) return f32_from_e4m3(bytes[index]);
  uint16_t bits;
  std::memcpy(&bits, bytes + 2 * index, 2);
  return dtype == kBf16 ? f32_from_bits(static_cast<uint32_t>(bits) << 16) : f32_from_f16(bits);
}

// A is E5M2 where B is E4M3: the upper half of an f16.
float weight(uint32_t dtype, const uint8_t *bytes, int index) {
  if (dtype == kE4m3) return f32_from_f16(static_cast<uint16_t>(bytes[index] << 8));
  return element(dtype, bytes, index);
}

// Of a K-major tile whose rows of 128 bytes are swizzled by 128 bytes (wgmma.cuh).
const uint8_t *token_bytes(int cta, uint64_t descriptor, int token, int chunk) {
  const uint32_t start = static_cast<uint32_t>(descriptor & 0x3fffu) << 4;
  const uint32_t linear = start + static_cast<uint32_t>(token / 8 * 1024 + token % 8 * 128 + chunk * 16);
  return shared_of(cta, swizzled(linear) - kSharedBase);
}

void multiply(Cta &cta, int rank, Warp &warp, int first_thread, WgmmaOfWarp &work) {
  const Wgmma &operation = work.operation;
  const int elements = operation.dtype == kE4m3 ? 4 : 2, k_size = 8 * elements;  // of a register; of a step
  float a[16][32] = {}, b[256][32];
  for (int lane = 0; lane < 32; ++lane) {
    if (std::memcmp(work.fragments[lane], work.copies[lane], 16) != 0) fault("a fragment changed under way of wgmma");
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i % 2 * 8, first = lane % 4 * elements + i / 2 * 4 * elements;
      const auto *bytes = reinterpret_cast<const uint8_t *>(&work.copies[lane][i]);
      for (int j = 0; j < elements; ++j) a[row][first + j] = weight(operation.dtype, bytes, j);
    }
  }
  for (int token = 0; token < operation.tokens; ++token) {
    for (int k = 0; k < k_size; ++k) {
      const int in_chunk = 4 * elements;
      b[token][k] =
          element(operation.dtype, token_bytes(rank, operation.descriptor, token, k / in_chunk), k % in_chunk);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    Thread &thread = *cta.threads[static_cast<size_t>(first_thread + lane)];
    std::vector<float> &sums = thread.sums.at(work.sums[lane]).values;
    for (int i = 0; i < operation.tokens / 2; ++i) {
      const int row = lane / 4 + i % 4 / 2 * 8, token = i / 4 * 8 + lane % 4 * 2 + i % 2;
      float sum = operation.accumulate ? sums[static_cast<size_t>(i)] : 0.0f;
      for (int k = 0; k < k_size; ++k) sum += a[row][k] * b[token][k];
      sums[static_cast<size_t>(i)] = sum;
    }
  }
  ++warp.wgmma_done;
}

void multiply_to(size_t end) {
  Cta &cta = cluster->cta();
  Warp &warp = cluster->warp();
  const int first = static_cast<int>(cluster->running->index.x / 32 * 32);
  while (warp.wgmma_done < end) multiply(cta, cluster->running->cta, warp, first, warp.wgmma[warp.wgmma_done]);
}

}  // namespace

void wgmma(const Wgmma &operation, float *sums, const uint32_t *fragment) {
  Thread &thread = *cluster->running;
  Warp &warp = cluster->warp();
  const unsigned lane = cluster->lane();
  const auto count = static_cast<size_t>(operation.tokens / 2);
  SumsUnderWay &under_way = thread.sums[sums];
  if (under_way.operations++ == 0) {
    under_way.values.assign(sums, sums + count);
    for (size_t i = 0; i < count; ++i) std::memcpy(sums + i, &kPoison, 4);
  }
  const size_t index = thread.wgmma_issued++;
  if (warp.wgmma.size() <= index) warp.wgmma.emplace_back();
  WgmmaOfWarp &work = warp.wgmma[index];
  if (work.lanes++ == 0) work.operation = operation;
  if (std::memcmp(&work.operation.descriptor, &operation.descriptor, 8) != 0 ||
      work.operation.accumulate != operation.accumulate || work.operation.tokens != operation.tokens) {
    fault("the lanes of a warp ask for different wgmma");
  }
  work.sums[lane] = sums;
  work.fragments[lane] = fragment;
  std::memcpy(work.copies[lane], fragment, 16);
  if (work.lanes == 32 && cluster->chance(3)) multiply_to(index + 1);
}

void wgmma_commit() { cluster->running->wgmma_groups.push_back(cluster->running->wgmma_issued); }

void wgmma_wait(size_t pending) {
  Thread &thread = *cluster->running;
  Warp &warp = cluster->warp();
  size_t end = thread.wgmma_seen;
  while (thread.wgmma_groups.size() > pending) {
    end = thread.wgmma_groups.front();
    thread.wgmma_groups.pop_front();
  }
  if (end == thread.wgmma_seen) return;
  wait_until([&warp, end] { return warp.wgmma.size() >= end && warp.wgmma[end - 1].lanes == 32; }, "wgmma");
  multiply_to(end);
  for (; thread.wgmma_seen < end; ++thread.wgmma_seen) {
    float *sums = warp.wgmma[thread.wgmma_seen].sums[cluster->lane()];
    const auto under_way = thread.sums.find(sums);
    if (--under_way->second.operations > 0) continue;
    for (size_t i = 0; i < under_way->second.values.size(); ++i) {
      uint32_t bits;
      std::memcpy(&bits, sums + i, 4);
      if (bits != kPoison) fault("a sum changed while wgmma were under way");
    }
    std::memcpy(sums, under_way->second.values.data(), 4 * under_way->second.values.size());
    thread.sums.erase(under_way);
  }
}

}  // namespace emulator
