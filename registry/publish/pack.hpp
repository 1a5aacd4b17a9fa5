// From an author's directory to a package that can be published.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "registry/package/manifest.hpp"

namespace quern {

struct PackedPackage {
  std::string document;  // the published kernel.json: the author's, with sha256 and size of every file
  std::string digest;    // of the document: the package's identity
  Manifest manifest;
  std::map<std::string, std::string> files;  // content by path
  std::vector<std::string> warnings;         // sentences
};

// The same directory gives the same bytes. Throws QUERN_NOT_FOUND or QUERN_BAD_MANIFEST for what would be refused when
// it is installed: sources with includes that are not listed, links, paths that are not portable, sizes above the caps.
PackedPackage pack(const std::filesystem::path &directory);

// Where the value of a key of the outermost object stands in a JSON document that parse_strict() accepts; throws
// QUERN_BAD_MANIFEST if the key is not there or is written with escapes.
struct TextSpan {
  size_t begin, end;
};
TextSpan find_member(std::string_view document, std::string_view key, const std::string &what);

}  // namespace quern
