#include "registry/blob_store.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "registry/signature.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr unsigned kReadOnlyFile = 0444;
constexpr size_t kRefBytes = 65;  // the digest and a newline

// One part of a kernel's id, as it may stand for a folder.
bool is_id_part(const std::string &part) {
  return !part.empty() && part.size() <= 100 && part[0] != '.' && std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

int version_of(const std::string &name) {
  int version = -1;
  if (name.size() < 2 || name[0] != 'v' || (name[1] == '0' && name.size() > 2)) return -1;
  const char *end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + 1, end, version);
  return error == std::errc() && rest == end ? version : -1;
}

std::optional<std::string> read_ref(const Directory &layer, const std::string &path) {
  const auto content = layer.read_text(path, kRefBytes);
  if (!content || content->size() != kRefBytes || content->back() != '\n') return std::nullopt;
  std::string digest = content->substr(0, 64);
  if (!is_hex_digest(digest)) return std::nullopt;
  return digest;
}

void collect(const Json &json, std::vector<std::string> &digests) {
  if (json.is_string() && is_hex_digest(json.get_ref<const std::string &>())) digests.push_back(json);
  if (!json.is_structured()) return;
  for (const Json &item : json) collect(item, digests);
}

bool cannot_write(const Cache &cache, std::string *problem) {
  if (cache.mode() == CacheMode::kReadWrite) return false;
  if (problem != nullptr) *problem = cache.state();
  return true;
}

std::string signatures_path(const std::string &id, const std::string &manifest) {
  const std::string version_1 = ref_path(id, 1);  // checks the id
  if (!is_hex_digest(manifest)) fail(QUERN_INVALID_ARGUMENT, "'", manifest, "' is no SHA-256; write 64 hex digits");
  return version_1.substr(0, version_1.rfind('/') + 1) + manifest + ".sig";
}

}  // namespace

std::string ref_path(const std::string &id, int version) {
  const size_t slash = id.find('/');
  if (slash == std::string::npos || !is_id_part(id.substr(0, slash)) || !is_id_part(id.substr(slash + 1)) ||
      version < 0) {
    fail(QUERN_INVALID_ARGUMENT, "'", id, "' version ", version, " is no kernel; write it as owner/name");
  }
  return text("refs/", id, "/v", version);
}

std::vector<std::string> digests_in(std::string_view manifest) {
  std::vector<std::string> digests;
  try {
    collect(parse_strict(manifest, "manifest"), digests);
  } catch (const Error &) {
    digests.clear();
  }
  return digests;
}

std::optional<std::string> BlobStore::read(const std::string &sha256, size_t limit) {
  if (!is_hex_digest(sha256)) fail(QUERN_INVALID_ARGUMENT, "'", sha256, "' is no SHA-256; write 64 hex digits");
  for (const Directory *layer : cache_.layers()) {
    FileIdentity identity;
    const auto bytes = layer->read(blob_path(sha256), limit, &identity);
    if (!bytes) continue;
    if (hex(quern::sha256(*bytes)) == sha256) return std::string(bytes->begin(), bytes->end());
    cache_.set_aside(*layer, blob_path(sha256), identity);
  }
  return std::nullopt;
}

bool BlobStore::put(const std::string &sha256, std::string_view bytes, std::string *problem) {
  if (const std::string found = hex(quern::sha256(as_bytes(bytes))); found != sha256) {
    fail(QUERN_CORRUPT, "the bytes for ", sha256, " have the digest ", found, "; fetch them anew");
  }
  if (read(sha256, bytes.size())) return true;
  return keep(blob_path(sha256), bytes, problem, kReadOnlyFile);
}

bool BlobStore::keep(const std::string &path, std::string_view bytes, std::string *problem, unsigned mode) {
  if (cannot_write(cache_, problem)) return false;
  try {
    cache_.writable()->publish(path, as_bytes(bytes), mode);
    return true;
  } catch (const Error &error) {
    if (problem != nullptr) *problem = error.what();
    return false;
  }
}

std::optional<std::string> BlobStore::ref(const std::string &id, int version) {
  const std::string path = ref_path(id, version);
  for (const Directory *layer : cache_.layers()) {
    if (auto digest = read_ref(*layer, path)) return digest;
  }
  return std::nullopt;
}

bool BlobStore::set_ref(const std::string &id, int version, const std::string &manifest, std::string *problem) {
  const std::string path = ref_path(id, version);
  if (!is_hex_digest(manifest)) fail(QUERN_INVALID_ARGUMENT, "'", manifest, "' is no SHA-256; write 64 hex digits");
  if (ref(id, version) == manifest) return true;
  return keep(path, manifest + "\n", problem);
}

std::optional<std::string> BlobStore::signatures(const std::string &id, const std::string &manifest) {
  for (const Directory *layer : cache_.layers()) {
    if (auto found = layer->read_text(signatures_path(id, manifest), kMaxSignatureBytes)) return found;
  }
  return std::nullopt;
}

bool BlobStore::keep_signatures(const std::string &id, const std::string &manifest, std::string_view signatures,
                                std::string *problem) {
  if (this->signatures(id, manifest) == signatures) return true;
  return keep(signatures_path(id, manifest), signatures, problem);
}

std::vector<Ref> BlobStore::refs() {
  std::map<std::pair<std::string, int>, std::string> found;
  for (const Directory *layer : cache_.layers()) {
    for (const std::string &owner : layer->names("refs")) {
      if (!is_id_part(owner)) continue;
      for (const std::string &name : layer->names("refs/" + owner)) {
        if (!is_id_part(name)) continue;
        const std::string id = owner + "/" + name;
        for (const std::string &file : layer->names("refs/" + id)) {
          const int version = version_of(file);
          if (version < 0) continue;
          if (auto digest = read_ref(*layer, "refs/" + id + "/" + file)) found.try_emplace({id, version}, *digest);
        }
      }
    }
  }
  std::vector<Ref> refs;
  for (const auto &[key, manifest] : found) refs.push_back({key.first, key.second, manifest});
  return refs;
}

std::vector<CachedPackage> BlobStore::packages() {
  std::vector<CachedPackage> packages;
  for (Ref &ref : refs()) {
    CachedPackage package;
    std::set<std::string> digests{ref.manifest};
    if (const auto manifest = read(ref.manifest)) {
      for (std::string &digest : digests_in(*manifest)) digests.insert(std::move(digest));
    }
    const auto first_of = [&](const std::string &path) -> std::optional<FileIdentity> {
      for (const Directory *layer : cache_.layers()) {
        if (const auto identity = layer->identify(path)) return identity;
      }
      return std::nullopt;
    };
    for (const std::string &digest : digests) {
      const auto identity = first_of(blob_path(digest));
      if (!identity) continue;
      ++package.files;
      package.bytes += identity->size;
    }
    if (const auto identity = first_of(ref_path(ref.id, ref.version))) package.resolved = identity->modified();
    package.ref = std::move(ref);
    packages.push_back(std::move(package));
  }
  return packages;
}

}  // namespace quern
