#include "registry/cache/cache_layers.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVersion = "1\n";  // on disk: the layout's version
constexpr std::string_view kTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Compiled kernels; can be deleted. See https://bford.info/cachedir/\n";

// Whoever can write entries can run code in every process that loads them.
void check_owner(const fs::path &directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) fail(QUERN_IO_ERROR, "cannot open it: ", std::strerror(errno));
  if (!S_ISDIR(status.st_mode)) fail(QUERN_IO_ERROR, directory.string(), " is not a directory");
  if (status.st_uid != ::geteuid() && status.st_uid != 0) fail(QUERN_IO_ERROR, "it belongs to another user");
  if ((status.st_mode & S_IWOTH) != 0) fail(QUERN_IO_ERROR, "it is writable by everybody; chmod o-w it");
}

void write_once(const Directory &directory, const char *name, std::string_view content) {
  if (!directory.identify(name)) directory.publish(name, as_bytes(content));
}

}  // namespace

Directory open_layer(const fs::path &path, bool durable) {
  check_owner(path);
  Directory directory(path, durable);
  const std::optional<std::string> version = directory.read_text("VERSION", 64);
  if (version && *version != kVersion) {
    const std::string named = version->substr(0, version->find('\n'));
    fail(QUERN_IO_ERROR, "its layout has version ", named, "; this Quern writes 1");
  }
  return directory;
}

void make_layout(const fs::path &path, bool durable) {
  make_directories(path);
  const Directory directory(path, durable);
  for (const char *folder : {"jit", "locks", "tmp"}) directory.make_folder(folder);
  write_once(directory, "CACHEDIR.TAG", kTag);
  write_once(directory, "VERSION", kVersion);
  for (const char *folder : {"jit", "locks", "tmp"}) {
    if (!directory.is_writable(folder)) fail(QUERN_IO_ERROR, directory.path().string(), " is not writable");
  }
}

CacheLayer open_layer(const fs::path &path, bool durable, const SealRules &rules) {
  CacheLayer layer{open_layer(path, durable), std::nullopt};
  if (!rules.keys.empty()) layer.seal = load_seal(layer.directory, rules.keys, rules.clock);
  return layer;
}

CacheLayers::CacheLayers(const std::vector<fs::path> &paths, const SealRules &rules) {
  for (const fs::path &path : paths) {
    try {
      layers_.push_back(open_layer(path, true, rules));
    } catch (const Error &error) {
      refused_.push_back(text(path.string(), " is not used: ", error.what()));
    }
  }
}

}  // namespace quern
