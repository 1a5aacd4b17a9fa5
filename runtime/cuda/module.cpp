#include "runtime/cuda/module.hpp"

#include "runtime/base/error.hpp"

namespace quern {
namespace {

// The compiler's record was held to all parameters in bytes; the first must be the operation's block.
void check_parameters(const cu::Api &api, cu::Kernel kernel, size_t expected, const std::string &name) {
  if (api.kernel_parameter_info == nullptr) return;  // before 12.4
  size_t offset = 0, size = 0;
  if (expected > 0 && (api.kernel_parameter_info(kernel, 0, &offset, &size) != cu::kSuccess || size != expected)) {
    fail(QUERN_BAD_MANIFEST, name, " takes a first parameter of ", size, " bytes, not its operation's block of ",
         expected, " bytes; correct the kernel");
  }
}

}  // namespace

Module::Module(std::span<const uint8_t> code, const std::string &entry, size_t block_bytes, const std::string &kernel) {
  const cu::Api &api = cu::need_driver();
  char log[2048] = "";
  int option_names[] = {cu::kJitErrorLogBuffer, cu::kJitErrorLogBufferSizeBytes};
  void *option_values[] = {log, reinterpret_cast<void *>(sizeof log)};
  const std::string terminated(reinterpret_cast<const char *>(code.data()), code.size());  // PTX ends in a zero byte
  const cu::Result result =
      api.library_load(&library_, terminated.c_str(), option_names, option_values, 2, nullptr, nullptr, 0);
  if (result != cu::kSuccess) {
    log[sizeof log - 1] = '\0';
    const std::string what = "load " + kernel + (log[0] == '\0' ? "" : std::string(" (") + log + ")");
    cu::check(result, what.c_str());
  }
  try {
    if (api.library_kernel(&kernel_, library_, entry.c_str()) != cu::kSuccess) {
      fail(QUERN_BAD_MANIFEST, kernel, " has no kernel ", entry, "; declare it extern \"C\" __global__");
    }
    check_parameters(api, kernel_, block_bytes, kernel);
  } catch (...) {
    api.library_unload(library_);
    throw;
  }
}

Module::~Module() { cu::need_driver().library_unload(library_); }  // a failure at process exit is of no interest

void Module::prepare(cu::Device device, int64_t shared_bytes) const {
  const cu::Api &api = cu::need_driver();
  {
    const std::lock_guard lock(mutex_);
    int64_t &most = shared_bytes_[device];
    if (shared_bytes > most) {
      cu::check(
          api.kernel_set_attribute(cu::kMaxDynamicSharedSizeBytes, static_cast<int>(shared_bytes), kernel_, device),
          "reserve shared memory");
      most = shared_bytes;
    }
  }
  cu::Function function = nullptr;
  cu::check(api.kernel_function(&function, kernel_), "load a kernel");
  int ignored = 0;
  cu::check(api.function_attribute(&ignored, cu::kMaxDynamicSharedSizeBytes, function), "load a kernel");
}

}  // namespace quern
