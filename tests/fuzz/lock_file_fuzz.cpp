// Any bytes are a lock file of one of three forms or a QUERN_INVALID_ARGUMENT, and what pins bytes is written to a file
// that reads the same.
#include <cstdint>
#include <cstdlib>

#include "registry/trust/lock_file.hpp"
#include "runtime/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  try {
    const LockFile lock = parse_lock_file({reinterpret_cast<const char *>(data), size}, "fuzz");
    std::vector<LockedKernel> pinned;
    for (const LockedKernel &kernel : lock.kernels) {
      if (!kernel.pins_bytes()) continue;
      if (kernel.files.at("kernel.json") != kernel.manifest) std::abort();
      for (const auto &[path, digest] : kernel.files) {
        if (path.empty() || path[0] == '/' || path[0] == '.' || path.find("/.") != std::string::npos) std::abort();
      }
      pinned.push_back(kernel);
    }
    const std::string written = write_lock_file(pinned);
    if (write_lock_file(parse_lock_file(written, "again").kernels) != written) std::abort();
  } catch (const Error &error) {
    if (error.status() != QUERN_INVALID_ARGUMENT) std::abort();
  }
  return 0;
}
