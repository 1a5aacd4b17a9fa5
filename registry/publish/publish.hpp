// Running a static registry: a directory that any web server can serve. Every change writes new files first and the
// timestamp last, so that a reader sees the registry as it was or as it is, and a crash leaves it as it was.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "registry/format/utc_time.hpp"
#include "registry/publish/pack.hpp"
#include "registry/trust/metadata_format.hpp"
#include "registry/trust/release.hpp"

namespace quern {

struct Lifetimes {  // seconds
  int64_t root = 365 * INT64_C(86400);
  int64_t snapshot = 90 * INT64_C(86400);
  int64_t timestamp = 7 * INT64_C(86400);
};

// Who changes a registry. Secret keys that a change does not need may be absent.
struct RegistryKeys {
  std::vector<SecretKey> root, timestamp, snapshot;
};

struct PublishOptions {
  Lifetimes lifetimes;
  Clock now = system_seconds;
  ClientVersion min_client{0, 1};  // of the release
};

// All throw QUERN_INVALID_ARGUMENT for what is asked wrongly, QUERN_NOT_FOUND if there is no such registry or release,
// QUERN_UNTRUSTED if the keys do not suffice or the
// registry's present files are not signed by them, QUERN_IO_ERROR if the directory cannot be written or somebody else
// is just changing it.

// A new, empty registry in which one signature of each role's keys suffices.
void create_registry(const std::filesystem::path &registry, const RegistryKeys &keys, const PublishOptions &options);

// Adds a release, and the registry itself if there is none. `signatures` is the .sig of the package's document, "" if
// its author did not sign. False if the very same release is there already.
bool publish(const std::filesystem::path &registry, const PackedPackage &package, const std::string &signatures,
             const RegistryKeys &keys, const PublishOptions &options);

// A release that serves no new resolution, or does again.
void yank(const std::filesystem::path &registry, const std::string &id, int version, int build, bool yanked,
          const RegistryKeys &keys, const PublishOptions &options);
// A release that serves nobody, for ever.
void revoke(const std::filesystem::path &registry, const std::string &id, int version, int build,
            const std::string &reason, const RegistryKeys &keys, const PublishOptions &options);

// Signs timestamp and snapshot anew before they expire.
void renew(const std::filesystem::path &registry, const RegistryKeys &keys, const PublishOptions &options);

// From the present root, who may sign from now on; version and expiry are set by rotate_root().
using NextRoot = std::function<RootDocument(const RootDocument &present)>;

// The next root. `keys.root` must satisfy the present root and the next; with `keys.timestamp` and `keys.snapshot` of
// both, readers notice nothing.
void rotate_root(const std::filesystem::path &registry, const NextRoot &next_root, const RegistryKeys &keys,
                 const PublishOptions &options);

}  // namespace quern
