// Roots: lists of what a deployment needs, which no pruning and no eviction touches. One file a deployment:
//   roots/<name>.json   {"schema":1,"manifests":["<sha256>",...],"entries":["<request>.<build>.qkc",...]}
#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/base/directory.hpp"

namespace quern {

struct CacheRoot {
  std::string name;  // letters, digits, '.', '_', '-'; at most 64, not beginning with '.'
  std::set<std::string> manifests, entries;
};

struct CacheRoots {
  std::vector<CacheRoot> roots;
  std::vector<std::string> damaged;  // what is wrong with files that cannot be read

  bool keeps_entry(const std::string &file) const;
  bool keeps_manifest(const std::string &sha256) const;
  // A list that cannot be read might name anything, so then nothing is removed.
  bool known() const { return damaged.empty(); }
};

bool is_root_name(const std::string &name);

CacheRoots read_roots(const Directory &directory);

// Replaces the one of that name. Throws QUERN_INVALID_ARGUMENT, QUERN_IO_ERROR.
void write_root(const Directory &directory, const CacheRoot &root);
bool remove_root(const Directory &directory, const std::string &name);

}  // namespace quern
