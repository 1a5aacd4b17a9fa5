// Any bytes are an index or a QUERN_CORRUPT, and what is read is written back to the same release.
#include <cstdint>
#include <cstdlib>

#include "registry/trust/release.hpp"
#include "runtime/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  const std::string_view file(reinterpret_cast<const char *>(data), size);
  try {
    const PackageIndex index = parse_index(file, "acme/gemm", "fuzz");
    for (const Release &release : index.releases) {
      std::string line = write_release(release);
      if (line.find('\n') != line.size() - 1) std::abort();
      line.pop_back();
      if (parse_release(line, "again") != release) std::abort();
      if (release.id != "acme/gemm" || release.version < 1 || release.build < 1) std::abort();
      const ReleaseChoice choice = choose_version(index.releases, release.version);
      if (choice.release && (choice.release->yanked || !choice.release->revoked.empty())) std::abort();
    }
  } catch (const Error &error) {
    if (error.status() != QUERN_CORRUPT) std::abort();
  }
  return 0;
}
