// What the Hub's own tools have left of a kernel repository on this machine (HF_HUB_CACHE), read and never written.
//
//   kernels--owner--name/refs/<ref>                  the commit it was when somebody asked for it
//                        snapshots/<commit>/<path>   a link to ../../blobs/<git's SHA-1 of it, or its SHA-256>
//                        .no_exist/<commit>/<path>   the Hub has no such file
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "runtime/base/directory.hpp"

namespace quern {

// Thread-safe. Nobody vouches for the bytes: they are judged as if the Hub had sent them.
class HuggingFaceCache {
 public:
  // Of repository owner/name below `hub`; one that is not there, or "", holds nothing.
  HuggingFaceCache(const std::filesystem::path &hub, const std::string &id);

  std::optional<std::string> commit_of(const std::string &ref) const;
  // Nothing if it is absent, larger, damaged as far as its blob's name tells, or a link that leads elsewhere than to
  // the blobs of this repository.
  std::optional<std::string> read(const std::string &commit, const std::string &path, size_t limit) const;
  // Whether the Hub was asked for this file and had none.
  bool is_known_absent(const std::string &commit, const std::string &path) const;

 private:
  std::optional<Directory> repository_;
};

// 40 lower-case hex digits.
bool is_commit(std::string_view text);

}  // namespace quern
