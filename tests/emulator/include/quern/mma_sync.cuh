#pragma once

#include <quern/mxfp4.h>

namespace quern {

template <uint32_t kDtype>
void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct Lane {
    float *c;
    const uint32_t *a;
    uint32_t b[2];
  } own{c, a, {b0, b1}};
  emulator::meet("mma.sync", &own, [](emulator::Brought brought) {
    const auto element = [](uint32_t pair, int index) {
      const auto bits = static_cast<uint16_t>(pair >> (16 * index));
      return kDtype == kBf16 ? f32_from_bits(static_cast<uint32_t>(bits) << 16) : f32_from_f16(bits);
    };
    float left[16][16], right[16][8];
    for (int lane = 0; lane < 32; ++lane) {
      const auto &from = *static_cast<const Lane *>(brought[lane]);
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 2; ++j) left[lane / 4 + i % 2 * 8][lane % 4 * 2 + i / 2 * 8 + j] = element(from.a[i], j);
      }
      for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) right[lane % 4 * 2 + 8 * i + j][lane / 4] = element(from.b[i], j);
      }
    }
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 4; ++i) {
        float &sum = static_cast<const Lane *>(brought[lane])->c[i];
        for (int k = 0; k < 16; ++k) sum += left[lane / 4 + i / 2 * 8][k] * right[k][lane % 4 * 2 + i % 2];
      }
    }
  });
}

}  // namespace quern
