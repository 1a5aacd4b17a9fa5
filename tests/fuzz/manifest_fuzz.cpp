// Any bytes are a manifest or a QUERN_BAD_MANIFEST, and the arithmetic of what is accepted gives a number for every
// problem.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "registry/package/manifest.hpp"
#include "runtime/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  try {
    const Manifest manifest = parse_manifest({reinterpret_cast<const char *>(data), size}, "fuzz");
    if (manifest.operation == nullptr || manifest.files.empty() || manifest.variants.empty()) std::abort();
    for (const ManifestFile &file : manifest.files) {
      if (file.path.empty() || file.path[0] == '/' || file.path.find("..") == 0 ||
          file.path.find("/.") != std::string::npos) {
        std::abort();
      }
    }
    for (const Variant &variant : manifest.variants) {
      if (variant.accepts.size() != manifest.operation->fields.size()) std::abort();
      if (static_cast<uint64_t>(variant.launch.block[0]) * variant.launch.block[1] * variant.launch.block[2] > 1024)
        std::abort();
      variant.archs_text();
      for (const int64_t value : {INT64_C(0), INT64_C(1), INT64_C(2880), INT64_C(1) << 40, INT64_MAX, INT64_MIN}) {
        std::array<int64_t, kSlots> slots;
        slots.fill(value);
        for (const Expression &grid : variant.launch.grid) grid.evaluate(slots);
        variant.launch.shared_bytes.evaluate(slots);
        variant.workspace_bytes.evaluate(slots);
        for (size_t i = 0; i < variant.accepts.size(); ++i)
          variant.accepts[i].refuse(manifest.operation->fields[i], value);
      }
    }
  } catch (const Error &error) {
    if (error.status() != QUERN_BAD_MANIFEST || std::strncmp(error.what(), "fuzz: ", 6) != 0) std::abort();
  }
  return 0;
}
