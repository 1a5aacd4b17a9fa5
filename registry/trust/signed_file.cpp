#include "registry/trust/signed_file.hpp"

#include <set>

#include "runtime/base/error.hpp"

namespace quern {

std::vector<std::string> valid_signers(std::string_view file, std::string_view signatures, Role role,
                                       const KeySet &keys) {
  const auto parsed = parse_signatures(signatures);
  if (!parsed) return {};
  const std::string message = signed_message(role, file);
  std::set<std::string> signers;
  for (const KeySignature &each : *parsed) {
    const auto key = keys.keys.find(each.key_id);
    if (key == keys.keys.end() || signers.count(each.key_id) != 0) continue;
    if (verify(key->second, message, each.signature)) signers.insert(each.key_id);
  }
  return {signers.begin(), signers.end()};
}

bool is_signed(std::string_view file, std::string_view signatures, Role role, const KeySet &keys) {
  return keys.threshold > 0 && valid_signers(file, signatures, role, keys).size() >= keys.threshold;
}

void require_signed(std::string_view file, std::string_view signatures, Role role, const KeySet &keys,
                    const std::string &what) {
  if (is_signed(file, signatures, role, keys)) return;
  if (!parse_signatures(signatures)) {
    fail(QUERN_UNTRUSTED, what, ": its .sig file is malformed, so nothing says who wrote it; fetch it again");
  }
  fail(QUERN_UNTRUSTED, what, " has ", valid_signers(file, signatures, role, keys).size(),
       " valid signatures for role ", role_name(role), " by the ", keys.keys.size(),
       " keys trusted with it, and needs ", keys.threshold,
       "; ask who runs the registry, or correct its keys in config.json");
}

}  // namespace quern
