#include "runtime/hub/hub_packages.hpp"

#include <utility>

#include "registry/package/published_package.hpp"
#include "registry/trust/operator_file.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

LockFile load_lock(const std::string &path) {
  if (path.empty()) return {};
  const auto document = read_operator_file(path, kMaxLockBytes);
  if (!document)
    fail(QUERN_NOT_FOUND, "the lock file ", path, " does not exist; correct the path, or write it with quern lock");
  return parse_lock_file(*document, path);
}

// What sealed bundles hold, as a lock file would name it: their key vouches for it.
LockFile sealed_packages(Cache &cache) {
  BlobStore blobs(cache);
  LockFile sealed;
  for (const CacheLayer *layer : cache.layers()) {
    if (!layer->seal) continue;
    for (const std::string &digest : layer->seal->manifests) {
      const std::optional<std::string> document = blobs.read(digest);
      if (!document) continue;  // the cache remembers why
      const Manifest manifest = parse_published_manifest(*document, digest);
      LockedKernel kernel;
      kernel.id = manifest.id;
      kernel.version = manifest.version;
      kernel.build = manifest.build;
      kernel.manifest = digest;
      kernel.size = static_cast<int64_t>(document->size());
      kernel.files.emplace("kernel.json", digest);
      for (const ManifestFile &file : manifest.files) kernel.files.emplace(file.path, file.sha256);
      if (sealed.find_manifest(kernel.id, digest) == nullptr) sealed.kernels.push_back(std::move(kernel));
    }
  }
  return sealed;
}

std::string origin_of(const std::string &lock_file, const LockedKernel &kernel) {
  if (lock_file.empty()) return text("a sealed bundle: ", kernel.id);
  const std::string which = kernel.version == 0 ? kernel.revision : text(kernel.version);
  return text(lock_file, ": ", kernel.id, "@", which);
}

}  // namespace

HubPackages::HubPackages(const HubSettings &settings, Cache &cache, const Log &log)
    : settings_(settings),
      cache_(cache),
      log_(log),
      lock_(settings.lock_file.empty() ? sealed_packages(cache) : load_lock(settings.lock_file)),
      catalog_(std::make_shared<const Catalog>(settings.kernel_path)) {
  for (const std::string &note : lock_.notes) log_.write(QUERN_LOG_INFO, "fetch", note);
  learn_locked();
}

// One that is not at hand or may not run fails what needs it, not the hub.
void HubPackages::learn_locked() {
  if (lock_.kernels.empty()) return;
  if (cache_.mode() != CacheMode::kOff) resolver();  // a malformed trust file is told at once
  ResolveRules rules;
  rules.offline = true;
  std::vector<ResolvedPackage> found;
  for (const LockedKernel &kernel : lock_.kernels) {
    try {
      found.push_back(find(kernel, rules, {}));
    } catch (const Error &error) {
      const std::lock_guard lock(mutex_);
      catalog_ = std::make_shared<const Catalog>(
          catalog_->without({origin_of(settings_.lock_file, kernel), error.what(), kernel.id}));
    }
  }
  learn(found);
}

std::shared_ptr<const Catalog> HubPackages::catalog() const {
  const std::lock_guard lock(mutex_);
  return catalog_;
}

void HubPackages::learn(const std::vector<ResolvedPackage> &resolved) {
  if (resolved.empty()) return;
  std::vector<std::shared_ptr<const Package>> packages;
  for (const ResolvedPackage &one : resolved) packages.push_back(one.package);
  const std::lock_guard lock(mutex_);
  catalog_ = std::make_shared<const Catalog>(catalog_->with(packages));
}

// Without a lock file nothing of what opens a hub needs it, so curl, trust.json and tokens are looked at only here.
Resolver &HubPackages::resolver() {
  if (resolver_ != nullptr) return *resolver_;
  if (cache_.mode() == CacheMode::kOff) {
    fail(QUERN_IO_ERROR, "packages have nowhere to be kept: ", cache_.trouble());
  }
  HttpSettings http = http_settings(settings_.environment);
  http.offline = settings_.offline;
  RegistryAccess access;
  access.client = std::make_shared<HttpClient>(http);
  access.trust = cache_.directory() / "trust";
  access.progress = [this](uint64_t received, uint64_t total) {
    return progress_ == nullptr || !*progress_ || (*progress_)(package_, received, total);
  };
  std::vector<std::unique_ptr<RegistryClient>> registries;
  for (const RegistryConfiguration &registry : settings_.configuration.registries) {
    if (registry.url.starts_with("hf://")) {
      access.hugging_face = hugging_face_settings(settings_.environment, registry.token_file);
    }
    registries.push_back(make_registry_client(registry, access));
  }
  resolver_ = std::make_unique<Resolver>(std::move(registries), TrustPolicy::load(settings_.files.trust),
                                         BlobStore(cache_), log_);
  return *resolver_;
}

ResolvedPackage HubPackages::find(const PackageRequest &request, const LockFile *lock, ResolveRules rules,
                                  const FetchProgress &progress) {
  const std::lock_guard guard(resolving_);
  rules.offline = rules.offline || settings_.offline;
  progress_ = &progress;
  package_ = request.id;
  return resolver().resolve(request, lock, rules);
}

ResolvedPackage HubPackages::find(const LockedKernel &kernel, ResolveRules rules, const FetchProgress &progress) {
  const std::lock_guard guard(resolving_);
  rules.offline = rules.offline || settings_.offline;
  progress_ = &progress;
  package_ = kernel.id;
  return resolver().resolve(kernel, rules);
}

std::set<std::string> HubPackages::digests() {
  std::set<std::string> digests;
  const std::shared_ptr<const Catalog> known = catalog();
  for (const auto &package : known->packages()) digests.insert(package->digest);
  BlobStore blobs(cache_);
  for (const Ref &ref : blobs.refs()) {
    const std::optional<std::string> manifest = blobs.read(ref.manifest);
    if (!manifest) continue;
    try {
      digests.insert(package_digest(parse_published_manifest(*manifest, ref.id + "/kernel.json")));
    } catch (const Error &) {  // of a later Quern: nothing here was compiled from it
    }
  }
  return digests;
}

Verdict HubPackages::judge(const Ref &kept) {
  const std::lock_guard guard(resolving_);
  return resolver().judge(kept.id, kept.manifest, lock_.find_manifest(kept.id, kept.manifest) != nullptr);
}

std::string HubPackages::missing() const {
  const std::shared_ptr<const Catalog> known = catalog();
  for (const RefusedPackage &refused : known->refused()) {
    if (!refused.awaited.empty()) return text(refused.origin, ": ", refused.reason);
  }
  return {};
}

}  // namespace quern
