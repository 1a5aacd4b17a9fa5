// What a registry says of its packages, as far as it can be believed: signed by those who may, not older than what was
// seen, not expired, all of one moment. Follows The Update Framework, with an index for each package as targets.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "registry/fetch/package_source.hpp"
#include "registry/format/utc_time.hpp"
#include "registry/trust/metadata_store.hpp"
#include "registry/trust/release.hpp"
#include "runtime/base/file.hpp"

namespace quern {

// Thread-safe; several processes may share the directory.
class RegistryMetadata {
 public:
  // `directory` is the registry's own. At least `threshold` of `root_keys` signed the root that trust begins with.
  // Throws QUERN_UNTRUSTED if there are fewer keys.
  RegistryMetadata(std::filesystem::path directory, const std::vector<PublicKey> &root_keys, size_t threshold,
                   Clock now = system_seconds);

  // Asks the registry. None for a package that it does not have. Throws QUERN_UNTRUSTED (not signed by those who may,
  // or contradicting what was seen), QUERN_OUTDATED (expired, or older than what was seen), QUERN_CORRUPT (not what was
  // signed), QUERN_NOT_FOUND (no registry there), and what the source throws.
  std::vector<Release> releases(PackageSource &source, const std::string &id);

  // From what was accepted before, to choose a release without the network. Throws QUERN_OFFLINE if nothing was, and
  // QUERN_OUTDATED if it has expired.
  std::vector<Release> cached_releases(const std::string &id);

  // The same however old: to learn whether a release that is already pinned was revoked, never to choose one.
  std::vector<Release> known_releases(const std::string &id);

  // Why what was accepted could not be kept on disk; "" if it could. The protection against older metadata then ends
  // with this object.
  std::string problem() const;
  int lines_passed_over() const;  // of other schemas, in the last index read

 private:
  void refresh(PackageSource &source);
  void find_first_root(PackageSource &source, AcceptedMetadata &next) const;
  bool follow_roots(PackageSource &source, AcceptedMetadata &next) const;
  void read_timestamp(PackageSource &source, AcceptedMetadata &next) const;
  void read_snapshot(PackageSource &source, const AcceptedMetadata &before, AcceptedMetadata &next) const;
  std::string fetch_index(PackageSource &source, const std::string &id, const FileReference &reference);
  std::optional<FileLock> lock_directory();
  void keep(const AcceptedMetadata &next, bool forget_indexes, bool is_locked);
  void load();
  int64_t now(const AcceptedMetadata &accepted) const;
  void require_fresh(const AcceptedMetadata &accepted, const std::string &name) const;
  std::vector<Release> stored_releases(const std::string &id, const std::string &name);

  const KeySet anchor_;
  const MetadataStore store_;
  const Clock clock_;

  mutable std::mutex mutex_;  // guards all below
  AcceptedMetadata accepted_;
  bool indexes_forgotten_ = false;  // keys were rotated: kept indexes that the snapshot does not name count no more
  std::string problem_;
  int passed_over_ = 0;
};

}  // namespace quern
