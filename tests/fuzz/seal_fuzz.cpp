// Any bytes are a seal or a QUERN_CORRUPT; what it names lies below the directory, and written it reads the same.
#include <cstdint>
#include <cstdlib>

#include "registry/cache/seal.hpp"
#include "runtime/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  try {
    const Seal seal = parse_seal({reinterpret_cast<const char *>(data), size}, "fuzz");
    for (const auto &[path, digest] : seal.files) {
      if (path.empty() || path[0] == '/' || path[0] == '.' || path.find("/.") != std::string::npos) std::abort();
      if (path.find('\0') != std::string::npos || digest.size() != 64) std::abort();
    }
    for (const std::string &manifest : seal.manifests) {
      if (!seal.allows_blob(manifest)) std::abort();
    }
    const std::string written = write_seal(seal);
    if (write_seal(parse_seal(written, "again")) != written) std::abort();
  } catch (const Error &error) {
    if (error.status() != QUERN_CORRUPT) std::abort();
  }
  return 0;
}
