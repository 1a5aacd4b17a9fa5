// What was last accepted from one registry, kept in a directory so that no later process can be led back behind it:
// {root,timestamp,snapshot}.json and their .sig, the indexes, and state.json. What is damaged there counts as absent,
// and so does what can only be reached by a link.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "registry/trust/metadata_format.hpp"
#include "runtime/base/directory.hpp"

namespace quern {

template <typename Document>
struct SignedDocument {
  Document document;
  std::string file;
  std::string signatures;
};

struct AcceptedMetadata {
  std::optional<SignedDocument<RootDocument>> root;
  std::optional<SignedDocument<TimestampDocument>> timestamp;
  std::optional<SignedDocument<SnapshotDocument>> snapshot;
  int64_t seen = 0;  // the latest time at which the metadata was found fresh

  // Forgets what the root's present keys did not sign: with other keys versions start anew. True if it was the
  // snapshot.
  bool drop_unsigned();
};

class MetadataStore {
 public:
  // `anchor` tells the configured keys apart: what was accepted under others is not ours. The last two names of the
  // directory are reached through no link, since they lie in a cache.
  MetadataStore(std::filesystem::path directory, std::string anchor);

  AcceptedMetadata load() const;
  // Writes what differs from what is there. The caller holds the lock. Throws QUERN_IO_ERROR.
  void store(const AcceptedMetadata &accepted) const;

  // The index file that `reference` means, or the last one kept of a package, whichever it was; verified.
  std::optional<std::string> read_index(const std::string &id, const FileReference &reference) const;
  std::optional<std::string> read_last_index(const std::string &id) const;
  void store_index(const std::string &id, const FileReference &reference, const std::string &file) const;
  void forget_indexes() const;

  // Held by whoever writes; makes the directory. Throws QUERN_IO_ERROR.
  FileLock lock(std::chrono::milliseconds patience) const;
  void remove_leftovers() const;  // of writers that died; the caller holds the lock

 private:
  // The directory that `folder_` is below; nothing if it is not there.
  std::optional<Directory> base() const;
  std::string path(const std::string &name) const { return folder_ + "/" + name; }
  std::optional<std::string> read_index(const Directory &base, const std::string &id,
                                        const FileReference &reference) const;
  void store_signed(const Directory &base, const std::string &name, const std::string &file,
                    const std::string &signatures) const;
  void store_file(const Directory &base, const std::string &path, const std::string &bytes) const;
  void forget_indexes(const Directory &base) const;

  std::filesystem::path base_;
  std::string folder_;
  std::string anchor_;
};

}  // namespace quern
