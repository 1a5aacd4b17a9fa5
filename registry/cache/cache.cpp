#include "registry/cache/cache.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "registry/cache/index_place.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char *kOwnDirectory = "set QUERN_CACHE_DIR to a directory of yours";
constexpr std::chrono::minutes kBetweenFlushes{5};

}  // namespace

Cache::Cache(fs::path directory, CacheMode mode)
    : Cache([&] {
        CacheSettings settings;
        settings.directory = std::move(directory);
        settings.mode = mode;
        return settings;
      }()) {}

Cache::Cache(CacheSettings settings)
    : settings_(std::move(settings)),
      mode_(settings_.mode),
      lower_(mode_ == CacheMode::kOff ? std::vector<fs::path>() : settings_.lower,
             {settings_.seal_keys, settings_.clock}),
      next_flush_(std::chrono::steady_clock::now() + kBetweenFlushes) {
  const fs::path &directory = settings_.directory;
  fix_ = kOwnDirectory;
  if (mode_ == CacheMode::kOff) {
    reason_ = "as asked";
    fix_ = "open it in mode rw";
  } else if (directory.empty()) {
    mode_ = CacheMode::kOff;
    reason_ = "no directory; set QUERN_CACHE_DIR or HOME";
  } else {
    if (mode_ == CacheMode::kReadOnly) {
      reason_ = "as asked";
      fix_ = "open it in mode rw";
    }
    if (sealed()) {
      mode_ = CacheMode::kReadOnly;
      reason_ = "sealed";
      fix_ = "prefetch into another and seal that";
    }
    std::string not_made;
    try {
      if (mode_ == CacheMode::kReadWrite) {
        try {
          make_layout(directory, settings_.durable);
        } catch (const Error &error) {
          mode_ = CacheMode::kReadOnly;
          not_made = reason_ = error.what();
        }
      }
      main_layer_ = open_layer(directory, settings_.durable, {settings_.seal_keys, settings_.clock});
      main_ = &main_layer_->directory;
    } catch (const std::exception &error) {
      mode_ = CacheMode::kOff;
      std::error_code ignored;
      const bool exists = std::filesystem::exists(directory, ignored);
      reason_ = exists || not_made.empty() ? error.what() : not_made;
      fix_ = kOwnDirectory;
    }
  }
  if (mode_ == CacheMode::kOff && !lower_.layers().empty()) mode_ = CacheMode::kReadOnly;
  const bool writes = mode_ == CacheMode::kReadWrite;
  // Nobody signed the index of a sealed directory, so it is not even opened.
  const bool on_disk = main_ != nullptr && !sealed();
  const bool network = on_disk && on_network_file_system(directory);
  index_ = std::make_unique<CacheIndex>(on_disk ? index_place(directory, network, settings_.runtime_dir) : fs::path(),
                                        on_disk && !network && !writes);
}

Cache::~Cache() {
  try {
    flush_uses();
  } catch (const std::exception &) {  // no memory: the stamps are lost, nothing else
  }
}

std::string Cache::state() const {
  switch (mode_) {
    case CacheMode::kReadWrite:
      return "read-write";
    case CacheMode::kReadOnly:
      return "read-only: " + reason_;
    case CacheMode::kOff:
      break;
  }
  return "off: " + reason_;
}

std::string Cache::trouble() const {
  const std::string place = settings_.directory.empty() ? "" : settings_.directory.string() + " ";
  const bool has_fix = reason_.find(';') != std::string::npos;
  return text("the cache ", place, "is ", state(), has_fix ? "" : "; " + fix_);
}

void Cache::need() const {
  if (mode_ == CacheMode::kOff) fail(QUERN_NOT_FOUND, trouble());
}

void Cache::need_writable(std::string_view purpose) const {
  if (mode_ != CacheMode::kReadWrite) fail(QUERN_IO_ERROR, "cannot ", purpose, ": ", trouble());
}

std::vector<const CacheLayer *> Cache::layers() const {
  std::vector<const CacheLayer *> found;
  if (mode_ == CacheMode::kOff) return found;
  if (main_layer_) found.push_back(&*main_layer_);
  for (const CacheLayer &layer : lower_.layers()) found.push_back(&layer);
  return found;
}

std::optional<std::vector<uint8_t>> Cache::read(const CacheLayer &layer, const std::string &file, size_t limit,
                                                FileIdentity *identity) const {
  if (!layer.seal) return layer.directory.read(file, limit, identity);
  std::string problem;
  auto bytes = read_sealed(layer.directory, *layer.seal, file, limit, problem);
  if (!problem.empty()) {
    const std::lock_guard lock(mutex_);
    seal_problems_[(layer.directory.path() / file).string()] = problem;
  }
  return bytes;
}

bool Cache::seals_manifest(const std::string &sha256) const {
  const std::vector<const CacheLayer *> all = layers();
  return std::any_of(all.begin(), all.end(),
                     [&](const CacheLayer *layer) { return layer->seal && layer->seal->allows_manifest(sha256); });
}

std::vector<CacheProblem> Cache::seal_problems() const {
  const std::lock_guard lock(mutex_);
  std::vector<CacheProblem> problems;
  for (const auto &[path, what] : seal_problems_) problems.push_back({path, what, false});
  return problems;
}

std::string Cache::seal_problem(const std::string &request) const {
  std::string problems;
  for (const CacheProblem &problem : seal_problems()) {
    if (problem.path.find("/" + request + ".") == std::string::npos) continue;
    problems += text(problems.empty() ? "" : "; ", problem.path, ": ", problem.what);
  }
  return problems;
}

void Cache::set_aside(const Directory &layer, const std::string &file, const FileIdentity &identity) {
  const std::string name = file.substr(file.rfind('/') + 1);
  {
    const std::lock_guard lock(mutex_);
    if (damaged_.insert(text(layer.path().string(), "/", file)).second) {
      ++corrupt_seen_;
      ++counters_["corrupt"];
    }
  }
  if (&layer == writable()) layer.move(file, "quarantine/" + name, &identity);
}

std::optional<CacheEntry> Cache::load_file(const CacheLayer &layer, const std::string &file,
                                           const std::string &request) {
  FileIdentity identity;
  auto bytes = read(layer, entry_path(file), kMaxEntryBytes, &identity);
  if (!bytes) return std::nullopt;
  std::optional<CacheEntry> entry =
      layer.seal ? decode_verified_entry(std::move(*bytes)) : decode_entry(std::move(*bytes));
  if (entry && entry->request == request && entry_file_name(request, entry->nvrtc) == file) return entry;
  set_aside(layer.directory, entry_path(file), identity);
  return std::nullopt;
}

// Of all builds of NVRTC, the newest first; with what is sealed and missing.
std::vector<std::string> Cache::files_of(const CacheLayer &layer, const std::string &request) const {
  const std::string folder = "jit/" + request.substr(0, 2);
  std::vector<std::string> files;
  for (std::string &name : layer.directory.names(folder)) {
    if (name.starts_with(request + ".") && name.ends_with(kEntrySuffix)) files.push_back(std::move(name));
  }
  if (layer.seal) {
    const std::string first = entry_path(request + ".");
    for (auto at = layer.seal->files.lower_bound(first); at != layer.seal->files.end(); ++at) {
      if (!at->first.starts_with(first)) break;
      files.push_back(at->first.substr(folder.size() + 1));
    }
  }
  // 12.10 comes after 12.9.
  std::sort(files.begin(), files.end(),
            [](const std::string &a, const std::string &b) { return ::strverscmp(a.c_str(), b.c_str()) > 0; });
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

std::optional<CacheEntry> Cache::load(const std::string &request, const std::string &nvrtc) {
  for (const CacheLayer *layer : layers()) {
    std::vector<std::string> files;
    if (nvrtc.empty()) {
      files = files_of(*layer, request);
    } else {
      files.push_back(entry_file_name(request, nvrtc));
    }
    for (const std::string &file : files) {
      std::optional<CacheEntry> entry = load_file(*layer, file, request);
      if (!entry) continue;
      if (&layer->directory == writable()) {
        count("hits");
        count("saved_ms", entry->compile_ms);
        count_use(file);
      }
      return entry;
    }
  }
  return std::nullopt;
}

void Cache::count_use(const std::string &file) {
  std::unique_lock lock(mutex_);
  EntryUse &use = uses_[file];
  use.last_used = std::time(nullptr);
  ++use.hits;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_flush_) return;
  next_flush_ = now + kBetweenFlushes;
  lock.unlock();
  flush_uses();
}

void Cache::count(const char *counter, int64_t n) {
  const std::lock_guard lock(mutex_);
  counters_[counter] += n;
}

void Cache::flush_uses() {
  std::map<std::string, EntryUse> uses;
  Counters counters;
  {
    const std::lock_guard lock(mutex_);
    uses.swap(uses_);
    counters.swap(counters_);
  }
  if (index_ != nullptr && mode_ == CacheMode::kReadWrite) index_->add(uses, counters);
}

Counters Cache::counters() {
  flush_uses();
  return index_->counters();
}

void Cache::zero_counters() {
  need_writable("zero the counters");
  flush_uses();
  index_->zero_counters(std::time(nullptr));
}

bool Cache::publish(const CacheEntry &entry, std::string &problem) {
  if (mode_ != CacheMode::kReadWrite) {
    problem = state();
    return false;
  }
  const std::string file = entry_file_name(entry.request, entry.nvrtc);
  const std::vector<uint8_t> bytes = encode_entry(entry);
  try {
    main_->publish(entry_path(file), bytes);
  } catch (const Error &error) {
    problem = error.what();
    return false;
  }
  const auto size = static_cast<int64_t>(bytes.size());
  if (!index_->put(file, size, entry.created)) index_is_behind_ = true;
  {
    const std::lock_guard lock(mutex_);
    damaged_.erase(text(main_->path().string(), "/", entry_path(file)));
  }
  evict_if_due(file, size);
  return true;
}

std::optional<FileLock> Cache::lock(const std::string &request, std::chrono::milliseconds patience) {
  if (mode_ != CacheMode::kReadWrite) return std::nullopt;
  return main_->lock("locks/" + request + ".lock", patience);
}

}  // namespace quern
