// What the stand-in for libcuda.so.1 tells a test about the calls it got. Resolve these with dlsym on the opened
// library.
#pragma once

#include <cstddef>
#include <cstdint>

struct FakeLaunch {
  unsigned grid[3], block[3], cluster[3];
  unsigned shared_bytes;
  void *stream;
  char kernel[128];
  unsigned char parameters[256];
  size_t parameter_bytes;
  int context;  // ordinal of the device whose context was current
};

struct FakeCuda {
  int64_t launches, loads, unloads, primary_retained;
  FakeLaunch last;
};

extern "C" {
FakeCuda *fake_cuda_state();
void fake_cuda_set_current(int device);  // -1: no context
void fake_cuda_fail_next(const char *symbol, int result);
}
