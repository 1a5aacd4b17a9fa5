#include "registry/trust/metadata_store.hpp"

#include <algorithm>
#include <charconv>

#include "registry/format/strict_document.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/json_writer.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxStateBytes = 4096;
constexpr int kReadAttempts = 16;  // while somebody else is writing
constexpr std::string_view kIndexSuffix = ".jsonl";

struct State {
  std::string anchor;
  int64_t seen = 0;
};

State parse_state(std::string_view file, const std::string &what) {
  return read_document(file, what, QUERN_CORRUPT, kMaxStateBytes, [](JsonObject &object) {
    State state;
    state.anchor = need_digest(object, "anchor");
    state.seen = need_time(object, "seen");
    return state;
  });
}

std::string write_state(const State &state) {
  JsonWriter out;
  out.begin_object();
  out.member("schema", 1);
  out.member("anchor", state.anchor);
  out.member("seen", format_utc_time(state.seen));
  return out.finish();
}

std::optional<State> read_state(const Directory &base, const std::string &path) {
  const std::optional<std::string> file = base.read_text(path, kMaxStateBytes);
  if (!file) return std::nullopt;
  try {
    return parse_state(*file, path);
  } catch (const Error &) {
    return std::nullopt;
  }
}

std::string digest_of(std::string_view bytes) { return hex(sha256(as_bytes(bytes))); }

struct FilePair {
  std::string file, signatures;
};

// A file and its .sig of one moment: while the file stays the same around the reading of the .sig, the two belong
// together, since writers keep every state between good.
std::optional<FilePair> read_pair(const Directory &base, const std::string &path, size_t limit) {
  std::optional<std::string> file = base.read_text(path, limit);
  for (int attempt = 0; attempt < kReadAttempts && file; ++attempt) {
    std::optional<std::string> signatures = base.read_text(path + ".sig", kMaxSignatureBytes);
    std::optional<std::string> again = base.read_text(path, limit);
    if (!signatures) return std::nullopt;
    if (file == again) return FilePair{std::move(*file), std::move(*signatures)};
    file = std::move(again);
  }
  return std::nullopt;
}

// A document with its signatures, both as they were kept; nothing if one is missing or the document cannot be read.
template <typename Document>
std::optional<SignedDocument<Document>> read_signed(const Directory &base, const std::string &path, size_t limit,
                                                    Document (*parse)(std::string_view, const std::string &)) {
  std::optional<FilePair> pair = read_pair(base, path, limit);
  if (!pair) return std::nullopt;
  try {
    Document document = parse(pair->file, path);
    return SignedDocument<Document>{std::move(document), std::move(pair->file), std::move(pair->signatures)};
  } catch (const Error &) {
    return std::nullopt;
  }
}

std::string index_name(int64_t version, const std::string &digest) { return text(version, ".", digest, kIndexSuffix); }

// The version in the name of an index file and the digest in it; nothing for other names.
std::optional<FileReference> parse_index_name(const std::string &name) {
  FileReference reference;
  const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), reference.version);
  const size_t dot = static_cast<size_t>(rest - name.data());
  if (error != std::errc() || name.size() != dot + 1 + 64 + kIndexSuffix.size()) return std::nullopt;
  reference.sha256 = name.substr(dot + 1, 64);
  if (name != index_name(reference.version, reference.sha256) || !is_hex_digest(reference.sha256)) return std::nullopt;
  return reference;
}

}  // namespace

bool AcceptedMetadata::drop_unsigned() {
  if (!root ||
      (timestamp && !is_signed(timestamp->file, timestamp->signatures, Role::kTimestamp, root->document.timestamp))) {
    timestamp.reset();
  }
  if (snapshot &&
      (!root || !is_signed(snapshot->file, snapshot->signatures, Role::kSnapshot, root->document.snapshot))) {
    snapshot.reset();
    return true;
  }
  return false;
}

MetadataStore::MetadataStore(fs::path directory, std::string anchor)
    : base_(directory.parent_path().parent_path()),
      folder_((directory.parent_path().filename() / directory.filename()).string()),
      anchor_(std::move(anchor)) {}

std::optional<Directory> MetadataStore::base() const {
  try {
    return Directory(base_);
  } catch (const Error &) {
    return std::nullopt;
  }
}

AcceptedMetadata MetadataStore::load() const {
  AcceptedMetadata accepted;
  const std::optional<Directory> base = this->base();
  if (!base) return accepted;
  const std::optional<State> state = read_state(*base, path("state.json"));
  if (!state || state->anchor != anchor_) return accepted;
  accepted.root = read_signed(*base, path("root.json"), kMaxRootBytes, parse_root);
  if (!accepted.root ||
      !is_signed(accepted.root->file, accepted.root->signatures, Role::kRoot, accepted.root->document.root)) {
    return {};
  }
  accepted.timestamp = read_signed(*base, path("timestamp.json"), kMaxTimestampBytes, parse_timestamp);
  accepted.snapshot = read_signed(*base, path("snapshot.json"), kMaxSnapshotBytes, parse_snapshot);
  accepted.drop_unsigned();
  // Metadata was found fresh then, so it is before the end of that; a damaged file cannot say otherwise.
  if (accepted.timestamp) accepted.seen = std::min(state->seen, accepted.timestamp->document.expires - 1);
  return accepted;
}

void MetadataStore::store(const AcceptedMetadata &accepted) const {
  const Directory base(base_);
  const std::optional<State> state = read_state(base, path("state.json"));
  if (!state || state->anchor != anchor_) {
    // A root of other keys is to be gone before state.json says that it is of ours.
    for (const char *name : {"root.json", "timestamp.json", "snapshot.json"}) base.remove(path(name));
    forget_indexes(base);
  }
  store_file(base, path("state.json"), write_state({anchor_, accepted.seen}));
  if (accepted.root) store_signed(base, "root.json", accepted.root->file, accepted.root->signatures);
  // The snapshot first: one that is ahead of its timestamp is good, one behind it is not.
  if (accepted.snapshot) store_signed(base, "snapshot.json", accepted.snapshot->file, accepted.snapshot->signatures);
  if (accepted.timestamp)
    store_signed(base, "timestamp.json", accepted.timestamp->file, accepted.timestamp->signatures);
}

// Two files cannot be replaced at once. So that the pair is good at every moment, the signatures of the next document
// join those of the present one first.
void MetadataStore::store_signed(const Directory &base, const std::string &name, const std::string &file,
                                 const std::string &signatures) const {
  const std::string file_path = path(name), signatures_path = file_path + ".sig";
  const std::string before = base.read_text(file_path, kMaxSnapshotBytes).value_or("");
  const std::string signed_before = base.read_text(signatures_path, kMaxSignatureBytes).value_or("");
  if (before == file && signed_before == signatures) return;
  if (before != file && parse_signatures(signatures + signed_before)) {
    store_file(base, signatures_path, signatures + signed_before);
  }
  store_file(base, file_path, file);
  store_file(base, signatures_path, signatures);
}

void MetadataStore::store_file(const Directory &base, const std::string &path, const std::string &bytes) const {
  if (base.read_text(path, bytes.size()) == bytes) return;
  base.publish(path, as_bytes(bytes), 0600, folder_);
}

FileLock MetadataStore::lock(std::chrono::milliseconds patience) const {
  make_directories(base_);
  const Directory base(base_);
  base.make_folder(folder_);
  std::optional<FileLock> lock = base.lock(path("lock"), patience);
  if (!lock) fail(QUERN_IO_ERROR, "cannot lock ", (base_ / path("lock")).string(), "; check its permissions");
  return std::move(*lock);
}

void MetadataStore::remove_leftovers() const {
  const std::optional<Directory> base = this->base();
  if (!base) return;
  for (const std::string &name : base->names(folder_)) {
    if (name.ends_with(".tmp")) base->remove(path(name));
  }
}

std::optional<std::string> MetadataStore::read_index(const Directory &base, const std::string &id,
                                                     const FileReference &reference) const {
  const std::string file_path = path(text("index/", id, "/", index_name(reference.version, reference.sha256)));
  std::optional<std::string> file = base.read_text(file_path, kMaxIndexBytes);
  if (!file || digest_of(*file) != reference.sha256) return std::nullopt;
  return file;
}

std::optional<std::string> MetadataStore::read_index(const std::string &id, const FileReference &reference) const {
  const std::optional<Directory> base = this->base();
  return base ? read_index(*base, id, reference) : std::nullopt;
}

std::optional<std::string> MetadataStore::read_last_index(const std::string &id) const {
  const std::optional<Directory> base = this->base();
  for (int attempt = 0; attempt < kReadAttempts && base; ++attempt) {
    std::vector<FileReference> kept;
    for (const std::string &name : base->names(path("index/" + id))) {
      if (const auto reference = parse_index_name(name)) kept.push_back(*reference);
    }
    if (kept.empty()) return std::nullopt;
    std::sort(kept.begin(), kept.end(),
              [](const FileReference &a, const FileReference &b) { return a.version > b.version; });
    for (const FileReference &reference : kept) {
      if (std::optional<std::string> file = read_index(*base, id, reference)) return file;
    }
  }
  return std::nullopt;  // damaged, or every one that was listed was replaced meanwhile
}

void MetadataStore::store_index(const std::string &id, const FileReference &reference, const std::string &file) const {
  const Directory base(base_);
  const std::string folder = path("index/" + id), name = index_name(reference.version, reference.sha256);
  store_file(base, folder + "/" + name, file);
  for (const std::string &other : base.names(folder)) {
    if (parse_index_name(other) && other != name) base.remove(folder + "/" + other);
  }
}

void MetadataStore::forget_indexes() const {
  if (const std::optional<Directory> base = this->base()) forget_indexes(*base);
}

void MetadataStore::forget_indexes(const Directory &base) const {
  const std::string index = path("index");
  for (const std::string &owner : base.names(index)) {
    for (const std::string &name : base.names(index + "/" + owner)) {
      const std::string folder = index + "/" + owner + "/" + name;
      for (const std::string &file : base.names(folder)) {
        if (parse_index_name(file)) base.remove(folder + "/" + file);
      }
      base.remove_folder(folder);
    }
    base.remove_folder(index + "/" + owner);
  }
}

}  // namespace quern
