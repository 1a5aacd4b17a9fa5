#include "runtime/shared_library.hpp"

#include <dlfcn.h>
#include <link.h>

namespace quern {

SharedLibrary SharedLibrary::open(const std::string &name, std::string &reason) {
  SharedLibrary library;
  library.handle_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle_ == nullptr) {
    const char *error = ::dlerror();
    reason = error == nullptr ? "unknown error" : error;
  }
  return library;
}

SharedLibrary SharedLibrary::already_open(const std::string &name) {
  SharedLibrary library;
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
