// The three signed documents of a registry, as they are written and read. On disk and on the network: a test pins the
// bytes of each.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "registry/format/blob_path.hpp"
#include "registry/trust/signed_file.hpp"

namespace quern {

inline constexpr size_t kMaxRootBytes = 64 << 10;
inline constexpr size_t kMaxTimestampBytes = 16 << 10;
inline constexpr size_t kMaxSnapshotBytes = 2 << 20;
inline constexpr size_t kMaxIndexBytes = 1 << 20;
inline constexpr int64_t kMaxMetadataVersion = INT64_C(1) << 53;

// A further file, by what must be true of it.
struct FileReference {
  int64_t version = 0;
  std::string sha256;
  int64_t size = 0;
  friend bool operator==(const FileReference &, const FileReference &) = default;
};

// Who may sign what.
struct RootDocument {
  int64_t version = 0;
  int64_t expires = 0;
  KeySet root, timestamp, snapshot;
};

// Which snapshot is current. Short-lived, so that nobody can hold back newer ones for long.
struct TimestampDocument {
  int64_t version = 0;
  int64_t expires = 0;
  FileReference snapshot;
};

// Which index of each package is current, all at one moment.
struct SnapshotDocument {
  int64_t version = 0;
  int64_t expires = 0;
  std::map<std::string, FileReference> packages;  // by package id
};

// They throw QUERN_CORRUPT; `what` names the file.
RootDocument parse_root(std::string_view file, const std::string &what);
TimestampDocument parse_timestamp(std::string_view file, const std::string &what);
SnapshotDocument parse_snapshot(std::string_view file, const std::string &what);

std::string write_root(const RootDocument &root);
std::string write_timestamp(const TimestampDocument &timestamp);
std::string write_snapshot(const SnapshotDocument &snapshot);

// Where they are, relative to the registry.
inline constexpr const char *kTimestampPath = "timestamp.json";
std::string root_path(int64_t version);
std::string snapshot_path(int64_t version);
std::string index_path(const std::string &id, int64_t version);

}  // namespace quern
