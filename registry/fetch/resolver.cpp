#include "registry/fetch/resolver.hpp"

#include <map>

#include "registry/package/published_package.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr size_t kMaxManifestBytes = 256 << 10;

// For packages that must be in the cache.
std::string not_cached(const ManifestFile &file) {
  fail(QUERN_OFFLINE, "the cache lacks the file with sha256 ", file.sha256,
       " and the network is forbidden; run quern prefetch where it is not");
}

}  // namespace

RegistryClient &Resolver::registry_of(const LockedKernel &kernel) {
  for (const auto &registry : registries_) {
    const bool fits = kernel.commit.empty() || registry->has_commits();
    if (kernel.registry.empty() ? fits : registry->name() == kernel.registry) return *registry;
  }
  if (kernel.registry.empty()) {
    fail(QUERN_NOT_FOUND, kernel.id, " is locked by a commit, and config.json names no registry hf://; add it");
  }
  fail(QUERN_NOT_FOUND, kernel.id, " is locked from registry \"", kernel.registry,
       "\", which config.json does not name; add it");
}

std::string Resolver::revoked(const std::string &id, const std::string &manifest) {
  for (const auto &registry : registries_) {
    if (const std::string reason = registry->revoked(id, manifest); !reason.empty()) {
      return text(id, " ", manifest, " was revoked: ", reason, "; resolve a newer build");
    }
  }
  return {};
}

Verdict Resolver::judge(const std::string &id, const std::string &manifest, bool locked) {
  if (const std::string reason = revoked(id, manifest); !reason.empty()) return {Trust::kRefused, "", reason};
  const std::optional<std::string> document = blobs_.read(manifest, kMaxManifestBytes);
  if (!document) return {Trust::kRefused, "", id + " is not whole in the cache; fetch it again"};
  return policy_.judge(id, *document, blobs_.signatures(id, manifest).value_or(""), locked);
}

// Judges the manifest, then reads it, then brings its files together, and keeps all.
ResolvedPackage Resolver::install(const std::string &id, FoundRelease found, const LockedKernel *lock,
                                  const ResolveRules &rules) {
  const std::string digest = hex(sha256(as_bytes(found.manifest)));
  if (lock != nullptr && lock->pins_bytes() && digest != lock->manifest) {
    fail(QUERN_LOCK_MISMATCH, id, ": kernel.json has sha256 ", digest, " and is locked with ", lock->manifest,
         "; run quern lock again if the change is meant");
  }
  if (const std::string reason = revoked(id, digest); !reason.empty()) fail(QUERN_UNTRUSTED, reason);
  if (found.signatures.empty()) found.signatures = blobs_.signatures(id, digest).value_or("");
  ResolvedPackage resolved;
  const bool vouched_for = rules.unsigned_too || (lock != nullptr && lock->pins_bytes());
  resolved.verdict = policy_.judge(id, found.manifest, found.signatures, vouched_for);
  if (resolved.verdict.trust == Trust::kRefused) fail(QUERN_UNTRUSTED, resolved.verdict.reason);

  const std::string registry = found.registry.empty() && lock != nullptr ? lock->registry : found.registry;
  const std::string origin = text(registry.empty() ? "the cache" : "registry " + registry, ": ", id);
  Manifest manifest = parse_published_manifest(found.manifest, origin + "/kernel.json");
  if (manifest.id != id || (lock != nullptr && lock->version != 0 && manifest.version != lock->version)) {
    fail(QUERN_UNTRUSTED, origin, " is ", manifest.id, " version ", manifest.version, ", not what was asked for");
  }
  std::map<std::string, std::string> files, digests{{"kernel.json", digest}};
  for (const ManifestFile &file : manifest.files) {
    std::optional<std::string> bytes = blobs_.read(file.sha256);
    if (!bytes) {
      bytes = found.fetch(file);
      resolved.fetched = true;
      std::string problem;
      if (!blobs_.put(file.sha256, *bytes, &problem)) {
        log_.write(QUERN_LOG_WARN, "fetch", "cannot keep ", id, "/", file.path, ": ", problem);
      }
    }
    digests[file.path] = file.sha256;
    files[file.path] = std::move(*bytes);
  }
  if (lock != nullptr && lock->pins_bytes()) require_locked(*lock, digests);
  const auto package = make_package(manifest, origin, files);  // may refuse it: then what was resolved before stays
  std::string problem;
  const bool kept = blobs_.put(digest, found.manifest, &problem) &&
                    (found.signatures.empty() || blobs_.keep_signatures(id, digest, found.signatures, &problem)) &&
                    blobs_.set_ref(id, manifest.version, digest, &problem);
  if (!kept) log_.write(QUERN_LOG_WARN, "fetch", "cannot keep ", id, ": ", problem);

  resolved.pin.id = id;
  resolved.pin.version = manifest.version;
  resolved.pin.commit = found.commit;
  resolved.pin.registry = registry;
  resolved.pin.build = manifest.build;
  resolved.pin.manifest = digest;
  resolved.pin.size = static_cast<int64_t>(found.manifest.size());
  resolved.pin.files = std::move(digests);
  package->trust = resolved.verdict.trust;
  package->signer = resolved.verdict.signer;
  package->identity = resolved.pin.manifest;
  resolved.package = package;
  return resolved;
}

ResolvedPackage Resolver::resolve(const LockedKernel &kernel, const ResolveRules &rules) {
  std::optional<std::string> manifest;
  if (kernel.pins_bytes()) manifest = blobs_.read(kernel.manifest, kMaxManifestBytes);
  if (!manifest) {
    if (rules.offline) {
      for (const auto &registry : registries_) {
        if (auto held = registry->pinned_offline(kernel)) return install(kernel.id, std::move(*held), &kernel, rules);
      }
      fail(QUERN_OFFLINE, kernel.id,
           " is locked and not in the cache, and the network is forbidden; run quern prefetch ",
           "--lock where it is not");
    }
    return install(kernel.id, registry_of(kernel).pinned(kernel), &kernel, rules);
  }
  FoundRelease found;
  found.manifest = std::move(*manifest);
  if (rules.offline) {
    found.fetch = not_cached;
  } else {
    found.fetch = [this, &kernel, source = FoundRelease()](const ManifestFile &file) mutable {
      if (!source.fetch) source = registry_of(kernel).pinned(kernel);  // once, and only if something is missing
      return source.fetch(file);
    };
  }
  return install(kernel.id, std::move(found), &kernel, rules);
}

// What the version was when it was last resolved.
ResolvedPackage Resolver::resolve_remembered(const PackageRequest &request, const ResolveRules &rules) {
  const std::string digest =
      request.digest.empty() ? blobs_.ref(request.id, request.version).value_or("") : request.digest;
  std::optional<std::string> manifest;
  if (!digest.empty()) manifest = blobs_.read(digest, kMaxManifestBytes);
  if (!manifest) {
    for (const auto &registry : registries_) {
      if (auto held = registry->find_offline(request)) return install(request.id, std::move(*held), nullptr, rules);
    }
    fail(QUERN_OFFLINE, request.text(), " is not in the cache and the network is forbidden; run quern prefetch ",
         request.text(), " where it is not");
  }
  FoundRelease found;
  found.manifest = std::move(*manifest);
  found.fetch = not_cached;
  return install(request.id, std::move(found), nullptr, rules);
}

ResolvedPackage Resolver::resolve(const PackageRequest &request, const LockFile *lock, const ResolveRules &rules) {
  if (lock != nullptr) {
    const LockedKernel *locked = request.digest.empty() ? lock->find(request.id, request.version)
                                                        : lock->find_manifest(request.id, request.digest);
    if (locked != nullptr) return resolve(*locked, rules);
  }
  if (rules.locked) {
    fail(QUERN_LOCK_MISMATCH, request.text(),
         " is not in the lock file, and only what it names may be used; run quern ", "lock ", request.text());
  }
  if (rules.offline) return resolve_remembered(request, rules);
  std::string reasons;
  for (const auto &registry : registries_) {
    std::string reason;
    if (std::optional<FoundRelease> found = registry->find(request, reason)) {
      return install(request.id, std::move(*found), nullptr, rules);
    }
    reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  if (registries_.empty()) reasons = "config.json names no registry";
  fail(QUERN_NOT_FOUND, "nobody has ", request.text(), ": ", reasons);
}

}  // namespace quern
