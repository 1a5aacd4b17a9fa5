// A package as registries hold it: a kernel.json that says what bytes each of its files has.
#pragma once

#include <string>
#include <string_view>

#include "registry/package/manifest.hpp"
#include "registry/trust/release.hpp"

namespace quern {

// Throws QUERN_BAD_MANIFEST if a file has no sha256 or size, or all are more than 32 MiB.
Manifest parse_published_manifest(std::string_view document, const std::string &what);

// Throws QUERN_UNTRUSTED if the manifest is not of the release that led to it.
void require_release(const Manifest &manifest, const Release &release, const std::string &what);

}  // namespace quern
