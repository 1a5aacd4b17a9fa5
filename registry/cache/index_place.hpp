// Where a cache's index lies. SQLite's locks cannot be relied on across a network, so there the index is this host's.
#pragma once

#include <filesystem>

namespace quern {

// By the number that statfs() gives a file system: NFS, Lustre, GPFS, CIFS, SMB2, FUSE, AFS, Ceph, 9P.
bool is_network_file_system(long type);

// The index of the cache in `directory`: beside its files; on a network file system in `runtime_dir`
// ($XDG_RUNTIME_DIR), or "", which is memory, where there is none.
std::filesystem::path index_place(const std::filesystem::path &directory, bool on_network,
                                  const std::filesystem::path &runtime_dir);
bool on_network_file_system(const std::filesystem::path &directory);

}  // namespace quern
