#include "runtime/base/shared_library.hpp"

#include <dlfcn.h>
#include <link.h>

#include <string_view>

namespace quern {
namespace {

// Whether the file of a library in this process is called so, with any version behind it.
bool is_any_loaded(const std::string &name) {
  const auto is_it = [](dl_phdr_info *info, size_t, void *wanted) -> int {
    const std::string_view path = info->dlpi_name;
    return path.substr(path.rfind('/') + 1).starts_with(*static_cast<const std::string *>(wanted)) ? 1 : 0;
  };
  return ::dl_iterate_phdr(is_it, const_cast<std::string *>(&name)) != 0;
}

}  // namespace

SharedLibrary SharedLibrary::open(const std::string &name, std::string &reason) {
  SharedLibrary library;
  library.handle_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle_ == nullptr) {
    const char *error = ::dlerror();
    reason = error == nullptr ? "unknown error" : error;
  }
  return library;
}

// Where nothing of that name is loaded, the loader would look through all of its search path.
SharedLibrary SharedLibrary::already_open(const std::string &name) {
  SharedLibrary library;
  if (!is_any_loaded(name.substr(0, name.find(".so") + 3))) return library;
  library.handle_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  return library;
}

void *SharedLibrary::find(const char *symbol) const { return handle_ == nullptr ? nullptr : ::dlsym(handle_, symbol); }

std::string SharedLibrary::path() const {
  struct link_map *map = nullptr;
  if (handle_ == nullptr || ::dlinfo(handle_, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return {};
  return map->l_name;
}

}  // namespace quern
