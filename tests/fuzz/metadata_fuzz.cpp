// Any bytes are a root, a timestamp, a snapshot or a QUERN_CORRUPT, and what is read is written to what reads the same.
#include <cstdint>
#include <cstdlib>

#include "registry/trust/metadata_format.hpp"
#include "runtime/base/error.hpp"

namespace {

template <typename Parse, typename Write>
void check(std::string_view file, Parse parse, Write write) {
  try {
    const std::string written = write(parse(file, "fuzz"));
    if (write(parse(written, "again")) != written) std::abort();
  } catch (const quern::Error &error) {
    if (error.status() != QUERN_CORRUPT) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  const std::string_view file(reinterpret_cast<const char *>(data), size);
  check(file, parse_root, write_root);
  check(file, parse_timestamp, write_timestamp);
  check(file, parse_snapshot, write_snapshot);
  return 0;
}
