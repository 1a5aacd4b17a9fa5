// Any bytes are a .sig file or none, a public key or none; what is read is written back to the same bytes, and no
// signature that was not made verifies.
#include <cstdint>
#include <cstdlib>

#include "registry/trust/signed_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  const std::string_view file(reinterpret_cast<const char *>(data), size);
  if (const auto signatures = parse_signatures(file)) {
    if (write_signatures(*signatures) != file || signatures->size() > kMaxSignatures) std::abort();
  }
  if (const auto key = PublicKey::parse(file)) {
    if (key->text() != file) std::abort();
    KeySet keys;
    keys.add(*key);
    if (!valid_signers("a message", file, Role::kManifest, keys).empty()) std::abort();
  }
  return 0;
}
