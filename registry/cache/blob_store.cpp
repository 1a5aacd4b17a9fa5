#include "registry/cache/blob_store.hpp"

#include <charconv>
#include <map>
#include <set>

#include "registry/format/package_path.hpp"
#include "registry/trust/signature.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr unsigned kReadOnlyFile = 0444;
constexpr size_t kRefBytes = 65;  // the digest and a newline

int version_of(const std::string &name) {
  int version = -1;
  if (name.size() < 2 || name[0] != 'v' || (name[1] == '0' && name.size() > 2)) return -1;
  const char *end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + 1, end, version);
  return error == std::errc() && rest == end ? version : -1;
}

std::optional<std::string> read_ref(const Cache &cache, const CacheLayer &layer, const std::string &path) {
  const auto content = cache.read(layer, path, kRefBytes);
  if (!content || content->size() != kRefBytes || content->back() != '\n') return std::nullopt;
  std::string digest(content->begin(), content->end() - 1);
  if (!is_hex_digest(digest)) return std::nullopt;
  return digest;
}

void collect(const Json &json, std::vector<std::string> &digests) {
  if (const auto *text = std::get_if<std::string>(&json.value()); text != nullptr && is_hex_digest(*text)) {
    digests.push_back(*text);
  } else if (const auto *items = std::get_if<Json::Array>(&json.value())) {
    for (const Json &item : *items) collect(item, digests);
  } else if (const auto *members = std::get_if<Json::Object>(&json.value())) {
    for (const JsonMember &member : *members) collect(member.value, digests);
  }
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
  if (!is_package_id(id) || version < 0) {
    fail(QUERN_INVALID_ARGUMENT, "'", id, "' version ", version, " is no kernel; write it as owner/name");
  }
  return text("refs/", id, "/v", version);
}

bool is_version_file(std::string_view name) { return version_of(std::string(name)) >= 0; }

bool is_signatures_file(std::string_view name) {
  return name.size() == 68 && name.ends_with(".sig") && is_hex_digest(name.substr(0, 64));
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
  for (const CacheLayer *layer : cache_.layers()) {
    FileIdentity identity;
    const auto bytes = cache_.read(*layer, blob_path(sha256), limit, &identity);
    if (!bytes) continue;
    const bool verified = layer->seal || hex(quern::sha256(*bytes)) == sha256;
    if (verified) return std::string(bytes->begin(), bytes->end());
    cache_.set_aside(layer->directory, blob_path(sha256), identity);
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
  for (const CacheLayer *layer : cache_.layers()) {
    if (auto digest = read_ref(cache_, *layer, path)) return digest;
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
  for (const CacheLayer *layer : cache_.layers()) {
    const auto found = cache_.read(*layer, signatures_path(id, manifest), kMaxSignatureBytes);
    if (found) return std::string(found->begin(), found->end());
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
  for (const CacheLayer *layer : cache_.layers()) {
    const Directory &directory = layer->directory;
    for (const std::string &owner : directory.names("refs")) {
      for (const std::string &name : directory.names("refs/" + owner)) {
        const std::string id = owner + "/" + name;
        if (!is_package_id(id)) continue;
        for (const std::string &file : directory.names("refs/" + id)) {
          const int version = version_of(file);
          if (version < 0) continue;
          const auto digest = read_ref(cache_, *layer, "refs/" + id + "/" + file);
          if (digest) found.try_emplace({id, version}, *digest);
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
      for (const CacheLayer *layer : cache_.layers()) {
        if (const auto identity = layer->directory.identify(path)) return identity;
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
