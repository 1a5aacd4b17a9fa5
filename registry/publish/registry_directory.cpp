#include "registry/publish/registry_directory.hpp"

#include <system_error>

#include "registry/format/package_path.hpp"
#include "runtime/base/directory.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLockPatience{10};
constexpr const char *kTemporary = ".tmp";

std::string digest_of(std::string_view bytes) { return hex(sha256(as_bytes(bytes))); }

FileReference reference_to(const std::string &file, int64_t version) {
  return {version, digest_of(file), static_cast<int64_t>(file.size())};
}

void require_own(const std::string &file, const std::string &signatures, Role role, const KeySet &keys,
                 const std::vector<SecretKey> &own, const std::string &what) {
  KeySet own_keys;
  for (const SecretKey &key : own) own_keys.add(key.public_key());
  if (!is_signed(file, signatures, role, own_keys)) require_signed(file, signatures, role, keys, what);
}

}  // namespace

RegistryDirectory::RegistryDirectory(const fs::path &path) : path_(path) {
  std::error_code error;
  fs::create_directories(path_ / kTemporary, error);
  lock_ = FileLock::acquire(path_ / kTemporary / "lock", kLockPatience);
  if (!lock_) {
    fail(QUERN_IO_ERROR, "cannot lock the registry in ", path.string(),
         "; wait until nobody else changes it, or check its permissions");
  }
  const Directory temporary(path_ / kTemporary);
  for (const std::string &name : temporary.names("")) {
    if (name != "lock") temporary.remove(name);  // of writers that died
  }
}

std::string RegistryDirectory::read(const std::string &path, size_t limit) const {
  const std::optional<std::string> bytes = read_text(path_ / path, limit);
  if (!bytes) fail(QUERN_CORRUPT, (path_ / path).string(), " cannot be read; restore it from a copy of the registry");
  return *bytes;
}

void RegistryDirectory::write(const std::string &path, const std::string &bytes) const {
  const fs::path target = path_ / path;
  if (read_text(target, bytes.size()) == bytes) return;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  publish_file(path_ / kTemporary, target, as_bytes(bytes));
  fs::permissions(target, fs::perms(0644), error);  // a web server is often another user
}

std::optional<RootDocument> RegistryDirectory::root() const {
  std::error_code ignored;
  int64_t version = 0;
  while (fs::exists(path_ / root_path(version + 1), ignored)) ++version;
  if (version == 0) return std::nullopt;
  const std::string path = root_path(version);
  return parse_root(read(path, kMaxRootBytes), (path_ / path).string());
}

TimestampDocument RegistryDirectory::timestamp(const RootDocument &root, const std::vector<SecretKey> &own) const {
  const std::string file = read(kTimestampPath, kMaxTimestampBytes), what = (path_ / kTimestampPath).string();
  const std::string signatures = read(std::string(kTimestampPath) + ".sig", kMaxSignatureBytes);
  require_own(file, signatures, Role::kTimestamp, root.timestamp, own, what);
  return parse_timestamp(file, what);
}

SnapshotDocument RegistryDirectory::snapshot(const RootDocument &root, const TimestampDocument &timestamp,
                                             const std::vector<SecretKey> &own) const {
  const std::string path = snapshot_path(timestamp.snapshot.version), what = (path_ / path).string();
  const std::string file = read(path, kMaxSnapshotBytes);
  require_own(file, read(path + ".sig", kMaxSignatureBytes), Role::kSnapshot, root.snapshot, own, what);
  if (reference_to(file, timestamp.snapshot.version) != timestamp.snapshot) {
    fail(QUERN_UNTRUSTED, what, " is not the one that ", kTimestampPath, " names; restore it from a copy");
  }
  return parse_snapshot(file, what);
}

std::vector<Release> RegistryDirectory::index(const SnapshotDocument &snapshot, const std::string &id) const {
  const auto reference = snapshot.packages.find(id);
  if (reference == snapshot.packages.end()) return {};
  const std::string path = index_path(id, reference->second.version), what = (path_ / path).string();
  const std::string file = read(path, kMaxIndexBytes);
  if (reference_to(file, reference->second.version) != reference->second) {
    fail(QUERN_UNTRUSTED, what, " is not the one that the snapshot names; restore it from a copy");
  }
  PackageIndex index = parse_index(file, id, what);
  if (index.passed_over != 0) {
    fail(QUERN_INVALID_ARGUMENT, what, " has lines of a later Quern, which would be lost; use that one");
  }
  return std::move(index.releases);
}

void RegistryDirectory::write_blob(const std::string &bytes) const { write(blob_path(digest_of(bytes)), bytes); }

FileReference RegistryDirectory::write_index(const std::string &id, int64_t version,
                                             const std::vector<Release> &releases) const {
  std::string file;
  for (const Release &release : releases) file += write_release(release);
  if (file.size() > kMaxIndexBytes) fail(QUERN_INVALID_ARGUMENT, id, " has more releases than fit into 1 MiB");
  write(index_path(id, version), file);
  return reference_to(file, version);
}

FileReference RegistryDirectory::write_snapshot(const SnapshotDocument &snapshot, const std::string &signatures) const {
  const std::string path = snapshot_path(snapshot.version), file = quern::write_snapshot(snapshot);
  if (file.size() > kMaxSnapshotBytes)
    fail(QUERN_INVALID_ARGUMENT, "the registry has more packages than fit into 2 MiB");
  write(path + ".sig", signatures);
  write(path, file);
  return reference_to(file, snapshot.version);
}

// Two files cannot be replaced at once, and a reader may take one before and one after. So the signatures that hold for
// the present timestamp stay beside those of the next.
void RegistryDirectory::write_timestamp(const TimestampDocument &timestamp, const std::string &signatures,
                                        const KeySet &present_keys) const {
  const std::string path = std::string(kTimestampPath) + ".sig";
  const std::string present = read_text(path_ / kTimestampPath, kMaxTimestampBytes).value_or("");
  const auto before = parse_signatures(read_text(path_ / path, kMaxSignatureBytes).value_or(""));
  std::string both = signatures;
  for (const KeySignature &each : before.value_or(std::vector<KeySignature>())) {
    const std::string line = write_signatures({each});
    const bool holds = !valid_signers(present, line, Role::kTimestamp, present_keys).empty();
    if (holds && both.size() + line.size() <= kMaxSignatureBytes && both.find(line) == std::string::npos) both += line;
  }
  write(path, both);
  write(kTimestampPath, quern::write_timestamp(timestamp));
}

void RegistryDirectory::write_root(const RootDocument &root, const std::string &signatures) const {
  const std::string path = root_path(root.version);
  write(path + ".sig", signatures);
  write(path, quern::write_root(root));
}

}  // namespace quern
