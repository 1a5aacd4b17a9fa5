// Names that packages and registries may use: ids and paths of files. The one place that decides it, so that what is
// refused when a package is published is refused when it is read, from wherever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace quern {

inline constexpr size_t kMaxPackageFiles = 512;
inline constexpr int64_t kMaxPackageFileBytes = 4 << 20;
inline constexpr int64_t kMaxPackageBytes = 32 << 20;

// "owner/name", each of ASCII letters, digits, '-', '_' and '.', not beginning with a dot.
bool is_package_id(std::string_view id);

// The paths of one package, given one after the other.
class PackagePaths {
 public:
  // What is wrong with a further path, as the rest of a sentence that begins with the place it stands at; "" and the
  // path is taken if nothing is. A path is relative, of at most 8 components of [A-Za-z0-9._-]+ and 200 bytes, hides
  // nothing, and differs from all others on file systems that fold case and on those that reserve names.
  std::string add(const std::string &path);

 private:
  enum class Kind { kFile, kFolder };
  struct Taken {
    Kind kind;
    std::string path;  // as it was written
  };
  std::map<std::string, Taken> taken_;  // by folded path, with every folder above
};

}  // namespace quern
