#include "runtime/cuda/driver_api.hpp"

#include "runtime/base/environment.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/shared_library.hpp"

namespace quern::cu {
namespace {

constexpr int kOldestDriver = 12000;  // cuLibraryLoadData and cuKernelGetFunction

struct Driver {
  Api api{};
  std::string missing;
};

std::string why_init_failed(Result result) {
  switch (result) {
    case kNoDevice:
      return "the CUDA driver finds no GPU; check CUDA_VISIBLE_DEVICES and nvidia-smi, or use the device cpu";
    case kStubLibrary:
      return "libcuda.so.1 is the toolkit's stub; take its directory out of LD_LIBRARY_PATH";
    case kSystemDriverMismatch:
      return "libcuda.so.1 does not match the kernel's NVIDIA driver; reboot, or reinstall the driver";
    default:
      return text("cuInit fails with CUDA error ", result, "; check nvidia-smi");
  }
}

std::string open_driver(Api &api) {
  std::string reason;
  const std::string chosen = read_environment().driver_path;
  const std::string file = chosen.empty() ? "libcuda.so.1" : chosen;
  const SharedLibrary library = SharedLibrary::open(file, reason);
  if (!library) {
    return text(file, " not found (", reason,
                "); install the NVIDIA driver, set QUERN_DRIVER_PATH, or use the device cpu");
  }
#define QUERN_FIND(name, symbol, parameters)                              \
  api.name = reinterpret_cast<decltype(api.name)>(library.find(#symbol)); \
  if (api.name == nullptr) return file + " has no " #symbol "; Quern needs driver 525 (CUDA 12.0) or newer";
  QUERN_DRIVER_FUNCTIONS(QUERN_FIND)
#undef QUERN_FIND
  api.has_timing = true;
#define QUERN_FIND(name, symbol, parameters)                              \
  api.name = reinterpret_cast<decltype(api.name)>(library.find(#symbol)); \
  api.has_timing = api.has_timing && api.name != nullptr;
  QUERN_DRIVER_TIMING_FUNCTIONS(QUERN_FIND)
#undef QUERN_FIND
  api.kernel_parameter_info =
      reinterpret_cast<decltype(api.kernel_parameter_info)>(library.find("cuKernelGetParamInfo"));
  if (const Result result = api.init(0); result != kSuccess) return why_init_failed(result);
  if (api.driver_version(&api.version) != kSuccess || api.version < kOldestDriver) {
    return text("the driver supports CUDA ", api.version / 1000, ".", api.version % 1000 / 10,
                "; Quern needs 12.0 or newer");
  }
  return {};
}

const Driver &opened() {
  static const Driver driver = [] {
    Driver result;
    result.missing = open_driver(result.api);
    return result;
  }();
  return driver;
}

}  // namespace

const Api *driver() noexcept {
  try {
    return opened().missing.empty() ? &opened().api : nullptr;
  } catch (...) {
    return nullptr;
  }
}

const char *driver_missing() noexcept {
  try {
    return opened().missing.c_str();
  } catch (...) {
    return "out of memory";
  }
}

const Api &need_driver() {
  const Api *api = driver();
  if (api == nullptr) throw Error(QUERN_CUDA_UNAVAILABLE, driver_missing());
  return *api;
}

void check(Result result, const char *what) {
  if (result == kSuccess) return;
  const char *name = nullptr, *words = nullptr;
  const Api &api = need_driver();
  api.error_name(result, &name);
  api.error_string(result, &words);
  fail(result == kOutOfMemory ? QUERN_OUT_OF_MEMORY : QUERN_CUDA_ERROR, "cannot ", what, ": ",
       name == nullptr ? "CUDA error" : name, " (", result, "): ", words == nullptr ? "unknown" : words);
}

}  // namespace quern::cu
