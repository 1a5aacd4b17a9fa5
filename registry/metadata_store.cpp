#include "registry/metadata_store.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "registry/strict_document.hpp"
#include "runtime/base/file.hpp"

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
  const OrderedJson json = {{"schema", 1}, {"anchor", state.anchor}, {"seen", format_utc_time(state.seen)}};
  return json.dump() + "\n";
}

std::optional<State> read_state(const fs::path &path) {
  const std::optional<std::string> file = read_text(path, kMaxStateBytes);
  if (!file) return std::nullopt;
  try {
    return parse_state(*file, path.string());
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
std::optional<FilePair> read_pair(const fs::path &path, size_t limit) {
  std::optional<std::string> file = read_text(path, limit);
  for (int attempt = 0; attempt < kReadAttempts && file; ++attempt) {
    std::optional<std::string> signatures = read_text(path.string() + ".sig", kMaxSignatureBytes);
    std::optional<std::string> again = read_text(path, limit);
    if (!signatures) return std::nullopt;
    if (file == again) return FilePair{std::move(*file), std::move(*signatures)};
    file = std::move(again);
  }
  return std::nullopt;
}

// A document with its signatures, both as they were kept; nothing if one is missing or the document cannot be read.
template <typename Document>
std::optional<SignedDocument<Document>> read_signed(const fs::path &path, size_t limit,
                                                    Document (*parse)(std::string_view, const std::string &)) {
  std::optional<FilePair> pair = read_pair(path, limit);
  if (!pair) return std::nullopt;
  try {
    Document document = parse(pair->file, path.string());
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
    : directory_(std::move(directory)), anchor_(std::move(anchor)) {}

AcceptedMetadata MetadataStore::load() const {
  AcceptedMetadata accepted;
  const std::optional<State> state = read_state(directory_ / "state.json");
  if (!state || state->anchor != anchor_) return accepted;
  accepted.root = read_signed(directory_ / "root.json", kMaxRootBytes, parse_root);
  if (!accepted.root ||
      !is_signed(accepted.root->file, accepted.root->signatures, Role::kRoot, accepted.root->document.root)) {
    return {};
  }
  accepted.timestamp = read_signed(directory_ / "timestamp.json", kMaxTimestampBytes, parse_timestamp);
  accepted.snapshot = read_signed(directory_ / "snapshot.json", kMaxSnapshotBytes, parse_snapshot);
  accepted.drop_unsigned();
  // Metadata was found fresh then, so it is before the end of that; a damaged file cannot say otherwise.
  if (accepted.timestamp) accepted.seen = std::min(state->seen, accepted.timestamp->document.expires - 1);
  return accepted;
}

void MetadataStore::store(const AcceptedMetadata &accepted) const {
  const std::optional<State> state = read_state(directory_ / "state.json");
  if (!state || state->anchor != anchor_) {
    // A root of other keys is to be gone before state.json says that it is of ours.
    std::error_code ignored;
    for (const char *name : {"root.json", "timestamp.json", "snapshot.json"}) fs::remove(directory_ / name, ignored);
    forget_indexes();
  }
  store_file(directory_ / "state.json", write_state({anchor_, accepted.seen}));
  if (accepted.root) store_signed("root.json", accepted.root->file, accepted.root->signatures);
  // The snapshot first: one that is ahead of its timestamp is good, one behind it is not.
  if (accepted.snapshot) store_signed("snapshot.json", accepted.snapshot->file, accepted.snapshot->signatures);
  if (accepted.timestamp) store_signed("timestamp.json", accepted.timestamp->file, accepted.timestamp->signatures);
}

// Two files cannot be replaced at once. So that the pair is good at every moment, the signatures of the next document
// join those of the present one first.
void MetadataStore::store_signed(const std::string &name, const std::string &file,
                                 const std::string &signatures) const {
  const fs::path path = directory_ / name, signatures_path = directory_ / (name + ".sig");
  const std::string before = read_text(path, kMaxSnapshotBytes).value_or("");
  const std::string signed_before = read_text(signatures_path, kMaxSignatureBytes).value_or("");
  if (before == file && signed_before == signatures) return;
  if (before != file && parse_signatures(signatures + signed_before)) {
    store_file(signatures_path, signatures + signed_before);
  }
  store_file(path, file);
  store_file(signatures_path, signatures);
}

void MetadataStore::store_file(const fs::path &path, const std::string &bytes) const {
  if (read_text(path, bytes.size()) == bytes) return;
  publish_file(directory_, path, as_bytes(bytes));
}

void MetadataStore::create_directory() const { make_directories(directory_); }

void MetadataStore::remove_leftovers() const {
  std::error_code ignored;
  for (const fs::directory_entry &item : fs::directory_iterator(directory_, ignored)) {
    if (item.path().extension() == ".tmp") fs::remove(item.path(), ignored);
  }
}

std::optional<std::string> MetadataStore::read_index(const std::string &id, const FileReference &reference) const {
  const fs::path path = directory_ / "index" / id / index_name(reference.version, reference.sha256);
  std::optional<std::string> file = read_text(path, kMaxIndexBytes);
  if (!file || digest_of(*file) != reference.sha256) return std::nullopt;
  return file;
}

std::optional<std::string> MetadataStore::read_last_index(const std::string &id) const {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    std::error_code ignored;
    std::vector<FileReference> kept;
    for (const fs::directory_entry &item : fs::directory_iterator(directory_ / "index" / id, ignored)) {
      if (const auto reference = parse_index_name(item.path().filename().string())) kept.push_back(*reference);
    }
    if (kept.empty()) return std::nullopt;
    std::sort(kept.begin(), kept.end(),
              [](const FileReference &a, const FileReference &b) { return a.version > b.version; });
    for (const FileReference &reference : kept) {
      if (std::optional<std::string> file = read_index(id, reference)) return file;
    }
  }
  return std::nullopt;  // damaged, or every one that was listed was replaced meanwhile
}

void MetadataStore::store_index(const std::string &id, const FileReference &reference, const std::string &file) const {
  const fs::path folder = directory_ / "index" / id;
  const std::string name = index_name(reference.version, reference.sha256);
  make_directories(folder);
  store_file(folder / name, file);
  std::error_code ignored;
  for (const fs::directory_entry &item : fs::directory_iterator(folder, ignored)) {
    if (item.path().filename() != name) fs::remove(item.path(), ignored);
  }
}

void MetadataStore::forget_indexes() const {
  std::error_code ignored;
  fs::remove_all(directory_ / "index", ignored);
}

}  // namespace quern
