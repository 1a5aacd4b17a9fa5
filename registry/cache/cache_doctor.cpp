// Verify and doctor: what is wrong with a cache, and setting it right.
#include <algorithm>
#include <ctime>

#include "registry/cache/blob_store.hpp"
#include "registry/cache/cache.hpp"
#include "registry/format/file_tree.hpp"
#include "registry/trust/signature.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

// Finds, repairs if asked to, tells, counts.
class Examination {
 public:
  Examination(bool repair, const std::function<bool(const CacheProblem &)> &found) : repair_(repair), found_(found) {}

  template <typename Repair>
  void problem(const std::string &path, const std::string &what, Repair &&repair) {
    CacheProblem problem{path, what, repair_ && repair()};
    ++result.problems;
    if (problem.repaired) ++result.repaired;
    if (!found_(problem)) fail(QUERN_CANCELLED, "stopped by the callback after ", result.problems, " problems");
  }

  CacheCheck result;

 private:
  bool repair_;
  const std::function<bool(const CacheProblem &)> &found_;
};

bool to_quarantine(const Directory &directory, const std::string &path, const FileIdentity &identity) {
  return directory.move(path, "quarantine/" + path.substr(path.rfind('/') + 1), &identity);
}

void check_entry(const Directory &directory, const EntryFile &entry, Examination &examination) {
  ++examination.result.entries;
  examination.result.bytes += entry.identity.size;
  const std::string path = entry_path(entry.file);
  FileIdentity identity;
  auto bytes = directory.read(path, kMaxEntryBytes, &identity);
  if (!bytes && !directory.identify(path)) return;  // removed under us
  if (!bytes) identity = entry.identity;
  std::string what = !entry.identity.regular ? "it is no regular file" : !bytes ? "it cannot be read" : "";
  if (what.empty()) {
    const auto decoded = decode_entry(std::move(*bytes));
    if (!decoded) {
      what = "its contents do not match their hash";
    } else if (entry_file_name(decoded->request, decoded->nvrtc) != entry.file) {
      what = "it is another entry than its name says";
    }
  }
  if (!what.empty()) examination.problem(path, what, [&] { return to_quarantine(directory, path, identity); });
}

void check_blobs(const Directory &directory, Examination &examination) {
  for (const std::string &shard : directory.names("blobs")) {
    for (const std::string &name : directory.names("blobs/" + shard)) {
      const std::string path = "blobs/" + shard + "/" + name;
      if (!is_hex_digest(name) || name.substr(0, 2) != shard) continue;  // not ours to judge
      const auto listed = directory.identify(path);
      if (!listed) continue;
      ++examination.result.blobs;
      examination.result.bytes += listed->size;
      FileIdentity identity = *listed;
      const auto bytes = directory.read(path, kMaxBlobBytes, &identity);
      if (bytes && hex(sha256(*bytes)) == name) continue;
      examination.problem(path, bytes ? "its contents do not match its name" : "it cannot be read",
                          [&] { return to_quarantine(directory, path, identity); });
    }
  }
}

void check_refs(const Directory &directory, BlobStore &blobs, Examination &examination) {
  for (const std::string &owner : directory.names("refs")) {
    for (const std::string &name : directory.names("refs/" + owner)) {
      for (const std::string &file : directory.names("refs/" + owner + "/" + name)) {
        const std::string path = "refs/" + owner + "/" + name + "/" + file;
        if (is_signatures_file(file)) {
          const auto signatures = directory.read_text(path, kMaxSignatureBytes);
          if (signatures && parse_signatures(*signatures)) continue;
          examination.problem(path, "it is no .sig file", [&] { return directory.remove(path); });
          continue;
        }
        if (!is_version_file(file)) continue;  // not ours to judge
        const auto content = directory.read_text(path, 65);
        const bool sound =
            content && content->size() == 65 && content->back() == '\n' && is_hex_digest(content->substr(0, 64));
        if (sound && blobs.read(content->substr(0, 64))) continue;
        examination.problem(path, sound ? "its manifest is not in the cache" : "it names no manifest",
                            [&] { return directory.remove(path); });
      }
    }
  }
}

// What is sealed is read and hashed; what is not has no business here. Neither is anyone's to repair but who seals.
void check_seal(const Directory &directory, const Seal &seal, Examination &examination) {
  std::vector<std::string> files;
  for (const char *folder : {"jit", "blobs", "refs", "tuned"}) {
    for (std::string &file : list_files(directory, folder, 3)) files.push_back(std::move(file));
  }
  for (const auto &[path, digest] : seal.files) files.push_back(path);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (const std::string &path : files) {
    if (path.starts_with("jit/")) ++examination.result.entries;
    if (path.starts_with("blobs/")) ++examination.result.blobs;
    std::string problem;
    const auto bytes = read_sealed(directory, seal, path, kMaxEntryBytes, problem);
    if (bytes) examination.result.bytes += static_cast<int64_t>(bytes->size());
    if (!problem.empty()) examination.problem(path, problem, [] { return false; });
  }
}

}  // namespace

CacheCheck Cache::check(bool thorough, bool repair, const std::function<bool(const CacheProblem &)> &found) {
  if (!main_) fail(QUERN_NOT_FOUND, trouble());
  if (repair) need_writable("repair");
  flush_uses();
  Examination examination(repair, found);
  if (main_layer_->seal) {
    check_seal(*main_, *main_layer_->seal, examination);
    return examination.result;
  }
  const std::vector<EntryFile> entries = entry_files(*main_);
  for (const EntryFile &entry : entries) check_entry(*main_, entry, examination);
  check_blobs(*main_, examination);
  if (!thorough) return examination.result;

  BlobStore blobs(*this);
  check_refs(*main_, blobs, examination);
  for (const std::string &damaged : read_roots(*main_).damaged) {
    examination.problem("roots", damaged, [] { return false; });  // a person must say what is to be kept
  }
  if (!main_->read_text("VERSION", 64))
    examination.problem("VERSION", "it is missing; any call writes it", [&] {
      make_layout(settings_.directory, settings_.durable);
      return true;
    });
  const std::filesystem::path place = index_->path().empty() ? settings_.directory / "index.sqlite3" : index_->path();
  if (const std::string wrong = index_->check(); !wrong.empty()) {
    examination.problem(place.filename().string(), "the index: " + wrong, [&] { return index_->rebuild(); });
  }
  std::map<std::string, EntryUse> known = index_->uses();
  for (const EntryFile &entry : entries) {
    if (!main_->identify(entry_path(entry.file)) || known.erase(entry.file) != 0) continue;
    examination.problem(entry_path(entry.file), "the index does not know it", [&] {
      index_->put(entry.file, entry.identity.size, entry.identity.modified());
      return true;
    });
  }
  for (const auto &[file, use] : known) {
    if (main_->identify(entry_path(file))) continue;  // published since
    examination.problem(entry_path(file), "the index has it and the disk has not", [&, name = file] {
      index_->remove({name});
      return true;
    });
  }
  if (const int64_t dead = prune_temporary_files(true); dead > 0) {
    examination.problem("tmp", text(dead, " files of writers that died"),
                        [&] { return prune_temporary_files(false) == dead; });
  }
  return examination.result;
}

}  // namespace quern
