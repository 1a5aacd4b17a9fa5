// Any bytes are a cache entry or none. Since no fuzzer guesses a SHA-256, the bytes are also tried with theirs behind
// them.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "registry/cache/cache_entry.hpp"
#include "runtime/base/sha256.hpp"

namespace {

void decode(const std::vector<uint8_t> &bytes) {
  const auto entry = quern::decode_entry(bytes);
  if (entry && entry->code.size() > bytes.size()) std::abort();
  // What a stranger wrote may read otherwise, but what was read is written and read again as it is.
  if (entry && quern::decode_entry(quern::encode_entry(*entry))->code != entry->code) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  decode(bytes);
  const quern::Digest digest = quern::sha256(bytes);
  bytes.insert(bytes.end(), digest.begin(), digest.end());
  decode(bytes);
  return 0;
}
