// What `pack` and `publish` tell of a package.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <quern/quern.hpp>

#include "cli/output.hpp"

namespace quern::cli {

struct PackedPackage {
  PackedPackage() = default;
  explicit PackedPackage(const quern_packed_package &package);

  std::string name() const;  // "acme/gemm@v1.7"
  Json json() const;
  // Lines: what it is, its digest, who signed, the warnings.
  std::string text() const;

  std::string id, manifest;
  int32_t version = 0, build = 0, files = 0;
  int64_t size_bytes = 0;
  std::vector<std::string> signers, warnings;
};

}  // namespace quern::cli
