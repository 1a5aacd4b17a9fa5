// Activations of a GEMM's epilogue, in f32, for host and device.
#pragma once

#include <math.h>
#include <quern/types.h>

namespace quern {

// ABI: the numbers of quern_activation.
enum Activation : uint8_t {
  kActivationNone = 0,
  kActivationRelu = 1,
  kActivationSilu = 2,
  kActivationGelu = 3,      // x/2 (1 + erf(x / sqrt 2))
  kActivationGeluTanh = 4,  // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
};

QUERN_HOST_DEVICE float activate(uint32_t activation, float x) {
  if (activation == kActivationRelu) return x < 0.0f ? 0.0f : x;  // NaN stays
  if (activation == kActivationSilu) return x / (1.0f + expf(-x));
  if (activation == kActivationGelu) return 0.5f * x * (1.0f + erff(x * 0.70710678f));
  if (activation == kActivationGeluTanh) {
    return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
  }
  return x;
}

}  // namespace quern
