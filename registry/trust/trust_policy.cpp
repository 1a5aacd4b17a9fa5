#include "registry/trust/trust_policy.hpp"

#include <algorithm>

#include "registry/format/package_path.hpp"
#include "registry/format/strict_document.hpp"
#include "registry/trust/operator_file.hpp"

namespace quern {
namespace {

// "acme/*", or one package.
bool is_pattern(const std::string &pattern) {
  return is_package_id(pattern) ||
         (pattern.ends_with("/*") && is_package_id(pattern.substr(0, pattern.size() - 1) + "a"));
}

bool matches(const std::string &pattern, const std::string &id) {
  if (!pattern.ends_with("/*")) return pattern == id;
  return id.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
}

// A signature holds for a manifest as it is; that the manifest is of the package asked for is another matter.
std::string identity_problem(const std::string &id, std::string_view manifest) {
  try {
    const Json json = parse_strict(manifest, "the manifest");
    JsonObject root(json, "");
    const std::string own = root.need_string("id");
    return own == id ? "" : "its manifest is of " + own + "; ask who runs the registry";
  } catch (const Error &error) {
    return error.what();
  }
}

}  // namespace

const char *trust_name(Trust trust) {
  constexpr const char *kNames[] = {"refused", "local", "locked", "signed", "builtin"};
  return kNames[static_cast<size_t>(trust)];
}

TrustPolicy TrustPolicy::load(const std::filesystem::path &path) {
  const auto document = read_operator_file(path, kMaxJsonBytes);
  return document ? parse(*document, path.string()) : TrustPolicy();
}

TrustPolicy TrustPolicy::parse(std::string_view document, const std::string &what) {
  return read_document(document, what, QUERN_INVALID_ARGUMENT, kMaxJsonBytes, [](JsonObject &root) {
    TrustPolicy policy;
    if (const Json *publishers = root.find("publishers")) {
      const JsonObject checked(*publishers, "publishers");
      for (const auto &[name, item] : checked.members()) {
        if (!is_package_id(name + "/x")) {
          fail(QUERN_INVALID_ARGUMENT,
               "publishers has a name that is not of letters, digits, '-', '_' and '.'; rename it");
        }
        JsonObject object(item, checked.path(name));
        Publisher publisher;
        for (const Json &key : object.need_array("keys", 1, kMaxSignatures)) {
          const auto parsed = PublicKey::parse(as_string(key, object.path("keys")));
          if (!parsed)
            fail(QUERN_INVALID_ARGUMENT, object.path("keys"), " has what is no Ed25519 public key; give 64 hex digits");
          publisher.keys.add(*parsed);
        }
        const auto count = static_cast<int64_t>(publisher.keys.keys.size());
        publisher.keys.threshold = static_cast<size_t>(object.integer_or("threshold", 1, 1, count));
        for (const Json &pattern : object.need_array("allow", 1, 256)) {
          publisher.allow.push_back(as_string(pattern, object.path("allow")));
          if (!is_pattern(publisher.allow.back())) {
            fail(QUERN_INVALID_ARGUMENT, object.path("allow"), " has \"", publisher.allow.back(),
                 "\"; write owner/name or owner/*");
          }
        }
        object.finish();
        policy.publishers_.emplace(name, std::move(publisher));
      }
    }
    if (root.find("revoked") != nullptr) {
      for (const Json &item : root.need_array("revoked", 0, 2048)) {
        const std::string digest = as_string(item, "revoked");
        if (!is_hex_digest(digest)) {
          fail(QUERN_INVALID_ARGUMENT, "revoked has \"", digest,
               "\"; write the digest of a manifest or the id of a key");
        }
        policy.revoked_.insert(digest);
      }
    }
    return policy;
  });
}

Verdict TrustPolicy::judge(const std::string &id, std::string_view manifest, std::string_view signatures,
                           bool locked) const {
  const std::string digest = hex(sha256(as_bytes(manifest)));
  if (is_revoked(digest)) return {Trust::kRefused, "", id + " is revoked by trust.json: use another build"};
  Verdict verdict = judge_signatures(id, manifest, signatures);
  if (verdict.trust == Trust::kRefused && locked) {
    verdict.trust = Trust::kLocked;
    verdict.reason = verdict.reason.substr(0, verdict.reason.rfind(": ")) + ": its lock vouches for it";
  }
  if (verdict.trust == Trust::kRefused) return verdict;
  if (const std::string problem = identity_problem(id, manifest); !problem.empty()) {
    return {Trust::kRefused, "", id + " is not what it should be: " + problem};
  }
  return verdict;
}

Verdict TrustPolicy::judge_signatures(const std::string &id, std::string_view manifest,
                                      std::string_view signatures) const {
  if (signatures.empty()) return {Trust::kRefused, "", id + " is not signed: ask its author to sign it, or lock it"};
  if (!parse_signatures(signatures)) return {Trust::kRefused, "", id + " has a malformed .sig file: fetch it again"};
  Verdict verdict{Trust::kRefused, "", id + " is signed by nobody you trust: add a publisher to trust.json"};
  for (const auto &[name, publisher] : publishers_) {
    const bool allowed = std::any_of(publisher.allow.begin(), publisher.allow.end(),
                                     [&](const std::string &pattern) { return matches(pattern, id); });
    const std::vector<std::string> signers = valid_signers(manifest, signatures, Role::kManifest, publisher.keys);
    if (signers.empty()) continue;
    const auto good = static_cast<size_t>(
        std::count_if(signers.begin(), signers.end(), [&](const std::string &key) { return !is_revoked(key); }));
    if (!allowed) {
      verdict.reason =
          text(id, " is signed by ", name, ", whom trust.json allows other packages only: add it to allow");
    } else if (good >= publisher.keys.threshold) {
      return {Trust::kSigned, name, ""};
    } else if (good < signers.size()) {
      verdict.reason = text(id, " is signed by ", name, " with a key that trust.json revokes: ask for a new signature");
    } else {
      verdict.reason = text(id, " is signed by ", good, " keys of ", name, " and trust.json wants ",
                            publisher.keys.threshold, ": ask for the others");
    }
  }
  return verdict;
}

}  // namespace quern
