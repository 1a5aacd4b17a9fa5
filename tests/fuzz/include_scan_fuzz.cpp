// Any bytes are a source of which the includes are known, or a QUERN_BAD_MANIFEST.
#include <cstdint>
#include <cstdlib>

#include "registry/package/include_scan.hpp"
#include "runtime/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  try {
    for (const std::string &name : included_names({reinterpret_cast<const char *>(data), size}, "fuzz")) {
      if (name.empty() || name.find('\n') != std::string::npos) std::abort();
    }
  } catch (const Error &error) {
    if (error.status() != QUERN_BAD_MANIFEST) std::abort();
  }
  return 0;
}
