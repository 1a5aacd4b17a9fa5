#include "registry/cache/sealing.hpp"

#include <algorithm>

#include "registry/cache/blob_store.hpp"
#include "registry/cache/cache_entry.hpp"
#include "registry/cache/cache_roots.hpp"
#include "registry/format/package_path.hpp"
#include "registry/package/published_package.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr size_t kMaxTunedBytes = 64 << 10;
constexpr std::chrono::seconds kLockPatience{10};

class Sealer {
 public:
  Sealer(const Directory &directory, Seal &seal) : directory_(directory), seal_(seal) {}

  void entry(const std::string &file) {
    if (!is_entry_file_name(file)) fail(QUERN_INVALID_ARGUMENT, "'", file, "' is no entry's file; name one of jit/");
    const auto entry = decode_entry(add(entry_path(file), kMaxEntryBytes));
    if (!entry || entry_file_name(entry->request, entry->nvrtc) != file) damaged(entry_path(file));
    seal_.archs.insert(entry->target);
    seal_.nvrtc.insert(entry->nvrtc);
  }

  void ref(const std::string &ref) {
    const std::string path = "refs/" + ref;
    const std::vector<uint8_t> bytes = add(path, kMaxTunedBytes);
    const std::string content(bytes.begin(), bytes.end());
    if (content.size() != 65 || content.back() != '\n' || !is_hex_digest(content.substr(0, 64))) damaged(path);
    manifest(content.substr(0, 64));
  }

  void manifest(const std::string &digest) {
    if (!is_hex_digest(digest)) fail(QUERN_INVALID_ARGUMENT, "'", digest, "' is no SHA-256; write 64 hex digits");
    if (!seal_.manifests.insert(digest).second) return;
    const Manifest manifest = parse_published_manifest(blob(digest), place(blob_path(digest)));
    for (const ManifestFile &file : manifest.files) blob(file.sha256);
    const std::string signatures = text("refs/", manifest.id, "/", digest, ".sig");
    if (directory_.identify(signatures)) add(signatures, kMaxSignatureBytes);
  }

  void tuned(const std::string &file) { add("tuned/" + file, kMaxTunedBytes); }

 private:
  std::string place(const std::string &path) const { return (directory_.path() / path).string(); }
  [[noreturn]] void damaged(const std::string &path) const {
    fail(QUERN_CORRUPT, place(path), " is damaged, so nothing is sealed; run quern cache doctor --repair");
  }

  std::vector<uint8_t> add(const std::string &path, size_t limit) {
    auto bytes = directory_.read(path, limit);
    if (!bytes) fail(QUERN_NOT_FOUND, place(path), " cannot be read, so nothing is sealed; run quern prefetch again");
    seal_.files[path] = hex(sha256(*bytes));
    return std::move(*bytes);
  }

  std::string blob(const std::string &digest) {
    const std::string path = blob_path(digest);
    const std::vector<uint8_t> bytes = add(path, kMaxBlobBytes);
    if (seal_.files[path] != digest) damaged(path);
    return {bytes.begin(), bytes.end()};
  }

  const Directory &directory_;
  Seal &seal_;
};

}  // namespace

SealRequest everything_in(const Directory &directory) {
  SealRequest request;
  for (const std::string &shard : directory.names("jit")) {
    for (const std::string &file : directory.names("jit/" + shard)) {
      if (is_entry_file_name(file) && file.substr(0, 2) == shard) request.entries.insert(file);
    }
  }
  for (const std::string &owner : directory.names("refs")) {
    for (const std::string &name : directory.names("refs/" + owner)) {
      const std::string id = owner + "/" + name;
      if (!is_package_id(id)) continue;
      for (const std::string &file : directory.names("refs/" + id)) {
        if (!file.ends_with(".sig")) request.refs.insert(id + "/" + file);
      }
    }
  }
  for (const CacheRoot &root : read_roots(directory).roots) {
    request.manifests.insert(root.manifests.begin(), root.manifests.end());
  }
  for (const std::string &file : directory.names("tuned")) {
    if (file.ends_with(".json")) request.tuned.insert(file);
  }
  return request;
}

Seal make_seal(const Directory &directory, const SealRequest &request, int64_t now) {
  if (request.expires != 0 && request.expires <= now) {
    fail(QUERN_INVALID_ARGUMENT, "the seal would expire at ", format_utc_time(request.expires),
         ", which is past; name a later time");
  }
  Seal seal;
  seal.created = now;
  seal.expires = request.expires;
  Sealer sealer(directory, seal);
  for (const std::string &file : request.entries) sealer.entry(file);
  for (const std::string &ref : request.refs) sealer.ref(ref);
  for (const std::string &manifest : request.manifests) sealer.manifest(manifest);
  for (const std::string &file : request.tuned) sealer.tuned(file);
  try {
    return parse_seal(write_seal(seal), "the seal");
  } catch (const Error &error) {  // a name in the request, or too much of it
    fail(QUERN_INVALID_ARGUMENT, error.what(), "; seal less, or other files");
  }
}

void publish_seal(const Directory &directory, const Seal &seal, const SecretKey &key) {
  directory.make_folder("locks");
  const auto held = directory.lock("locks/seal.lock", kLockPatience);
  if (!held) fail(QUERN_IO_ERROR, "somebody else is just sealing ", directory.path().string(), "; try again later");
  const std::string document = write_seal(seal);
  const std::string signatures = sign_file(Role::kSeal, document, {key});
  // For a moment the signatures are good for the old and for the new.
  std::vector<KeySignature> both = *parse_signatures(signatures);
  if (const auto old = directory.read_text(kSealSignatures, kMaxSignatureBytes)) {
    for (const KeySignature &each : parse_signatures(*old).value_or(std::vector<KeySignature>())) {
      if (both.size() < kMaxSignatures) both.push_back(each);
    }
  }
  constexpr unsigned kForAll = 0644;
  directory.publish(kSealSignatures, as_bytes(write_signatures(both)), kForAll);
  directory.publish(kSealFile, as_bytes(document), kForAll);
  directory.publish(kSealSignatures, as_bytes(signatures), kForAll);
}

}  // namespace quern
