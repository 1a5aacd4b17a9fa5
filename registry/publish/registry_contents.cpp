#include "registry/publish/registry_contents.hpp"

#include <optional>
#include <string>

#include "registry/format/file_tree.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

class RegistryReader {
 public:
  explicit RegistryReader(const fs::path &path) : path_(path) {}

  // The last root; each was signed by enough keys of the one before and of its own.
  RootDocument root() const {
    std::optional<RootDocument> last;
    for (int64_t version = 1;; ++version) {
      const std::string path = root_path(version);
      const auto file = read_below(path_, path, kMaxRootBytes);
      if (!file) break;
      const RootDocument next = parse_root(*file, what(path));
      const std::string signatures = read_signatures(path);
      if (next.version != version) fail(QUERN_CORRUPT, what(path), " is of version ", next.version, "; restore it");
      if (last) require_signed(*file, signatures, Role::kRoot, last->root, what(path));
      require_signed(*file, signatures, Role::kRoot, next.root, what(path));
      last = next;
    }
    if (!last) fail(QUERN_NOT_FOUND, path_.string(), " holds no registry; publish a package first, or name another");
    return *last;
  }

  // The .sig after the file: the next one's still has the signatures of this one.
  std::string signed_file(const std::string &path, size_t limit, Role role, const KeySet &keys) const {
    const std::string file = read(path, limit);
    require_signed(file, read_signatures(path), role, keys, what(path));
    return file;
  }

  std::string referenced_file(const std::string &path, const FileReference &reference) const {
    std::string file = read(path, static_cast<size_t>(reference.size));
    require_reference(path, file, reference);
    return file;
  }

  void require_reference(const std::string &path, const std::string &file, const FileReference &reference) const {
    if (static_cast<int64_t>(file.size()) == reference.size && hex(sha256(as_bytes(file))) == reference.sha256) return;
    fail(QUERN_UNTRUSTED, what(path), " is not the one that the registry names; restore it from a copy");
  }

  std::string what(const std::string &path) const { return (path_ / path).string(); }

 private:
  std::string read(const std::string &path, size_t limit) const {
    std::optional<std::string> file = read_below(path_, path, limit);
    if (!file) fail(QUERN_CORRUPT, what(path), " is missing; restore it from a copy of the registry");
    return std::move(*file);
  }
  std::string read_signatures(const std::string &path) const { return read(path + ".sig", kMaxSignatureBytes); }

  fs::path path_;
};

}  // namespace

RegistryContents read_registry(const fs::path &registry) {
  std::error_code error;
  if (!fs::is_directory(registry, error)) {
    fail(QUERN_NOT_FOUND, registry.string(), " is no directory; name that of a registry");
  }
  const RegistryReader reader(registry);
  RegistryContents contents;
  contents.root = reader.root();
  const RootDocument &root = contents.root;
  contents.timestamp =
      parse_timestamp(reader.signed_file(kTimestampPath, kMaxTimestampBytes, Role::kTimestamp, root.timestamp),
                      reader.what(kTimestampPath));
  const FileReference &current = contents.timestamp.snapshot;
  const std::string path = snapshot_path(current.version);
  const std::string snapshot = reader.signed_file(path, kMaxSnapshotBytes, Role::kSnapshot, root.snapshot);
  reader.require_reference(path, snapshot, current);
  contents.snapshot = parse_snapshot(snapshot, reader.what(path));
  for (const auto &[id, reference] : contents.snapshot.packages) {
    const std::string index_file = index_path(id, reference.version);
    PackageIndex index = parse_index(reader.referenced_file(index_file, reference), id, reader.what(index_file));
    contents.passed_over += index.passed_over;
    for (Release &release : index.releases) contents.releases.push_back(std::move(release));
  }
  return contents;
}

}  // namespace quern
