// All kernel packages that a hub knows: those in directories the operator names, then the built-in ones. The first of
// equal ids wins, so a directory replaces a built-in package.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "registry/package.hpp"

namespace quern {

struct RefusedPackage {
  std::string origin;
  std::string reason;
};

class Catalog {
 public:
  // kernel_path: directories with ':' between. Each is a package, or holds packages in its subfolders. A broken package
  // is refused with its reason and does not disturb the others.
  explicit Catalog(const std::string &kernel_path);

  const std::vector<std::shared_ptr<const Package>> &packages() const { return packages_; }
  const std::vector<RefusedPackage> &refused() const { return refused_; }

 private:
  void add_directory(const std::filesystem::path &directory);
  void add(std::shared_ptr<const Package> package);

  std::vector<std::shared_ptr<const Package>> packages_;
  std::vector<RefusedPackage> refused_;
};

}  // namespace quern
