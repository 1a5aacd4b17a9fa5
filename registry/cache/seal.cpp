#include "registry/cache/seal.hpp"

#include <algorithm>

#include "registry/cache/cache_entry.hpp"
#include "registry/format/blob_path.hpp"
#include "registry/format/package_path.hpp"
#include "registry/format/strict_document.hpp"
#include "registry/trust/signed_file.hpp"
#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

constexpr size_t kMaxItems = 100000;
constexpr size_t kMaxNameBytes = 64;
constexpr int kAttempts = 5;

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

// In the one order there is, so that the same seal is the same bytes.
std::set<std::string> read_list(JsonObject &object, const char *key, bool (*accepts)(std::string_view)) {
  std::set<std::string> items;
  for (const Json &value : object.need_array(key, 0, kMaxItems)) {
    std::string item = as_string(value, object.path(key));
    if (!accepts(item)) fail(QUERN_CORRUPT, object.path(key), " has an item that names nothing");
    if (!items.empty() && item <= *items.rbegin()) fail(QUERN_CORRUPT, object.path(key), " is not sorted");
    items.insert(items.end(), std::move(item));
  }
  return items;
}

// "owner/name/v1" or "owner/name/<manifest>.sig", as below refs/.
bool is_ref_file(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || !is_package_id(path.substr(0, slash))) return false;
  std::string_view name = path.substr(slash + 1);
  if (name.ends_with(".sig")) return is_hex_digest(name.substr(0, name.size() - 4));
  if (!name.starts_with('v')) return false;
  name.remove_prefix(1);
  const bool digits = name.find_first_not_of("0123456789") == std::string_view::npos;
  return digits && !name.empty() && name.size() <= 10 && (name == "0" || name.front() != '0');
}

// Whether a seal can vouch for a file of this path with this digest.
bool is_sealable(std::string_view path, const std::string &sha256) {
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view folder = path.substr(0, slash);
  const std::string_view rest = path.substr(slash + 1);
  if (folder == "blobs") return path == blob_path(sha256);
  if (folder == "refs") return is_ref_file(rest);
  if (folder == "tuned") return rest.ends_with(".json") && is_hex_digest(rest.substr(0, rest.size() - 5));
  if (folder != "jit" || rest.size() < 3 || rest[2] != '/') return false;
  const std::string_view file = rest.substr(3);
  return is_entry_file_name(file) && file.substr(0, 2) == rest.substr(0, 2) && is_word(build_in(file));
}

void read_files(JsonObject &object, Seal &seal) {
  const JsonObject checked(object.need("files"), "files");
  if (checked.members().size() > kMaxItems) fail(QUERN_CORRUPT, "files has more than ", kMaxItems, " items");
  std::set<std::string> builds;
  for (const auto &[path, item] : checked.members()) {
    const std::string digest = as_string(item, checked.path(path));
    if (!is_hex_digest(digest) || !is_sealable(path, digest)) {
      fail(QUERN_CORRUPT, checked.path(path), " is no file of a cache with its sha256");
    }
    if (path.starts_with("jit/")) builds.insert(std::string(build_in(path)));
    seal.files.emplace_hint(seal.files.end(), path, digest);
  }
  if (builds != seal.nvrtc) fail(QUERN_CORRUPT, "nvrtc does not list the builds of the entries");
  for (const std::string &manifest : seal.manifests) {
    if (!seal.allows_blob(manifest)) fail(QUERN_CORRUPT, "manifests has ", manifest, ", which is not among files");
  }
}

std::string place_of(const Directory &directory) { return (directory.path() / kSealFile).string(); }

[[noreturn]] void refuse(const Directory &directory, const std::optional<std::string> &document,
                         const std::optional<std::string> &signatures, size_t keys) {
  const std::string place = place_of(directory);
  const char *const fix = "; copy the bundle anew, or seal it with quern prefetch --seal";
  if (!document) {
    if (directory.identify(kSealFile)) fail(QUERN_UNTRUSTED, place, " cannot be read", fix);
    fail(QUERN_NOT_FOUND, place, " does not exist, and only what is sealed is used", fix);
  }
  if (!signatures) fail(QUERN_UNTRUSTED, place, " has no .sig file beside it, so nothing says who sealed it", fix);
  if (!parse_signatures(*signatures)) {
    fail(QUERN_UNTRUSTED, place, ": its .sig file is malformed, so nothing says who sealed it", fix);
  }
  fail(QUERN_UNTRUSTED, place, " is not signed by any of the ", keys, " keys that may seal: it was changed, or is of ",
       "another deployment", fix);
}

}  // namespace

const std::string *Seal::digest_of(const std::string &path) const {
  const auto found = files.find(path);
  return found == files.end() ? nullptr : &found->second;
}

bool Seal::allows_entry(const std::string &file, const std::string &sha256) const {
  const std::string *digest = is_entry_file_name(file) ? digest_of(entry_path(file)) : nullptr;
  return digest != nullptr && *digest == sha256;
}

bool Seal::allows_blob(const std::string &sha256) const {
  return is_hex_digest(sha256) && files.count(blob_path(sha256)) != 0;
}

Seal parse_seal(std::string_view document, const std::string &what) {
  return read_document(document, what, QUERN_CORRUPT, kMaxSealBytes, [](JsonObject &object) {
    Seal seal;
    seal.created = need_time(object, "created");
    if (object.find("expires") != nullptr) {
      seal.expires = need_time(object, "expires");
      if (seal.expires <= seal.created) fail(QUERN_CORRUPT, "expires is before created");
    }
    seal.archs = read_list(object, "archs", is_word);
    seal.nvrtc = read_list(object, "nvrtc", is_word);
    seal.manifests = read_list(object, "manifests", is_hex_digest);
    read_files(object, seal);
    return seal;
  });
}

std::string write_seal(const Seal &seal) {
  JsonWriter out(1);
  out.begin_object();
  out.member("schema", 1);
  out.member("created", format_utc_time(seal.created));
  if (seal.expires != 0) out.member("expires", format_utc_time(seal.expires));
  out.member("archs", seal.archs);
  out.member("nvrtc", seal.nvrtc);
  out.member("manifests", seal.manifests);
  out.member("files", seal.files);
  return out.finish();
}

Seal load_seal(const Directory &directory, const std::vector<PublicKey> &keys, const Clock &clock) {
  KeySet set;
  for (const PublicKey &key : keys) set.add(key);
  std::optional<std::string> document, signatures;
  // Whoever seals anew replaces one file after the other, and each may have been read from another side of it.
  for (int attempt = 0;; ++attempt) {
    auto next_signatures = directory.read_text(kSealSignatures, kMaxSignatureBytes);
    auto next_document = directory.read_text(kSealFile, kMaxSealBytes);
    const bool same = attempt > 0 && next_document == document && next_signatures == signatures;
    document = std::move(next_document);
    signatures = std::move(next_signatures);
    if (document && signatures && is_signed(*document, *signatures, Role::kSeal, set)) break;
    if (same || attempt + 1 == kAttempts) refuse(directory, document, signatures, set.keys.size());
  }
  Seal seal = parse_seal(*document, place_of(directory));
  // A clock that says less than the seal itself is wrong.
  const int64_t now = std::max({clock(), seal.created, kEarliestNow});
  if (seal.expires != 0 && now >= seal.expires) {
    fail(QUERN_OUTDATED, place_of(directory), " expired at ", format_utc_time(seal.expires),
         "; seal it anew, or correct this machine's clock");
  }
  return seal;
}

std::optional<std::vector<uint8_t>> read_sealed(const Directory &directory, const Seal &seal, const std::string &path,
                                                size_t limit, std::string &problem) {
  const std::string *digest = seal.digest_of(path);
  if (digest == nullptr) {
    if (directory.identify(path)) problem = "the seal does not name it";
    return std::nullopt;
  }
  auto bytes = directory.read(path, limit);
  if (!bytes) {
    problem = directory.identify(path) ? "it cannot be read" : "the seal names it and it is missing";
  } else if (hex(sha256(*bytes)) != *digest) {
    problem = "its contents are not those that the seal names";
    bytes.reset();
  }
  return bytes;
}

}  // namespace quern
