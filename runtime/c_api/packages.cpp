// The C ABI: packages from registries.
#include "runtime/c_api/border.hpp"
#include "runtime/hub/package_lock.hpp"

using namespace quern;

namespace {

HubPackages::FetchProgress progress_for(quern_fetch_visitor visit, void *user) {
  if (visit == nullptr) return {};
  return [=](const std::string &package, uint64_t received, uint64_t total) {
    const quern_fetch_progress out{sizeof(quern_fetch_progress), package.c_str(), static_cast<int64_t>(received),
                                   static_cast<int64_t>(total)};
    return visit(user, &out) == 0;
  };
}

void report(const std::vector<ResolvedPackage> &found, quern_package_visitor visit, void *user) {
  if (visit == nullptr) return;
  for (const ResolvedPackage &one : found) {
    quern_package out{};
    out.struct_size = sizeof out;
    out.id = one.pin.id.c_str();
    out.manifest = one.pin.manifest.c_str();
    out.digest = one.package->digest.c_str();
    out.registry = one.pin.registry.c_str();
    out.commit = one.pin.commit.c_str();
    out.trust = trust_name(one.verdict.trust);
    out.signer = one.verdict.signer.c_str();
    out.note = one.verdict.reason.c_str();
    out.version = one.pin.version;
    out.build = one.pin.build;
    out.fetched = one.fetched ? 1 : 0;
    visit_or_stop(visit, user, out);
  }
}

int checked_flag(const char *name, int32_t value) {
  if (value != 0 && value != 1) fail(QUERN_INVALID_ARGUMENT, name, " is ", value, "; use 0 or 1");
  return value;
}

}  // namespace

quern_status quern_resolve(quern_hub *hub, const char *requests, const quern_resolve_options *options,
                           quern_package_visitor visit, void *user) {
  return guard([&] {
    HubPackages &packages = need(hub, "hub").hub->packages();
    quern_resolve_options read = QUERN_RESOLVE_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    ResolveRules rules;
    rules.locked = checked_flag("locked", read.locked) != 0;
    rules.offline = checked_flag("offline", read.offline) != 0;
    report(resolve_packages(packages, parse_package_requests(requests == nullptr ? "" : requests), rules,
                            progress_for(read.visit, read.user)),
           visit, user);
  });
}

quern_status quern_lock(quern_hub *hub, const char *requests, const char *lock_file, const quern_lock_options *options,
                        quern_package_visitor visit, void *user) {
  return guard([&] {
    HubPackages &packages = need(hub, "hub").hub->packages();
    const std::string path = &need(lock_file, "lock_file");
    if (path.empty()) fail(QUERN_INVALID_ARGUMENT, "lock_file is empty; name the file to write");
    quern_lock_options read = QUERN_LOCK_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    LockRules rules;
    rules.source = read.source == nullptr ? "" : read.source;
    rules.check = checked_flag("check", read.check) != 0;
    rules.keep = checked_flag("keep", read.keep) != 0;
    rules.unsigned_too = checked_flag("unsigned_too", read.unsigned_too) != 0;
    report(lock_packages(packages, parse_package_requests(requests == nullptr ? "" : requests), path, rules,
                         progress_for(read.visit, read.user)),
           visit, user);
  });
}
