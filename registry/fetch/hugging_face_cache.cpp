#include "registry/fetch/hugging_face_cache.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxRef = 64;

bool is_plain_path(const std::string &path) {
  const fs::path parts(path);
  return !path.empty() && path.find('\0') == std::string::npos && parts.is_relative() &&
         std::none_of(parts.begin(), parts.end(),
                      [](const fs::path &part) { return part.empty() || part == "." || part == ".."; });
}

// Where a link in a snapshot leads, if that is a blob: "blobs/<name>". The folders above it are no links themselves.
std::optional<std::string> blob_of(const std::string &link, const std::string &target) {
  const fs::path to(target);
  if (to.is_absolute()) return std::nullopt;
  const fs::path blob = (fs::path(link).parent_path() / to).lexically_normal();
  if (blob.parent_path() != "blobs" || !is_plain_path(blob.string())) return std::nullopt;
  return blob.string();
}

// Blobs are named after what they hold, as git or as its large file storage names it; other servers use other names.
bool fits_its_name(const std::string &bytes, const std::string &blob) {
  const std::string name = blob.substr(blob.rfind('/') + 1);
  if (is_hex_digest(name)) return hex(sha256(as_bytes(bytes))) == name;
  return !is_commit(name) || git_blob_id(as_bytes(bytes)) == name;
}

}  // namespace

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

HuggingFaceCache::HuggingFaceCache(const fs::path &hub, const std::string &id) {
  const size_t slash = id.find('/');
  if (hub.empty() || slash == std::string::npos) return;
  try {
    repository_.emplace(hub / ("kernels--" + id.substr(0, slash) + "--" + id.substr(slash + 1)));
  } catch (const Error &) {  // nobody fetched it here
  }
}

std::optional<std::string> HuggingFaceCache::commit_of(const std::string &ref) const {
  if (!repository_ || !is_plain_path(ref)) return std::nullopt;
  std::optional<std::string> commit = repository_->read_text("refs/" + ref, kMaxRef);
  if (commit && commit->ends_with('\n')) commit->pop_back();
  if (!commit || !is_commit(*commit)) return std::nullopt;
  return commit;
}

std::optional<std::string> HuggingFaceCache::read(const std::string &commit, const std::string &path,
                                                  size_t limit) const {
  if (!repository_ || !is_commit(commit) || !is_plain_path(path)) return std::nullopt;
  const std::string file = "snapshots/" + commit + "/" + path;
  const std::optional<std::string> target = repository_->link_target(file);
  if (!target) return repository_->read_text(file, limit);  // where there were no links to be had
  const std::optional<std::string> blob = blob_of(file, *target);
  if (!blob) return std::nullopt;
  std::optional<std::string> bytes = repository_->read_text(*blob, limit);
  if (bytes && !fits_its_name(*bytes, *blob)) bytes.reset();
  return bytes;
}

bool HuggingFaceCache::is_known_absent(const std::string &commit, const std::string &path) const {
  return repository_ && is_commit(commit) && is_plain_path(path) &&
         repository_->identify(".no_exist/" + commit + "/" + path);
}

}  // namespace quern
