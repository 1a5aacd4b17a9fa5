#include "registry/package/catalog.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/directory.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/split.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

// Whoever can write a package, or one of its files, can run code in every process that loads it.
void check_writers(const fs::path &path, const struct stat &status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    fail(QUERN_BAD_MANIFEST, path.string(), " belongs to another user; use a copy of your own");
  }
  if ((status.st_mode & S_IWOTH) != 0)
    fail(QUERN_BAD_MANIFEST, path.string(), " is writable by everybody; chmod o-w it");
}

void check_directory(const fs::path &path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const int error = errno;
    if (error == ENOENT) fail(QUERN_NOT_FOUND, path.string(), " does not exist; name a directory");
    fail(QUERN_NOT_FOUND, path.string(), ": ", std::generic_category().message(error), "; name a directory to read");
  }
  if (!S_ISDIR(status.st_mode)) fail(QUERN_NOT_FOUND, path.string(), " is not a directory; name one");
  check_writers(path, status);
}

// All that was read of a package, and the folders in between.
void check_files(const fs::path &directory, const Package &package) {
  std::set<fs::path> paths = {"kernel.json"};
  for (const auto &[name, content] : package.files) {
    for (fs::path path = name; !path.empty(); path = path.parent_path()) paths.insert(path);
  }
  for (const fs::path &path : paths) {
    struct stat status {};
    if (::stat((directory / path).c_str(), &status) == 0) check_writers(directory / path, status);
  }
}

}  // namespace

Catalog::Catalog(const std::string &kernel_path) {
  for (const std::string &directory : split_given(kernel_path, ':')) add_directory(directory);
  for (const auto &package : builtin_packages()) add(package);
}

Catalog Catalog::with(const std::vector<std::shared_ptr<const Package>> &resolved) const {
  Catalog next = *this;
  for (const auto &package : resolved) next.replace(package);
  return next;
}

Catalog Catalog::without(RefusedPackage refused) const {
  Catalog next = *this;
  next.refused_.push_back(std::move(refused));
  return next;
}

void Catalog::add_directory(const fs::path &directory) {
  std::vector<fs::path> candidates;
  try {
    check_directory(directory);
    if (fs::exists(directory / "kernel.json")) {
      candidates.push_back(directory);
    } else {
      for (const std::string &name : Directory(directory).names("")) {
        if (fs::exists(directory / name / "kernel.json")) candidates.push_back(directory / name);
      }
    }
  } catch (const std::exception &error) {
    refused_.push_back({directory.string(), error.what()});
    return;
  }
  for (const fs::path &candidate : candidates) {
    try {
      check_directory(candidate);
      std::shared_ptr<const Package> package = load_package(candidate);
      check_files(candidate, *package);
      add(std::move(package));
    } catch (const std::bad_alloc &) {
      throw;
    } catch (const std::exception &error) {
      refused_.push_back({candidate.string(), error.what()});
    }
  }
}

void Catalog::add(std::shared_ptr<const Package> package) {
  for (const auto &known : packages_) {
    if (known->manifest.id == package->manifest.id) {
      refused_.push_back({package->origin, text(package->manifest.id, " is replaced by the one in ", known->origin)});
      return;
    }
  }
  packages_.push_back(std::move(package));
}

void Catalog::replace(std::shared_ptr<const Package> package) {
  std::erase_if(refused_, [&](const RefusedPackage &refused) { return refused.awaited == package->manifest.id; });
  const auto known = std::find_if(packages_.begin(), packages_.end(),
                                  [&](const auto &other) { return other->manifest.id == package->manifest.id; });
  if (known != packages_.end()) {
    if ((*known)->trust == Trust::kLocal) {
      refused_.push_back(
          {package->origin, text(package->manifest.id, " is replaced by the one in ", (*known)->origin)});
      return;
    }
    if ((*known)->trust == Trust::kBuiltIn) {
      refused_.push_back({(*known)->origin, text(package->manifest.id, " is replaced by that of ", package->origin)});
    }
    packages_.erase(known);
  }
  const auto first_built_in = std::find_if(packages_.begin(), packages_.end(),
                                           [](const auto &other) { return other->trust == Trust::kBuiltIn; });
  packages_.insert(first_built_in, std::move(package));
}

}  // namespace quern
