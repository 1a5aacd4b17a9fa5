#include "registry/package/published_package.hpp"

#include "registry/format/package_path.hpp"
#include "runtime/base/error.hpp"

namespace quern {

Manifest parse_published_manifest(std::string_view document, const std::string &what) {
  Manifest manifest = parse_manifest(document, what);
  int64_t total = static_cast<int64_t>(document.size());
  for (const ManifestFile &file : manifest.files) {
    if (file.sha256.empty() || file.size < 0) {
      fail(QUERN_BAD_MANIFEST, what, ": ", file.path, " has no sha256 and size; a published package needs both");
    }
    total += file.size;
  }
  if (total > kMaxPackageBytes) {
    fail(QUERN_BAD_MANIFEST, what, ": the package has ", total, " bytes; at most ", kMaxPackageBytes, " are allowed");
  }
  return manifest;
}

void require_release(const Manifest &manifest, const Release &release, const std::string &what) {
  if (manifest.id == release.id && manifest.version == release.version && manifest.build == release.build) return;
  fail(QUERN_UNTRUSTED, what, " is of ", manifest.id, " version ", manifest.version, " build ", manifest.build,
       " and not of ", release.id, " version ", release.version, " build ", release.build,
       ", as the registry says; ask who runs it");
}

}  // namespace quern
