// What is in a static registry on disk, verified as a reader would who knows only the registry itself.
#pragma once

#include <filesystem>
#include <vector>

#include "registry/trust/metadata_format.hpp"
#include "registry/trust/release.hpp"

namespace quern {

struct RegistryContents {
  RootDocument root;
  TimestampDocument timestamp;
  SnapshotDocument snapshot;
  std::vector<Release> releases;  // by package, in the order in which they were published
  int passed_over = 0;            // lines of a later Quern
};

// Reads without writing or waiting. Documents that have expired are told all the same. Throws QUERN_NOT_FOUND if there
// is no registry, QUERN_CORRUPT for a file that is missing or malformed, QUERN_UNTRUSTED for one that is not signed by
// the registry's own keys or not the one that another names, QUERN_IO_ERROR.
RegistryContents read_registry(const std::filesystem::path &registry);

}  // namespace quern
