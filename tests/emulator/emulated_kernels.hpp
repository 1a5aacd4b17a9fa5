// The kernels that were compiled for the emulator, by their names in kernel.json.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <quern/gemm_params.h>

namespace emulator {

using KernelCall = std::function<void(const quern::GemmParams &, const quern::TensorMap *maps)>;

struct EmulatedKernel {
  std::string name;
  uint32_t x_dtype;
  std::vector<int64_t> kinds;  // of problems it was compiled for: "specialize" in kernel.json
  KernelCall call;
};
std::vector<EmulatedKernel> &emulated_kernels();

struct Registration {
  Registration(const char *name, uint32_t x_dtype, std::vector<int64_t> kinds, KernelCall call) {
    emulated_kernels().push_back({name, x_dtype, std::move(kinds), std::move(call)});
  }
};

inline KernelCall kernel_call(void (*kernel)(const quern::GemmParams)) {
  return [kernel](const quern::GemmParams &p, const quern::TensorMap *) { kernel(p); };
}
inline KernelCall kernel_call(void (*kernel)(const quern::GemmParams, const quern::TensorMap)) {
  return [kernel](const quern::GemmParams &p, const quern::TensorMap *maps) { kernel(p, maps[0]); };
}
inline KernelCall kernel_call(void (*kernel)(const quern::GemmParams, const quern::TensorMap, const quern::TensorMap)) {
  return [kernel](const quern::GemmParams &p, const quern::TensorMap *maps) { kernel(p, maps[0], maps[1]); };
}

}  // namespace emulator
