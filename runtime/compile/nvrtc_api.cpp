#include "runtime/compile/nvrtc_api.hpp"

#include <filesystem>
#include <memory>

#include <sys/stat.h>

#include "runtime/base/directory.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/shared_library.hpp"
#include "runtime/base/split.hpp"

namespace quern {
namespace {

constexpr const char *kNames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

// NVRTC opens its builtins by name alone, which fails unless the loader knows the directory. Opened from beside it
// first, they are found as loaded already.
void open_builtins_beside(const std::string &path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  try {  // not by a directory_iterator, which ends the process where memory runs out
    for (const std::string &name : Directory(directory).names("")) {
      std::string reason;
      if (name.rfind("libnvrtc-builtins.so.", 0) == 0) SharedLibrary::open((directory / name).string(), reason);
    }
  } catch (const Error &) {  // then the loader's own search must do
  }
}

}  // namespace

Nvrtc::Nvrtc(std::string path, const Environment &environment)
    : chosen_(path.empty() ? environment.nvrtc_path : std::move(path)),
      directories_(split_given(environment.library_path, ':')) {
  for (const std::string &home : {environment.cuda_home, environment.cuda_path, std::string("/usr/local/cuda")}) {
    if (!home.empty()) directories_.push_back(home + "/lib64");
  }
  for (const char *system : {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"}) {
    directories_.emplace_back(system);
  }
}

// Files in the order they are tried; the loader's own search comes behind them.
std::vector<std::string> Nvrtc::candidates() const {
  if (!chosen_.empty()) return {chosen_};
  std::vector<std::string> files;
  for (const char *name : kNames) {
    if (const SharedLibrary library = SharedLibrary::already_open(name)) files.push_back(library.path());
  }
  for (const std::string &directory : directories_) {
    for (const char *name : kNames) files.push_back(directory + "/" + name);
  }
  return files;
}

std::optional<std::string> Nvrtc::file_identity() const {
  for (const std::string &file : candidates()) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) continue;
    return text(status.st_dev, ":", status.st_ino, ":", status.st_size, ":", status.st_mtim.tv_sec, ".",
                status.st_mtim.tv_nsec);
  }
  return std::nullopt;
}

void Nvrtc::open() {
  std::vector<std::string> tried = candidates();
  if (chosen_.empty()) tried.insert(tried.end(), std::begin(kNames), std::end(kNames));
  std::string attempts;
  for (const std::string &file : tried) {
    const bool is_path = file.find('/') != std::string::npos;
    std::error_code denied;  // a path that cannot be looked at; others may serve
    const bool exists = !is_path || std::filesystem::exists(file, denied);
    std::string reason = denied ? denied.message() : "no such file";
    SharedLibrary library;
    if (exists) library = SharedLibrary::open(file, reason);
    if (library) {
      reason.clear();
#define QUERN_FIND(name, symbol, result, parameters)                        \
  api_.name = reinterpret_cast<decltype(api_.name)>(library.find(#symbol)); \
  if (api_.name == nullptr) reason = "it has no " #symbol;
      QUERN_NVRTC_FUNCTIONS(QUERN_FIND)
#undef QUERN_FIND
      if (reason.empty()) {
        path_ = library.path();
        open_builtins_beside(path_);
        return;
      }
    }
    attempts += (attempts.empty() ? "" : ", ") + file;
    if (reason != "no such file") attempts += " (" + reason + ")";
  }
  missing_ = "NVRTC not found: tried " + attempts + "; install it, or set QUERN_NVRTC_PATH to libnvrtc.so.13";
}

const NvrtcApi &Nvrtc::need() {
  std::call_once(once_, [this] { open(); });
  if (!missing_.empty()) throw Error(QUERN_NVRTC_UNAVAILABLE, missing_);
  return api_;
}

std::string Nvrtc::path() {
  need();
  return path_;
}

std::string Nvrtc::missing() {
  std::call_once(once_, [this] { open(); });
  return missing_;
}

}  // namespace quern
