// Which kernel packages a hub knows: those at hand when it opens, and those that it is asked to resolve later. Plans
// hold the packages they use, so what changes here touches none of them. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "registry/cache/blob_store.hpp"
#include "registry/fetch/resolver.hpp"
#include "registry/package/catalog.hpp"
#include "runtime/base/log.hpp"
#include "runtime/hub/hub_settings.hpp"

namespace quern {

class HubPackages {
 public:
  // How far a file of a package has come; false cancels.
  using FetchProgress = std::function<bool(const std::string &package, uint64_t received, uint64_t total)>;

  // Asks no registry: what the lock file names is taken from the cache. All three must outlive it. Throws
  // QUERN_NOT_FOUND, QUERN_INVALID_ARGUMENT, QUERN_UNTRUSTED, QUERN_IO_ERROR for the lock file and the trust file.
  HubPackages(const HubSettings &settings, Cache &cache, const Log &log);

  std::shared_ptr<const Catalog> catalog() const;
  // Of the settings' lock file; else what sealed bundles hold; else without kernels.
  const LockFile &lock() const { return lock_; }
  const std::string &lock_path() const { return settings_.lock_file; }

  // Finds and fetches; nothing becomes known by it. Throws as Resolver::resolve(), and QUERN_IO_ERROR without a cache.
  // `lock` may be null.
  ResolvedPackage find(const PackageRequest &request, const LockFile *lock, ResolveRules rules,
                       const FetchProgress &progress);
  ResolvedPackage find(const LockedKernel &kernel, ResolveRules rules, const FetchProgress &progress);

  // They are known from now on.
  void learn(const std::vector<ResolvedPackage> &resolved);

  // Digests of all packages that this hub knows or that its cache can resolve: their compiled kernels are not stale.
  std::set<std::string> digests();
  // What a package in the cache is worth now.
  Verdict judge(const Ref &kept);
  // Why a package of the lock file is not known; "" if all are.
  std::string missing() const;

 private:
  Resolver &resolver();
  void learn_locked();

  const HubSettings &settings_;
  Cache &cache_;
  const Log &log_;
  LockFile lock_;
  std::mutex resolving_;                     // guards the next three
  std::unique_ptr<Resolver> resolver_;       // made when first needed
  const FetchProgress *progress_ = nullptr;  // of the call that is resolving
  std::string package_;                      // that it is fetching
  mutable std::mutex mutex_;                 // guards the next
  std::shared_ptr<const Catalog> catalog_;
};

}  // namespace quern
