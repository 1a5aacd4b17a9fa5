// Lock files: which exact bytes a deployment runs. Reads quern.lock and both forms of Hugging Face's kernels.lock;
// writes quern.lock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct LockedKernel {
  std::string id;
  int version = 0;       // 0: locked by revision alone, as Hugging Face may
  std::string revision;  // "" if by version
  std::string commit;    // of a Hugging Face repository, 40 or 64 hex digits; "" elsewhere

  // "" and 0 where the file was Hugging Face's: such a lock names a commit, and no bytes.
  std::string registry;
  int build = 0;
  std::string manifest;                      // sha256 of kernel.json
  int64_t size = 0;                          // of kernel.json
  std::map<std::string, std::string> files;  // sha256 by path; kernel.json too

  bool pins_bytes() const { return !manifest.empty(); }
};

struct LockFile {
  std::vector<LockedKernel> kernels;  // by id, then version
  std::vector<std::string> notes;     // what was read and does not count

  // The kernel locked for this id and version, or null.
  const LockedKernel *find(const std::string &id, int version) const;
  const LockedKernel *find_manifest(const std::string &id, const std::string &digest) const;
};

inline constexpr size_t kMaxLockBytes = 8 << 20;

// Throws QUERN_INVALID_ARGUMENT; `what` names the file.
LockFile parse_lock_file(std::string_view document, const std::string &what);
// Of kernels that pin bytes. The same kernels give the same bytes. Throws QUERN_INVALID_ARGUMENT for others.
std::string write_lock_file(std::vector<LockedKernel> kernels);

// Throws QUERN_LOCK_MISMATCH, naming the first file that differs, is missing or is not locked. `digests` are by path,
// kernel.json among them.
void require_locked(const LockedKernel &kernel, const std::map<std::string, std::string> &digests);

}  // namespace quern
