// A registry as it stands on disk, and how the verbs name and change what is in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <quern/quern.hpp>

#include "cli/output.hpp"
#include "cli/publisher_verbs.hpp"

namespace quern::cli {

struct RegistryRole {
  std::string name;
  int64_t version, expires;  // of the document of this name
  int32_t threshold;
  std::vector<std::string> keys;  // public ones

  bool has_expired() const;
};

struct RegistryRelease {
  std::string id, manifest, min_client, revoked;
  int32_t version, build;
  int64_t published;
  bool yanked, is_signed;
};

struct RegistryState {
  std::vector<RegistryRole> roles;  // root, snapshot, timestamp
  std::vector<RegistryRelease> releases;
  int32_t passed_over;

  const RegistryRole &root() const { return roles[0]; }
  const RegistryRole &timestamp() const { return roles[2]; }
};
RegistryState read_registry_state(const std::string &path);

Json role_json(const RegistryRole &role);
std::string expiry_text(const RegistryRole &role);  // "holds until 2026-11-29T08:00:00Z (6 d)"

std::string release_name(const std::string &id, int32_t version, int32_t build);  // "acme/gemm@v1.7"
struct ReleaseName {
  std::string id;
  int32_t version, build;
};
ReleaseName parse_release_name(const std::string &name);  // throws Failure

// Files or keys as the library takes them, ':' between. Throws Failure for one that holds a ':'.
std::string join_list(const std::vector<std::string> &items);
std::vector<std::string> split_list(const std::string &list);

// The keys that options name, kept for as long as the library may look at them.
class RegistryKeyFiles {
 public:
  explicit RegistryKeyFiles(const RegistryOptions &options);
  RegistryKeyFiles(const RegistryKeyFiles &) = delete;
  RegistryKeyFiles &operator=(const RegistryKeyFiles &) = delete;

  host::Registry registry() const { return host::Registry(path_, keys_); }

 private:
  std::string path_, root_, snapshot_, timestamp_;
  quern_registry_keys keys_ = QUERN_REGISTRY_KEYS_INIT;
};

}  // namespace quern::cli
