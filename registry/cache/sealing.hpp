// Making a seal: what a deployment needs is read, checked and listed, and the list is signed.
#pragma once

#include <set>
#include <string>

#include "registry/cache/seal.hpp"

namespace quern {

struct SealRequest {
  std::set<std::string> entries;    // "<request>.<build>.qkc"
  std::set<std::string> manifests;  // digests; the files that they name, and their signatures, come with them
  std::set<std::string> refs;       // "owner/name/v1"; the manifests that they lead to come with them
  std::set<std::string> tuned;      // "<digest>.json"
  int64_t expires = 0;              // 0: never
};

// All that a directory holds.
SealRequest everything_in(const Directory &directory);

// Throws QUERN_NOT_FOUND for what the directory lacks and QUERN_CORRUPT for what is damaged, naming the file;
// QUERN_INVALID_ARGUMENT for a name that is none, or an expiry that has passed.
Seal make_seal(const Directory &directory, const SealRequest &request, int64_t now);

// Replaces the directory's seal. At each moment the one that was or the one that is to be is there and signed. Throws
// QUERN_IO_ERROR, also if somebody else is just sealing it.
void publish_seal(const Directory &directory, const Seal &seal, const SecretKey &key);

}  // namespace quern
