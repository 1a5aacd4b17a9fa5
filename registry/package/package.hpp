// A kernel package: its manifest, the bytes of its files, and their identity.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "registry/package/manifest.hpp"
#include "registry/trust/trust.hpp"

namespace quern {

// What a compiler is given for one unit: nothing else can reach it.
struct UnitSource {
  std::string name;
  std::string text;
  std::vector<std::pair<std::string, std::string>> headers;  // include name and text, sorted; only what the unit needs
  std::string digest;                                        // of all the above, 64 hex digits
};

struct Package {
  Manifest manifest;
  std::map<std::string, std::string> files;
  std::string digest;  // sha256 over the manifest and all files, 64 hex digits
  std::string origin;  // "built-in", the directory, or the registry
  Trust trust = Trust::kLocal;
  std::string signer;    // the publisher, if signed
  std::string identity;  // sha256 of the published kernel.json, of a package that was resolved

  std::map<std::string, std::shared_ptr<const UnitSource>> units;  // by source file

  const std::shared_ptr<const UnitSource> &source(const Variant &variant) const { return units.at(variant.unit); }
  std::string kernel_name(const Variant &variant) const { return manifest.id + ":" + variant.name; }
};

// From a directory that holds kernel.json. Throws QUERN_NOT_FOUND or QUERN_BAD_MANIFEST.
std::shared_ptr<const Package> load_package(const std::filesystem::path &directory);

// From bytes at hand; a file that the manifest lists and `files` lacks is QUERN_BAD_MANIFEST.
std::shared_ptr<Package> make_package(Manifest manifest, std::string origin,
                                      const std::map<std::string, std::string> &files);

// The digest of the package that a published manifest, which lists what its files are, makes.
std::string package_digest(const Manifest &manifest);

// Those embedded in the library. They are read once in a process.
const std::vector<std::shared_ptr<const Package>> &builtin_packages();

}  // namespace quern
