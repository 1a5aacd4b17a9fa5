#include "registry/cache/index_place.hpp"

#include <algorithm>
#include <iterator>

#include <sys/vfs.h>

#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {

namespace fs = std::filesystem;

bool is_network_file_system(long type) {
  static constexpr unsigned long kTypes[] = {0x6969,     0x0BD00BD0, 0x47504653, 0xFF534D42, 0xFE534D42,
                                             0x65735546, 0x5346414F, 0x00C36400, 0x01021997};
  return std::find(std::begin(kTypes), std::end(kTypes), static_cast<unsigned long>(type) & 0xFFFFFFFF) !=
         std::end(kTypes);
}

bool on_network_file_system(const fs::path &directory) {
  struct statfs status {};
  return ::statfs(directory.c_str(), &status) == 0 && is_network_file_system(static_cast<long>(status.f_type));
}

fs::path index_place(const fs::path &directory, bool on_network, const fs::path &runtime_dir) {
  if (!on_network) return directory / "index.sqlite3";
  if (!runtime_dir.is_absolute()) return {};
  try {
    make_directories(runtime_dir / "quern");
  } catch (const Error &) {
    return {};
  }
  const std::string name = hex(sha256(as_bytes(fs::absolute(directory).lexically_normal().string())));
  return runtime_dir / "quern" / ("index-" + name.substr(0, 16) + ".sqlite3");
}

}  // namespace quern
