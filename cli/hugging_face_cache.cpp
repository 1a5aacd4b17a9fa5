#include "cli/hugging_face_cache.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace quern::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char kPrefix[] = "kernels--";

std::string variable(const char *value) { return value == nullptr ? "" : value; }

// Paths in a folder, sorted; none if it cannot be read.
std::vector<fs::path> children(const fs::path &folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator item(folder, error), end; !error && item != end; item.increment(error)) {
    found.push_back(item->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// "owner/name" of "kernels--owner--name"; "" of anything else.
std::string repo_of(const std::string &folder) {
  if (folder.rfind(kPrefix, 0) != 0) return "";
  std::string repo = folder.substr(sizeof kPrefix - 1);
  const size_t dashes = repo.find("--");
  if (dashes == 0 || dashes == std::string::npos || dashes + 2 == repo.size()) return "";
  return repo.replace(dashes, 2, "/");
}

// Refs by the commit they name: a ref's own name may have slashes.
void read_refs(const fs::path &folder, const std::string &prefix, std::multimap<std::string, std::string> &refs) {
  for (const fs::path &path : children(folder)) {
    std::error_code ignored;
    const std::string name = prefix + path.filename().string();
    if (fs::is_directory(fs::symlink_status(path, ignored)) && prefix.size() < 200) {
      read_refs(path, name + "/", refs);
    } else if (fs::is_regular_file(path, ignored)) {
      std::string commit(64, '\0');
      std::ifstream in(path, std::ios::binary);
      in.read(commit.data(), static_cast<std::streamsize>(commit.size()));
      commit.resize(static_cast<size_t>(in.gcount()));
      while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
      refs.emplace(commit, name);
    }
  }
}

void add_files(const fs::path &folder, int depth, HuggingFaceRevision &revision) {
  for (const fs::path &path : children(folder)) {
    struct stat link {
    }, target{};
    if (::lstat(path.c_str(), &link) != 0) continue;
    if (S_ISDIR(link.st_mode)) {
      if (depth > 0) add_files(path, depth - 1, revision);
      continue;
    }
    if (::stat(path.c_str(), &target) != 0) {
      ++revision.broken;
      continue;
    }
    if (!S_ISREG(target.st_mode)) continue;
    ++revision.files;
    revision.size_bytes += static_cast<int64_t>(target.st_size);
    revision.modified = std::max(revision.modified, static_cast<int64_t>(target.st_mtime));
  }
}

}  // namespace

std::string hugging_face_directory() {
  if (const std::string cache = variable(std::getenv("HF_HUB_CACHE")); !cache.empty()) return cache;
  if (const std::string home = variable(std::getenv("HF_HOME")); !home.empty()) return home + "/hub";
  if (const std::string cache = variable(std::getenv("XDG_CACHE_HOME")); !cache.empty() && cache[0] == '/') {
    return cache + "/huggingface/hub";
  }
  const std::string home = variable(std::getenv("HOME"));
  return home.empty() ? "" : home + "/.cache/huggingface/hub";
}

std::vector<HuggingFaceRevision> scan_hugging_face(const std::string &directory) {
  std::vector<HuggingFaceRevision> revisions;
  if (directory.empty()) return revisions;
  for (const fs::path &folder : children(directory)) {
    const std::string repo = repo_of(folder.filename().string());
    if (repo.empty()) continue;
    std::multimap<std::string, std::string> refs;
    read_refs(folder / "refs", "", refs);
    for (const fs::path &snapshot : children(folder / "snapshots")) {
      HuggingFaceRevision revision;
      revision.repo = repo;
      revision.revision = snapshot.filename().string();
      for (auto [at, end] = refs.equal_range(revision.revision); at != end; ++at) revision.refs.push_back(at->second);
      add_files(snapshot, 8, revision);
      revisions.push_back(std::move(revision));
    }
  }
  return revisions;
}

}  // namespace quern::cli
