#include "cli/cuda_driver.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "cli/failure.hpp"

namespace quern::cli::cuda {
namespace {

Driver open_driver() {
  const char *chosen = std::getenv("QUERN_DRIVER_PATH");
  const std::string file = chosen != nullptr && *chosen != '\0' ? chosen : "libcuda.so.1";
  // Never closed: libquern uses it too.
  void *const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char *reason = ::dlerror();
    fail(kNoGpu, file, " not found (", reason == nullptr ? "unknown error" : reason,
         "); install the NVIDIA driver, set QUERN_DRIVER_PATH, or use the device cpu");
  }
  Driver driver{};
#define QUERN_FIND(name, symbol, parameters)                                        \
  driver.name = reinterpret_cast<decltype(driver.name)>(::dlsym(library, #symbol)); \
  if (driver.name == nullptr)                                                       \
    fail(kNoGpu, file, " has no " #symbol "; benchmarks need driver 525 (CUDA 12.0) or newer");
  QUERN_BENCH_DRIVER_FUNCTIONS(QUERN_FIND)
#undef QUERN_FIND
#define QUERN_FIND(name, symbol, parameters)                                        \
  driver.name = reinterpret_cast<decltype(driver.name)>(::dlsym(library, #symbol)); \
  driver.has_modules = driver.has_modules && driver.name != nullptr;
  QUERN_BENCH_DRIVER_MODULE_FUNCTIONS(QUERN_FIND)
#undef QUERN_FIND
  driver.check(driver.init(0), "start the CUDA driver");
  return driver;
}

}  // namespace

void Driver::check(Result result, const char *what) const {
  if (result == kSuccess) return;
  const char *name = nullptr, *words = nullptr;
  error_name(result, &name);
  error_string(result, &words);
  fail(kFailed, "cannot ", what, ": ", name == nullptr ? "CUDA error" : name, " (", result,
       "): ", words == nullptr ? "unknown" : words);
}

const Driver &driver() {
  static const Driver opened = open_driver();
  return opened;
}

}  // namespace quern::cli::cuda
