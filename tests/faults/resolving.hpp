// Processes that resolve packages from a registry in a directory, and what they are to find.
#pragma once

#include <map>
#include <string>

#include "faults/fault_process.hpp"
#include "published_registry.hpp"

namespace quern::faults {

// What kernel.cu of a build says, so that every wrong byte is seen.
std::string source_of(const std::string &id, int build);

// While it lives, this process does not wait for disks either.
struct WithoutSync {
  WithoutSync();
  ~WithoutSync();
};

struct Resolving {
  std::string url;
  std::string id = "acme/gemm";
  int build = 0;  // that must come out; 0: any, whole
  bool offline = false;
  HttpSettings http{};
};

// kRight, kWrongBytes or kFailedCleanly; the status of the last goes to `status`, the build that came out to `build`.
ExitStatus resolve(const CacheSettings &settings, const Resolving &wanted, quern_status *status = nullptr,
                   int *build = nullptr);

// Whether doctor finds nothing amiss that a death may not leave, repairs that, and then finds nothing.
void expect_sound(const CacheSettings &settings, const std::string &after);

// Every file below, by its path, with its contents; links as what they point to.
std::map<std::string, std::string> tree_of(const std::filesystem::path &directory);

}  // namespace quern::faults
