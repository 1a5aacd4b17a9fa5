#include "registry/publish/publish.hpp"

#include <algorithm>

#include "registry/publish/registry_directory.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

struct Present {
  RootDocument root;
  TimestampDocument timestamp;
  SnapshotDocument snapshot;
};

// Before a directory is locked, which would make it.
void require_registry(const std::filesystem::path &registry) {
  std::error_code error;
  if (!std::filesystem::exists(registry / root_path(1), error)) {
    fail(QUERN_NOT_FOUND, registry.string(), " holds no registry; publish a package first, or name another");
  }
}

int64_t now(const PublishOptions &options) { return std::max(options.now(), kEarliestNow); }

KeySet public_keys(const std::vector<SecretKey> &keys, KeySet set = {}) {
  for (const SecretKey &key : keys) set.add(key.public_key());
  return set;
}

void require_keys(const KeySet &role, const std::vector<SecretKey> &keys, Role name) {
  const KeySet own = public_keys(keys);
  const auto count =
      std::count_if(own.keys.begin(), own.keys.end(), [&](const auto &key) { return role.keys.count(key.first) != 0; });
  if (static_cast<size_t>(count) < role.threshold) {
    fail(QUERN_UNTRUSTED, "the registry needs ", role.threshold, " keys of role ", role_name(name), " and ", count,
         " of those given are; give the others");
  }
  if (keys.size() > kMaxSignatures) fail(QUERN_INVALID_ARGUMENT, "more than ", kMaxSignatures, " keys; give fewer");
}

void require_signing_keys(const RootDocument &root, const RegistryKeys &keys) {
  require_keys(root.timestamp, keys.timestamp, Role::kTimestamp);
  require_keys(root.snapshot, keys.snapshot, Role::kSnapshot);
}

RootDocument present_root(const RegistryDirectory &directory) {
  std::optional<RootDocument> root = directory.root();
  if (!root) fail(QUERN_NOT_FOUND, "the registry has just been removed; restore it from a copy");
  return std::move(*root);
}

// For a change that is not of the root: everything that can refuse it comes before the first file is written.
Present read_present(const RegistryDirectory &directory, const RegistryKeys &keys, const PublishOptions &options) {
  Present present;
  present.root = present_root(directory);
  present.timestamp = directory.timestamp(present.root, keys.timestamp);
  present.snapshot = directory.snapshot(present.root, present.timestamp, keys.snapshot);
  require_signing_keys(present.root, keys);
  if (present.root.expires <= now(options)) {
    fail(QUERN_OUTDATED, "the registry's root expired at ", format_utc_time(present.root.expires),
         "; sign the next root");
  }
  return present;
}

// Snapshot and timestamp of the next version, with these packages.
void commit(const RegistryDirectory &directory, Present present, const RegistryKeys &keys,
            const PublishOptions &options) {
  SnapshotDocument &snapshot = present.snapshot;
  ++snapshot.version;
  snapshot.expires = now(options) + options.lifetimes.snapshot;
  TimestampDocument &timestamp = present.timestamp;
  ++timestamp.version;
  timestamp.expires = now(options) + options.lifetimes.timestamp;
  timestamp.snapshot =
      directory.write_snapshot(snapshot, sign_file(Role::kSnapshot, write_snapshot(snapshot), keys.snapshot));
  directory.write_timestamp(timestamp, sign_file(Role::kTimestamp, write_timestamp(timestamp), keys.timestamp),
                            public_keys(keys.timestamp, present.root.timestamp));
}

void require_keys_of_all_roles(const RegistryKeys &keys) {
  if (keys.root.empty() || keys.timestamp.empty() || keys.snapshot.empty()) {
    fail(QUERN_INVALID_ARGUMENT, "a new registry needs a key for each of root, timestamp and snapshot; give them");
  }
}

void create_in(const RegistryDirectory &directory, const RegistryKeys &keys, const PublishOptions &options) {
  RootDocument root;
  root.version = 1;
  root.expires = now(options) + options.lifetimes.root;
  root.root = public_keys(keys.root);
  root.timestamp = public_keys(keys.timestamp);
  root.snapshot = public_keys(keys.snapshot);
  require_keys(root.root, keys.root, Role::kRoot);
  require_signing_keys(root, keys);
  // The root last: without it there is no registry yet, and a crash leaves none.
  commit(directory, {root, {}, {}}, keys, options);
  directory.write_root(root, sign_file(Role::kRoot, write_root(root), keys.root));
}

// One more index version of a package.
void commit_index(const RegistryDirectory &directory, Present present, const std::string &id,
                  const std::vector<Release> &releases, const RegistryKeys &keys, const PublishOptions &options) {
  FileReference &reference = present.snapshot.packages[id];
  reference = directory.write_index(id, reference.version + 1, releases);
  commit(directory, std::move(present), keys, options);
}

template <typename Edit>
void edit_release(const std::filesystem::path &registry, const std::string &id, int version, int build,
                  const RegistryKeys &keys, const PublishOptions &options, Edit edit) {
  require_registry(registry);
  const RegistryDirectory directory(registry);
  const Present present = read_present(directory, keys, options);
  std::vector<Release> releases = directory.index(present.snapshot, id);
  const auto found = std::find_if(releases.begin(), releases.end(), [&](const Release &release) {
    return release.version == version && release.build == build;
  });
  if (found == releases.end()) {
    fail(QUERN_NOT_FOUND, registry.string(), " has no ", id, " version ", version, " build ", build, "; name another");
  }
  const Release before = *found;
  edit(*found);
  if (*found == before) return;
  parse_index(write_release(*found), id, "the release");  // what readers would refuse is not written
  commit_index(directory, present, id, releases, keys, options);
}

Release release_of(const PackedPackage &package, const std::string &signatures, const PublishOptions &options) {
  Release release;
  release.id = package.manifest.id;
  release.version = package.manifest.version;
  release.build = package.manifest.build;
  release.manifest = package.digest;
  release.size = static_cast<int64_t>(package.document.size());
  if (!signatures.empty()) {
    release.signatures = {hex(sha256(as_bytes(signatures))), static_cast<int64_t>(signatures.size())};
  }
  release.published = now(options);
  release.min_client = options.min_client;
  return release;
}

}  // namespace

void create_registry(const std::filesystem::path &registry, const RegistryKeys &keys, const PublishOptions &options) {
  require_keys_of_all_roles(keys);
  const RegistryDirectory directory(registry);
  if (directory.root()) fail(QUERN_INVALID_ARGUMENT, registry.string(), " holds a registry already; name another");
  create_in(directory, keys, options);
}

bool publish(const std::filesystem::path &registry, const PackedPackage &package, const std::string &signatures,
             const RegistryKeys &keys, const PublishOptions &options) {
  if (!signatures.empty() && !parse_signatures(signatures)) {
    fail(QUERN_INVALID_ARGUMENT, "the signature of ", package.manifest.id, " is no .sig file; sign it again");
  }
  std::error_code error;
  if (!std::filesystem::exists(registry / root_path(1), error)) require_keys_of_all_roles(keys);
  const RegistryDirectory directory(registry);
  if (!directory.root()) create_in(directory, keys, options);
  const Present present = read_present(directory, keys, options);
  std::vector<Release> releases = directory.index(present.snapshot, package.manifest.id);
  const Release added = release_of(package, signatures, options);
  for (const Release &release : releases) {
    if (release.version != added.version || release.build != added.build) continue;
    if (release.manifest == added.manifest) return false;
    fail(QUERN_INVALID_ARGUMENT, added.id, " version ", added.version, " build ", added.build,
         " is published with other contents; raise build");
  }
  releases.push_back(added);
  for (const auto &[path, content] : package.files) directory.write_blob(content);
  if (!signatures.empty()) directory.write_blob(signatures);
  directory.write_blob(package.document);
  commit_index(directory, present, added.id, releases, keys, options);
  return true;
}

void yank(const std::filesystem::path &registry, const std::string &id, int version, int build, bool yanked,
          const RegistryKeys &keys, const PublishOptions &options) {
  edit_release(registry, id, version, build, keys, options, [&](Release &release) { release.yanked = yanked; });
}

void revoke(const std::filesystem::path &registry, const std::string &id, int version, int build,
            const std::string &reason, const RegistryKeys &keys, const PublishOptions &options) {
  if (reason.empty() || !is_revocation_reason(reason)) {
    fail(QUERN_INVALID_ARGUMENT,
         "a revocation needs a reason, which users will read: one line of at most 500 bytes in UTF-8; give one");
  }
  edit_release(registry, id, version, build, keys, options, [&](Release &release) { release.revoked = reason; });
}

void renew(const std::filesystem::path &registry, const RegistryKeys &keys, const PublishOptions &options) {
  require_registry(registry);
  const RegistryDirectory directory(registry);
  commit(directory, read_present(directory, keys, options), keys, options);
}

void rotate_root(const std::filesystem::path &registry, const NextRoot &next_root, const RegistryKeys &keys,
                 const PublishOptions &options) {
  require_registry(registry);
  const RegistryDirectory directory(registry);
  const RootDocument root = present_root(directory);
  RootDocument next = next_root(root);
  next.version = root.version + 1;
  next.expires = now(options) + options.lifetimes.root;
  const TimestampDocument timestamp = directory.timestamp(root, keys.timestamp);
  const SnapshotDocument snapshot = directory.snapshot(root, timestamp, keys.snapshot);
  require_keys(root.root, keys.root, Role::kRoot);
  require_keys(next.root, keys.root, Role::kRoot);
  require_signing_keys(next, keys);
  parse_root(write_root(next), "the next root");  // what readers would refuse is not written
  // Signed by the keys of both, these serve readers of either root.
  commit(directory, {root, timestamp, snapshot}, keys, options);
  directory.write_root(next, sign_file(Role::kRoot, write_root(next), keys.root));
}

}  // namespace quern
