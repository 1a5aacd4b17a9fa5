#include "runtime/hub/package_lock.hpp"

#include <algorithm>

#include "registry/trust/operator_file.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/base/split.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

bool replaces(const ResolvedPackage &found, const LockedKernel &kernel) {
  return found.pin.id == kernel.id && (found.pin.version == kernel.version || found.pin.commit == kernel.revision);
}

}  // namespace

std::vector<PackageRequest> parse_package_requests(const std::string &list) {
  std::vector<PackageRequest> requests;
  if (list.empty()) return requests;
  for (const std::string &item : split(list, ',')) requests.push_back(parse_package_request(item));
  return requests;
}

std::vector<ResolvedPackage> resolve_packages(HubPackages &packages, const std::vector<PackageRequest> &requests,
                                              const ResolveRules &rules, const HubPackages::FetchProgress &progress) {
  const LockFile &lock = packages.lock();
  if (requests.empty() && packages.lock_path().empty()) {
    fail(QUERN_NOT_FOUND, "neither a package nor a lock file is named; name one");
  }
  std::vector<ResolvedPackage> found;
  for (const PackageRequest &request : requests) found.push_back(packages.find(request, &lock, rules, progress));
  if (requests.empty()) {
    for (const LockedKernel &kernel : lock.kernels) found.push_back(packages.find(kernel, rules, progress));
  }
  packages.learn(found);
  return found;
}

std::vector<ResolvedPackage> lock_packages(HubPackages &packages, const std::vector<PackageRequest> &requests,
                                           const fs::path &path, const LockRules &rules,
                                           const HubPackages::FetchProgress &progress) {
  const std::optional<std::string> before = read_operator_file(path, kMaxLockBytes);
  LockFile source;
  if (!rules.source.empty()) {
    const auto document = read_operator_file(rules.source, kMaxLockBytes);
    if (!document) fail(QUERN_NOT_FOUND, rules.source, " does not exist; correct the path");
    source = parse_lock_file(*document, rules.source);
  } else if (before) {
    source = parse_lock_file(*before, path.string());
  }
  if (requests.empty() && source.kernels.empty()) {
    fail(QUERN_NOT_FOUND, "there is nothing to lock in ", path.string(), "; name packages, as in acme/gemm@1");
  }
  ResolveRules resolving;
  resolving.unsigned_too = rules.unsigned_too;
  std::vector<ResolvedPackage> found;
  for (const PackageRequest &request : requests) found.push_back(packages.find(request, nullptr, resolving, progress));
  const size_t asked = found.size();
  for (const LockedKernel &kernel : source.kernels) {
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(asked);
    if (std::any_of(found.begin(), end, [&](const ResolvedPackage &one) { return replaces(one, kernel); })) continue;
    // A commit is not moved to another: who locked by revision meant this one.
    const bool as_pinned = rules.keep || kernel.version == 0;
    found.push_back(as_pinned ? packages.find(kernel, resolving, progress)
                              : packages.find({kernel.id, kernel.version, ""}, nullptr, resolving, progress));
  }
  std::vector<LockedKernel> kernels;
  for (const ResolvedPackage &one : found) kernels.push_back(one.pin);
  const std::string document = write_lock_file(std::move(kernels));
  if (before == document) return found;
  if (rules.check) fail(QUERN_LOCK_MISMATCH, path.string(), " is not what would be locked now; run quern lock");
  const fs::path absolute = fs::absolute(path);
  publish_file(absolute.parent_path(), absolute, as_bytes(document), 0644);
  return found;
}

}  // namespace quern
