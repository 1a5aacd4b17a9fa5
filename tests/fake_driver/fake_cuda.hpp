// What the stand-in for libcuda.so.1 tells a test about the calls it got. Resolve these with dlsym on the opened
// library.
#pragma once

#include <cstddef>
#include <cstdint>

struct FakeLaunch {
  unsigned grid[3], block[3], cluster[3];
  unsigned shared_bytes;
  int programmatic_stream_serialization;
  void *stream;
  char kernel[128];
  unsigned char parameters[256];  // the first
  size_t parameter_bytes;
  int tensor_maps;  // passed after it
  int context;      // ordinal of the device whose context was current
};

// The last tensor that was described for TMA.
struct FakeTensorMap {
  int data_type, swizzle;
  unsigned rank;
  void *address;
  uint64_t dimensions[3], strides[2];
  uint32_t box[3];
};

struct FakeCuda {
  int64_t launches, loads, unloads, primary_retained;
  FakeLaunch last, before_last;
  FakeTensorMap last_map;
};

extern "C" {
FakeCuda *fake_cuda_state();
void fake_cuda_set_current(int device);  // -1: no context
void fake_cuda_fail_next(const char *symbol, int result);
}
