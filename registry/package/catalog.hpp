// All kernel packages that a hub knows: those in directories the operator names, those that were resolved, and the
// built-in ones, in this order. The first of equal ids wins, so a directory replaces all others.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "registry/package/package.hpp"

namespace quern {

struct RefusedPackage {
  std::string origin;
  std::string reason;
  std::string awaited{};  // the id, of one that may yet be resolved
};

class Catalog {
 public:
  // kernel_path: directories with ':' between. Each is a package, or holds packages in its subfolders. A broken package
  // is refused with its reason and does not disturb the others.
  explicit Catalog(const std::string &kernel_path);

  // A catalog with these too; one that was resolved before under the same id gives way.
  Catalog with(const std::vector<std::shared_ptr<const Package>> &resolved) const;
  // A catalog that says also why this one is not used.
  Catalog without(RefusedPackage refused) const;

  const std::vector<std::shared_ptr<const Package>> &packages() const { return packages_; }
  const std::vector<RefusedPackage> &refused() const { return refused_; }

 private:
  void add_directory(const std::filesystem::path &directory);
  void add(std::shared_ptr<const Package> package);
  void replace(std::shared_ptr<const Package> package);

  std::vector<std::shared_ptr<const Package>> packages_;
  std::vector<RefusedPackage> refused_;
};

}  // namespace quern
