// Whether enough of the right keys signed a file, decided over its raw bytes before anything parses them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "registry/trust/signature.hpp"

namespace quern {

// Keys of whom at least `threshold` must sign.
struct KeySet {
  std::map<std::string, PublicKey> keys;  // by key id
  size_t threshold = 1;

  void add(const PublicKey &key) { keys.emplace(key.id(), key); }
  friend bool operator==(const KeySet &, const KeySet &) = default;
};

// Ids of the keys of the set that signed, each once however often it did. None if `signatures` is no .sig file.
std::vector<std::string> valid_signers(std::string_view file, std::string_view signatures, Role role,
                                       const KeySet &keys);

// Throws QUERN_UNTRUSTED if fewer than the threshold signed; `what` names the file.
void require_signed(std::string_view file, std::string_view signatures, Role role, const KeySet &keys,
                    const std::string &what);
bool is_signed(std::string_view file, std::string_view signatures, Role role, const KeySet &keys);

}  // namespace quern
