#include "registry/package/package.hpp"

#include <functional>
#include <optional>
#include <set>

#include "registry/package/builtin_files.hpp"
#include "registry/package/include_scan.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr size_t kMaxFile = 4 << 20;
// What every kernel may include: headers shared with the host, and NVRTC's stand-ins for system headers.
constexpr std::string_view kSharedHeaders[] = {"include/", "nvrtc/"};

using ReadFile = std::function<std::optional<std::string>(const std::string &path)>;

// A file of the package, reached through no link: what is outside of the directory is not the package's.
std::optional<std::string> read_own(const std::filesystem::path &directory, const std::filesystem::path &path) {
  std::error_code ignored;
  std::filesystem::path folder = directory;
  for (const auto &component : path.parent_path()) {
    folder /= component;
    if (std::filesystem::is_symlink(folder, ignored)) return std::nullopt;
  }
  return read_text(directory / path, kMaxFile);
}

const BuiltinFile *find_builtin(std::string_view path) {
  for (const BuiltinFile &file : builtin_files()) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

const BuiltinFile *find_shared_header(const std::string &name) {
  for (const std::string_view folder : kSharedHeaders) {
    if (const BuiltinFile *found = find_builtin(std::string(folder) + name)) return found;
  }
  return nullptr;
}

using Includes = std::map<std::string, std::vector<std::string>>;  // of a package's files, each read once

// The unit with the headers it reaches, and no others. Throws QUERN_BAD_MANIFEST if it includes what the manifest does
// not list.
std::shared_ptr<const UnitSource> resolve_unit(const Package &package, const std::string &path, Includes &includes) {
  std::map<std::string, std::string> headers;
  const std::function<void(const std::string &, const std::string &)> follow = [&](const std::string &name,
                                                                                   const std::string &text) {
    auto known = includes.find(name);
    if (known == includes.end()) {
      known = includes.emplace(name, included_names(text, package.manifest.id + "/" + name)).first;
    }
    for (const std::string &include : known->second) {
      if (headers.count(include) != 0) continue;
      if (const auto own = package.files.find(include); own != package.files.end()) {
        headers.emplace(include, own->second);
      } else if (const BuiltinFile *shared = find_shared_header(include)) {
        headers.emplace(include, shared->content);
      } else {
        fail(QUERN_BAD_MANIFEST, package.manifest.id, "/", name, " includes ", include,
             ", which neither its manifest lists nor Quern provides; list it in files");
      }
      follow(include, headers.at(include));
    }
  };
  auto unit = std::make_shared<UnitSource>();
  unit->name = path;
  unit->text = package.files.at(path);
  follow(unit->name, unit->text);
  unit->headers.assign(headers.begin(), headers.end());
  FieldHash hash;
  hash.add("quern unit 1");
  hash.add(unit->name);
  hash.add(unit->text);
  for (const auto &[name, content] : unit->headers) {
    hash.add(name);
    hash.add(content);
  }
  unit->digest = hex(hash.finish());
  return unit;
}

std::string digest_of(const Manifest &manifest, const std::map<std::string, std::string> &files) {
  FieldHash hash;
  hash.add("quern package 1");
  hash.add(manifest.text);
  for (const ManifestFile &file : manifest.files) {
    hash.add(file.path);
    hash.add(files.at(file.path));
  }
  return hex(hash.finish());
}

std::shared_ptr<Package> assemble(Manifest manifest, std::string origin, const ReadFile &read) {
  auto package = std::make_shared<Package>();
  package->origin = std::move(origin);
  const std::string what = package->origin + "/kernel.json";
  package->manifest = std::move(manifest);
  std::map<std::string, std::string> digests;
  for (const ManifestFile &file : package->manifest.files) {
    std::optional<std::string> content = read(file.path);
    if (!content)
      fail(QUERN_BAD_MANIFEST, what, ": ", file.path, " is listed and cannot be read as a file of at most 4 MiB");
    const std::string digest = hex(sha256(as_bytes(*content)));
    if (!file.sha256.empty() && file.sha256 != digest) {
      fail(QUERN_BAD_MANIFEST, what, ": ", file.path, " has sha256 ", digest,
           ", not the one listed; correct the one that is wrong");
    }
    digests.emplace(file.path, digest);
    package->files.emplace(file.path, std::move(*content));
  }
  package->digest = digest_of(package->manifest, digests);
  Includes includes;
  for (const Variant &variant : package->manifest.variants) {
    auto &unit = package->units[variant.unit];
    if (unit == nullptr) unit = resolve_unit(*package, variant.unit, includes);
  }
  return package;
}

std::vector<std::shared_ptr<const Package>> read_builtin_packages() {
  constexpr std::string_view kManifest = "/kernel.json";
  std::vector<std::shared_ptr<const Package>> packages;
  for (const BuiltinFile &file : builtin_files()) {
    if (!file.path.ends_with(kManifest)) continue;
    const std::string folder(file.path.substr(0, file.path.size() - kManifest.size()));
    auto package = assemble(parse_manifest(file.content, "built-in/kernel.json"), "built-in",
                            [&](const std::string &path) -> std::optional<std::string> {
                              const BuiltinFile *found = find_builtin(folder + "/" + path);
                              if (found == nullptr) return std::nullopt;
                              return std::string(found->content);
                            });
    package->trust = Trust::kBuiltIn;
    packages.push_back(std::move(package));
  }
  return packages;
}

}  // namespace

std::shared_ptr<const Package> load_package(const std::filesystem::path &directory) {
  const std::optional<std::string> document = read_text(directory / "kernel.json", kMaxFile);
  if (!document) fail(QUERN_NOT_FOUND, directory.string(), " holds no readable kernel.json; name a kernel package");
  Manifest manifest = parse_manifest(*document, directory.string() + "/kernel.json");
  return assemble(std::move(manifest), directory.string(),
                  [&](const std::string &path) { return read_own(directory, path); });
}

std::shared_ptr<Package> make_package(Manifest manifest, std::string origin,
                                      const std::map<std::string, std::string> &files) {
  return assemble(std::move(manifest), std::move(origin), [&](const std::string &path) -> std::optional<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  });
}

std::string package_digest(const Manifest &manifest) {
  std::map<std::string, std::string> digests;
  for (const ManifestFile &file : manifest.files) digests.emplace(file.path, file.sha256);
  return digest_of(manifest, digests);
}

const std::vector<std::shared_ptr<const Package>> &builtin_packages() {
  static const std::vector<std::shared_ptr<const Package>> packages = read_builtin_packages();
  return packages;
}

}  // namespace quern
