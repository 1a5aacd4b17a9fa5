#include "registry/fetch/registry_metadata.hpp"

#include <algorithm>
#include <tuple>

#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr int kMaxRootSteps = 256;
constexpr std::chrono::seconds kLockPatience{2};
constexpr int64_t kSeenStep = 3600;  // so that not every look writes

KeySet key_set(const std::vector<PublicKey> &keys, size_t threshold) {
  KeySet set;
  for (const PublicKey &key : keys) set.add(key);
  set.threshold = threshold;
  if (threshold == 0 || set.keys.size() < threshold) {
    fail(QUERN_UNTRUSTED, "a registry needs ", threshold, " root keys and ", set.keys.size(),
         " are configured; give root_keys in config.json, or pin packages in a lock file");
  }
  return set;
}

std::string anchor_digest(const KeySet &keys) {
  FieldHash hash;
  hash.add("quern anchor 1");
  hash.add(std::to_string(keys.threshold));
  for (const auto &[id, key] : keys.keys) hash.add(id);
  return hex(hash.finish());
}

// Sources promise the limit; a hostile one might not keep it.
std::optional<std::string> fetch(PackageSource &source, const std::string &path, size_t limit) {
  std::optional<std::string> file = source.metadata(path, limit);
  if (file && file->size() > limit) {
    fail(QUERN_CORRUPT, source.name(), "/", path, " is larger than ", limit, " bytes; ask who runs the registry");
  }
  return file;
}

struct FileWithSignatures {
  std::string file, signatures;
};

// Nothing if the file does not exist. A missing .sig is one that nobody signed.
std::optional<FileWithSignatures> fetch_signed(PackageSource &source, const std::string &path, size_t limit) {
  std::optional<std::string> file = fetch(source, path, limit);
  if (!file) return std::nullopt;
  return FileWithSignatures{std::move(*file), fetch(source, path + ".sig", kMaxSignatureBytes).value_or("")};
}

void require_reference(const std::string &file, const FileReference &reference, const std::string &what) {
  if (static_cast<int64_t>(file.size()) != reference.size || hex(sha256(as_bytes(file))) != reference.sha256) {
    fail(QUERN_CORRUPT, what, " is not the file that the registry signed for; fetch it again, or from another mirror");
  }
}

[[noreturn]] void fail_older(const std::string &what, int64_t version, int64_t floor) {
  fail(QUERN_OUTDATED, what, " has version ", version, " and version ", floor,
       " was seen before; somebody replays old files, or the registry went back: ask who runs it");
}

[[noreturn]] void fail_contradiction(const std::string &what, int64_t version) {
  fail(QUERN_UNTRUSTED, what, " has other contents than when version ", version,
       " was seen before; ask who runs the registry");
}

SignedDocument<RootDocument> parse_signed_root(FileWithSignatures files, const std::string &what) {
  RootDocument document = parse_root(files.file, what);
  require_signed(files.file, files.signatures, Role::kRoot, document.root, what);
  return {std::move(document), std::move(files.file), std::move(files.signatures)};
}

bool is_ahead(const AcceptedMetadata &a, const AcceptedMetadata &b) {
  const auto rank = [](const AcceptedMetadata &metadata) {
    return std::tuple(metadata.root ? metadata.root->document.version : 0,
                      metadata.timestamp ? metadata.timestamp->document.version : 0,
                      metadata.snapshot ? metadata.snapshot->document.version : 0, metadata.seen);
  };
  return rank(a) > rank(b);
}

}  // namespace

RegistryMetadata::RegistryMetadata(std::filesystem::path directory, const std::vector<PublicKey> &root_keys,
                                   size_t threshold, Clock now)
    : anchor_(key_set(root_keys, threshold)),
      store_(std::move(directory), anchor_digest(anchor_)),
      clock_(std::move(now)) {}

// A clock that went back, or never was set, makes nothing fresh again.
int64_t RegistryMetadata::now(const AcceptedMetadata &accepted) const {
  return std::max({clock_(), accepted.seen, kEarliestNow});
}

void RegistryMetadata::require_fresh(const AcceptedMetadata &accepted, const std::string &name) const {
  const int64_t time = now(accepted);
  const auto require = [&](const std::string &file, int64_t expires) {
    if (time < expires) return;
    fail(QUERN_OUTDATED, name, "/", file, " expired at ", format_utc_time(expires), " and it is ",
         format_utc_time(time), "; ask who runs the registry to sign it again, or correct this machine's clock");
  };
  require(root_path(accepted.root->document.version), accepted.root->document.expires);
  if (accepted.timestamp) require(kTimestampPath, accepted.timestamp->document.expires);
  if (accepted.snapshot) {
    require(snapshot_path(accepted.snapshot->document.version), accepted.snapshot->document.expires);
  }
}

// Where trust begins: the first root of the chain that the configured keys signed. Those before it are passed over
// unread, so keys that were configured after a rotation serve too.
void RegistryMetadata::find_first_root(PackageSource &source, AcceptedMetadata &next) const {
  for (int64_t version = 1; version <= kMaxRootSteps; ++version) {
    const std::string what = source.name() + "/" + root_path(version);
    auto files = fetch_signed(source, root_path(version), kMaxRootBytes);
    if (!files && version == 1) {
      fail(QUERN_NOT_FOUND, what, " does not exist, so there is no registry; correct its url in config.json");
    }
    if (!files) break;
    if (!is_signed(files->file, files->signatures, Role::kRoot, anchor_)) continue;
    next.root = parse_signed_root(std::move(*files), what);
    if (next.root->document.version != version) {
      fail(QUERN_UNTRUSTED, what, " says that it is version ", next.root->document.version,
           "; ask who runs the registry");
    }
    return;
  }
  fail(QUERN_UNTRUSTED, source.name(), " has no root that ", anchor_.threshold,
       " of the root_keys in config.json signed; correct the keys, or ask who runs the registry");
}

// Every root is signed by the keys of the one before it and by its own. True if there was a next one.
bool RegistryMetadata::follow_roots(PackageSource &source, AcceptedMetadata &next) const {
  for (int step = 0;; ++step) {
    const int64_t version = next.root->document.version + 1;
    const std::string what = source.name() + "/" + root_path(version);
    auto files = fetch_signed(source, root_path(version), kMaxRootBytes);
    if (!files) return step > 0;
    if (step == kMaxRootSteps) {
      fail(QUERN_UNTRUSTED, source.name(), " has more than ", kMaxRootSteps,
           " new roots; ask who runs the registry, or configure newer root_keys");
    }
    require_signed(files->file, files->signatures, Role::kRoot, next.root->document.root, what);
    auto root = parse_signed_root(std::move(*files), what);
    if (root.document.version != version) {
      fail(QUERN_UNTRUSTED, what, " says that it is version ", root.document.version, "; ask who runs the registry");
    }
    next.root = std::move(root);
  }
}

void RegistryMetadata::read_timestamp(PackageSource &source, AcceptedMetadata &next) const {
  const std::string what = source.name() + "/" + kTimestampPath;
  auto files = fetch_signed(source, kTimestampPath, kMaxTimestampBytes);
  if (!files) fail(QUERN_CORRUPT, what, " does not exist, so nothing says what is current; ask who runs the registry");
  require_signed(files->file, files->signatures, Role::kTimestamp, next.root->document.timestamp, what);
  TimestampDocument document = parse_timestamp(files->file, what);
  if (next.timestamp) {
    const TimestampDocument &seen = next.timestamp->document;
    if (document.version < seen.version) fail_older(what, document.version, seen.version);
    if (document.version == seen.version && files->file != next.timestamp->file) {
      fail_contradiction(what, seen.version);
    }
    // Without the snapshot that was seen its keys were rotated, and its versions may start anew.
    if (next.snapshot && document.snapshot.version < seen.snapshot.version) {
      fail_older(what + ", snapshot", document.snapshot.version, seen.snapshot.version);
    }
  }
  next.timestamp = {std::move(document), std::move(files->file), std::move(files->signatures)};
}

void RegistryMetadata::read_snapshot(PackageSource &source, const AcceptedMetadata &before,
                                     AcceptedMetadata &next) const {
  const FileReference &wanted = next.timestamp->document.snapshot;
  const std::string path = snapshot_path(wanted.version), what = source.name() + "/" + path;
  if (before.snapshot) {
    const SnapshotDocument &seen = before.snapshot->document;
    if (wanted.version < seen.version) fail_older(what, wanted.version, seen.version);
    const bool same = hex(sha256(as_bytes(before.snapshot->file))) == wanted.sha256;
    if (same && seen.version == wanted.version) return;
    if (seen.version == wanted.version) fail_contradiction(what, seen.version);
  }
  auto files = fetch_signed(source, path, static_cast<size_t>(wanted.size));
  if (!files) fail(QUERN_CORRUPT, what, " does not exist although ", kTimestampPath, " names it; try again later");
  require_reference(files->file, wanted, what);
  require_signed(files->file, files->signatures, Role::kSnapshot, next.root->document.snapshot, what);
  SnapshotDocument document = parse_snapshot(files->file, what);
  if (document.version != wanted.version) {
    fail(QUERN_UNTRUSTED, what, " says that it is version ", document.version, "; ask who runs the registry");
  }
  if (before.snapshot) {
    for (const auto &[id, seen] : before.snapshot->document.packages) {
      const auto found = document.packages.find(id);
      if (found == document.packages.end()) {
        fail(QUERN_OUTDATED, what, " no longer has ", id, "; packages are withdrawn, never removed: ask who runs it");
      }
      if (found->second.version < seen.version) fail_older(what + ", " + id, found->second.version, seen.version);
      if (found->second.version == seen.version && !(found->second == seen)) {
        fail_contradiction(what + ", " + id, seen.version);
      }
    }
  }
  next.snapshot = {std::move(document), std::move(files->file), std::move(files->signatures)};
}

void RegistryMetadata::load() {
  AcceptedMetadata kept = store_.load();
  if (is_ahead(kept, accepted_)) accepted_ = std::move(kept);
}

// On disk what is ahead stays, whoever wrote it. Without the lock nothing is written: two writers could mix their
// files.
void RegistryMetadata::keep(const AcceptedMetadata &next, bool forget_indexes, bool is_locked) {
  accepted_ = next;
  indexes_forgotten_ = indexes_forgotten_ || forget_indexes;
  if (!is_locked) return;
  try {
    store_.remove_leftovers();
    if (forget_indexes) store_.forget_indexes();
    if (!is_ahead(store_.load(), next)) store_.store(next);
  } catch (const Error &error) {
    problem_ =
        text("what the registry says is not kept, so a later process could be shown older files: ", error.what());
  }
}

// Several processes ask one after the other, so that the later ones find the snapshot on disk.
std::optional<FileLock> RegistryMetadata::lock_directory() {
  problem_.clear();
  try {
    return store_.lock(kLockPatience);
  } catch (const Error &error) {
    problem_ =
        text("what the registry says is not kept, so a later process could be shown older files: ", error.what());
    return std::nullopt;
  }
}

void RegistryMetadata::refresh(PackageSource &source) {
  const std::optional<FileLock> lock = lock_directory();
  load();
  AcceptedMetadata next = accepted_;
  const bool is_first = !next.root;
  if (is_first) find_first_root(source, next);
  const bool has_new_root = follow_roots(source, next) || is_first;
  const bool forgets = has_new_root && next.drop_unsigned();
  if (has_new_root) keep(next, forgets, lock.has_value());

  const AcceptedMetadata before = next;
  read_timestamp(source, next);
  require_fresh({next.root, next.timestamp, std::nullopt, next.seen}, source.name());
  read_snapshot(source, before, next);
  require_fresh(next, source.name());
  const int64_t time = now(next);
  const bool has_news = !before.timestamp || !before.snapshot || before.timestamp->file != next.timestamp->file ||
                        before.snapshot->file != next.snapshot->file;
  if (!has_news && time < before.seen + kSeenStep) {
    accepted_ = before;
    return;
  }
  next.seen = time;
  keep(next, false, lock.has_value());
}

std::string RegistryMetadata::fetch_index(PackageSource &source, const std::string &id,
                                          const FileReference &reference) {
  const std::string path = index_path(id, reference.version), what = source.name() + "/" + path;
  std::optional<std::string> file = fetch(source, path, static_cast<size_t>(reference.size));
  if (!file) fail(QUERN_CORRUPT, what, " does not exist although the snapshot names it; try again later");
  require_reference(*file, reference, what);
  const PackageIndex index = parse_index(*file, id, what);
  if (const auto before = store_.read_last_index(id); before && !indexes_forgotten_) {
    require_appended(parse_index(*before, id, "index seen before").releases, index.releases, what);
  }
  try {
    store_.store_index(id, reference, *file);
  } catch (const Error &error) {
    if (problem_.empty()) problem_ = error.what();
  }
  return std::move(*file);
}

std::vector<Release> RegistryMetadata::releases(PackageSource &source, const std::string &id) {
  const std::lock_guard lock(mutex_);
  refresh(source);
  const auto &packages = accepted_.snapshot->document.packages;
  const auto reference = packages.find(id);
  if (reference == packages.end()) return {};
  std::optional<std::string> file = store_.read_index(id, reference->second);
  if (!file) file = fetch_index(source, id, reference->second);
  PackageIndex index = parse_index(*file, id, source.name() + "/" + index_path(id, reference->second.version));
  passed_over_ = index.passed_over;
  return std::move(index.releases);
}

std::vector<Release> RegistryMetadata::stored_releases(const std::string &id, const std::string &name) {
  if (!accepted_.snapshot) return {};
  const auto &packages = accepted_.snapshot->document.packages;
  const auto reference = packages.find(id);
  if (reference == packages.end()) return {};
  std::optional<std::string> file = store_.read_index(id, reference->second);
  if (!file && !indexes_forgotten_) file = store_.read_last_index(id);
  if (!file) return {};
  PackageIndex index = parse_index(*file, id, name + ", index of " + id);
  passed_over_ = index.passed_over;
  return std::move(index.releases);
}

std::vector<Release> RegistryMetadata::cached_releases(const std::string &id) {
  const std::lock_guard lock(mutex_);
  load();
  if (!accepted_.root || !accepted_.timestamp || !accepted_.snapshot) {
    fail(QUERN_OFFLINE, "nothing is known of the registry that holds ", id, "; allow the network once, or prefetch");
  }
  require_fresh(accepted_, "what is known of the registry");
  if (accepted_.snapshot->document.version < accepted_.timestamp->document.snapshot.version) {
    fail(QUERN_OUTDATED, "of the registry that holds ", id, " a newer state is known to be; allow the network once");
  }
  return stored_releases(id, "what is known of the registry");
}

std::vector<Release> RegistryMetadata::known_releases(const std::string &id) {
  const std::lock_guard lock(mutex_);
  load();
  return stored_releases(id, "what is known of the registry");
}

std::string RegistryMetadata::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

int RegistryMetadata::lines_passed_over() const {
  const std::lock_guard lock(mutex_);
  return passed_over_;
}

}  // namespace quern
