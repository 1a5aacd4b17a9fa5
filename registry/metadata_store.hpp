// What was last accepted from one registry, kept in a directory so that no later process can be led back behind it:
// {root,timestamp,snapshot}.json and their .sig, the indexes, and state.json. What is damaged there counts as absent.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "registry/metadata_format.hpp"

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
  // `anchor` tells the configured keys apart: what was accepted under others is not ours.
  MetadataStore(std::filesystem::path directory, std::string anchor);

  AcceptedMetadata load() const;
  // Writes what differs from what is there. The caller holds the lock. Throws QUERN_IO_ERROR.
  void store(const AcceptedMetadata &accepted) const;

  // The index file that `reference` means, or the last one kept of a package, whichever it was; verified.
  std::optional<std::string> read_index(const std::string &id, const FileReference &reference) const;
  std::optional<std::string> read_last_index(const std::string &id) const;
  void store_index(const std::string &id, const FileReference &reference, const std::string &file) const;
  void forget_indexes() const;

  std::filesystem::path lock_path() const { return directory_ / "lock"; }
  void create_directory() const;  // throws QUERN_IO_ERROR
  void remove_leftovers() const;  // of writers that died; the caller holds the lock

 private:
  void store_signed(const std::string &name, const std::string &file, const std::string &signatures) const;
  void store_file(const std::filesystem::path &path, const std::string &bytes) const;

  std::filesystem::path directory_;
  std::string anchor_;
};

}  // namespace quern
