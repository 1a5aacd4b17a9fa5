// From what is asked for to a package whose bytes are verified and trusted: by the lock file, else from a registry,
// else by what the cache remembers. Nothing is parsed before it was judged, and nothing is kept that was refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "registry/cache/blob_store.hpp"
#include "registry/fetch/registry_client.hpp"
#include "registry/package/package.hpp"
#include "registry/trust/trust_policy.hpp"
#include "runtime/base/log.hpp"

namespace quern {

struct ResolveRules {
  bool offline = false;       // the cache must do, or what registries find on this machine
  bool locked = false;        // only what the lock file pins
  bool unsigned_too = false;  // a lock file is being made that will vouch for what is found
};

struct ResolvedPackage {
  std::shared_ptr<const Package> package;
  LockedKernel pin;  // exactly this one, for a lock file
  Verdict verdict;
  bool fetched = false;  // some of its bytes came from the registry now
};

class Resolver {
 public:
  // `registries` are asked in their order; the first that has a package serves it, and one that cannot be asked stops
  // the search, since the next might have another package of that name.
  Resolver(std::vector<std::unique_ptr<RegistryClient>> registries, TrustPolicy policy, BlobStore blobs, const Log &log)
      : registries_(std::move(registries)), policy_(std::move(policy)), blobs_(std::move(blobs)), log_(log) {}

  // `lock` may be null. Throws QUERN_NOT_FOUND, QUERN_OFFLINE, QUERN_NETWORK_ERROR, QUERN_UNTRUSTED, QUERN_OUTDATED,
  // QUERN_CORRUPT, QUERN_LOCK_MISMATCH, QUERN_BAD_MANIFEST, QUERN_CANCELLED.
  ResolvedPackage resolve(const PackageRequest &request, const LockFile *lock, const ResolveRules &rules);
  // A kernel of a lock file.
  ResolvedPackage resolve(const LockedKernel &kernel, const ResolveRules &rules);

  // What a package whose manifest the cache has is worth now; `locked`: a lock file names it.
  Verdict judge(const std::string &id, const std::string &manifest, bool locked);

 private:
  ResolvedPackage resolve_remembered(const PackageRequest &request, const ResolveRules &rules);
  ResolvedPackage install(const std::string &id, FoundRelease found, const LockedKernel *lock,
                          const ResolveRules &rules);
  RegistryClient &registry_of(const LockedKernel &kernel);
  // Why it was, as a sentence; "" if it was not.
  std::string revoked(const std::string &id, const std::string &manifest);

  std::vector<std::unique_ptr<RegistryClient>> registries_;
  TrustPolicy policy_;
  BlobStore blobs_;
  const Log &log_;
};

}  // namespace quern
