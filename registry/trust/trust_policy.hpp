// Whose packages may run: trust.json, and the judgement of one package by it. What it does not allow is refused.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "registry/trust/signed_file.hpp"
#include "registry/trust/trust.hpp"

namespace quern {

struct Verdict {
  Trust trust = Trust::kRefused;
  std::string signer;  // the publisher, if signed
  std::string reason;  // why refused, or why locked and not signed: a sentence
};

class TrustPolicy {
 public:
  TrustPolicy() = default;  // trusts nobody
  // No file is a policy that trusts nobody. Throws QUERN_INVALID_ARGUMENT, QUERN_IO_ERROR, QUERN_UNTRUSTED.
  static TrustPolicy load(const std::filesystem::path &path);
  static TrustPolicy parse(std::string_view document, const std::string &what);

  // `manifest` and `signatures` are the bytes of kernel.json and kernel.json.sig as they came ("" for no signature);
  // `locked` says that a lock file names this very manifest.
  Verdict judge(const std::string &id, std::string_view manifest, std::string_view signatures, bool locked) const;
  bool is_revoked(const std::string &digest) const { return revoked_.count(digest) != 0; }

 private:
  struct Publisher {
    KeySet keys;
    std::vector<std::string> allow;
  };
  Verdict judge_signatures(const std::string &id, std::string_view manifest, std::string_view signatures) const;

  std::map<std::string, Publisher> publishers_;
  std::set<std::string> revoked_;  // manifest digests and key ids
};

}  // namespace quern
