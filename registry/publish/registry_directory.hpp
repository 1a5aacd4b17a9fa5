// The files of a static registry on disk, for the one who runs it: the present state, verified, and the next.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "registry/publish/publish.hpp"
#include "runtime/base/file.hpp"

namespace quern {

class RegistryDirectory {
 public:
  // Waits for others who are changing it. Throws QUERN_IO_ERROR.
  explicit RegistryDirectory(const std::filesystem::path &path);

  // The last root of the chain; nothing in an empty directory. Throws QUERN_CORRUPT.
  std::optional<RootDocument> root() const;
  // Throw QUERN_UNTRUSTED if neither the root's keys nor `own` signed: what others changed is not to be signed again.
  TimestampDocument timestamp(const RootDocument &root, const std::vector<SecretKey> &own) const;
  SnapshotDocument snapshot(const RootDocument &root, const TimestampDocument &timestamp,
                            const std::vector<SecretKey> &own) const;
  std::vector<Release> index(const SnapshotDocument &snapshot, const std::string &id) const;

  void write_blob(const std::string &bytes) const;
  // Returns how the snapshot is to name it.
  FileReference write_index(const std::string &id, int64_t version, const std::vector<Release> &releases) const;
  FileReference write_snapshot(const SnapshotDocument &snapshot, const std::string &signatures) const;
  void write_timestamp(const TimestampDocument &timestamp, const std::string &signatures,
                       const KeySet &present_keys) const;
  void write_root(const RootDocument &root, const std::string &signatures) const;

 private:
  std::string read(const std::string &path, size_t limit) const;
  void write(const std::string &path, const std::string &bytes) const;

  std::filesystem::path path_;
  std::optional<FileLock> lock_;
};

}  // namespace quern
