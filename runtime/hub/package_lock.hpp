// Resolving what a host asks for, and writing down what was found as a lock file.
#pragma once

#include <string>
#include <vector>

#include "runtime/hub/hub_packages.hpp"

namespace quern {

// "acme/mxfp4-gemm@1,acme/other@sha256:..."; none for "". Throws QUERN_INVALID_ARGUMENT.
std::vector<PackageRequest> parse_package_requests(const std::string &list);

// What is asked for, or with nothing asked for everything in the hub's lock file; the hub knows all of it afterwards,
// or nothing if one cannot be had. Throws as HubPackages::find(), and QUERN_NOT_FOUND if there is no lock file either.
std::vector<ResolvedPackage> resolve_packages(HubPackages &packages, const std::vector<PackageRequest> &requests,
                                              const ResolveRules &rules, const HubPackages::FetchProgress &progress);

struct LockRules {
  std::string source;  // a lock file to begin with; "": the one that is written, if it exists
  bool check = false;  // write nothing; a change is QUERN_LOCK_MISMATCH
  bool keep = false;   // what `source` pins stays as it is
  bool unsigned_too = false;
};

// Throws as HubPackages::find(), QUERN_LOCK_MISMATCH, QUERN_INVALID_ARGUMENT, QUERN_IO_ERROR.
std::vector<ResolvedPackage> lock_packages(HubPackages &packages, const std::vector<PackageRequest> &requests,
                                           const std::filesystem::path &path, const LockRules &rules,
                                           const HubPackages::FetchProgress &progress);

}  // namespace quern
