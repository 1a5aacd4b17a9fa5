// Releases of a package as a registry's index tells them, one a line, and the choice among them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <quern/quern.h>

namespace quern {

struct BlobReference {
  std::string sha256;  // "": there is none
  int64_t size = 0;
  friend bool operator==(const BlobReference &, const BlobReference &) = default;
};

struct ClientVersion {
  int major = QUERN_VERSION_MAJOR;
  int minor = QUERN_VERSION_MINOR;
  friend auto operator<=>(const ClientVersion &, const ClientVersion &) = default;
};

struct Release {
  std::string id;
  int version = 0;
  int build = 0;
  std::string manifest;  // sha256 of the published kernel.json
  int64_t size = 0;      // of the same
  BlobReference signatures;
  int64_t published = 0;  // seconds since 1970
  ClientVersion min_client{0, 0};
  bool yanked = false;  // serves only who names its digest
  std::string revoked;  // why it serves nobody; "" if it does
  friend bool operator==(const Release &, const Release &) = default;
};

// A line without its end. Throws QUERN_CORRUPT; nothing for a line of another schema, which a later Quern may read.
std::optional<Release> parse_release(std::string_view line, const std::string &what);
std::string write_release(const Release &release);

// Whether a reason may stand in an index: one line of at most 500 bytes in UTF-8, since messages quote it.
bool is_revocation_reason(const std::string &reason);

struct PackageIndex {
  std::vector<Release> releases;
  int passed_over = 0;  // lines of another schema
};

// An index file of package `id`. Throws QUERN_CORRUPT.
PackageIndex parse_index(std::string_view file, const std::string &id, const std::string &what);

// Throws QUERN_UNTRUSTED if `now` lacks a release of `before`, gives it other contents or takes back a revocation:
// releases are never changed.
void require_appended(const std::vector<Release> &before, const std::vector<Release> &now, const std::string &what);

struct ReleaseChoice {
  std::optional<Release> release;
  std::string reason;  // why there is none
};

// The newest build of a version that is neither yanked nor revoked nor for a later client.
ReleaseChoice choose_version(const std::vector<Release> &releases, int version, const ClientVersion &client = {});
// Exactly this one, even if it was yanked; not if it was revoked.
ReleaseChoice choose_manifest(const std::vector<Release> &releases, const std::string &digest);

}  // namespace quern
