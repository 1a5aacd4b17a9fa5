// The verbs of who publishes packages and who runs a registry, as verbs.hpp has the others. None needs a hub.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/exit_code.hpp"
#include "cli/global_options.hpp"

namespace CLI {
class App;
}

namespace quern::cli {

struct KeygenOptions {
  std::string file;
  bool show = false;  // of a key that is there
};
ExitCode run_keygen(const GlobalOptions &global, const KeygenOptions &options);

struct PackOptions {
  std::string directory, output;  // "": check only
  std::vector<std::string> keys;  // files
};
ExitCode run_pack(const GlobalOptions &global, const PackOptions &options);

// A registry, and who changes it: files of secret keys by role.
struct RegistryOptions {
  std::string path;
  std::vector<std::string> keys;  // of all three roles
  std::vector<std::string> root_keys, snapshot_keys, timestamp_keys;
  int32_t root_days = 0, snapshot_days = 0, timestamp_days = 0;  // 0: the library's choice
};

struct PublishOptions {
  RegistryOptions registry;
  std::string directory;
  std::vector<std::string> keys;        // files
  std::vector<std::string> publishers;  // public keys
  std::string min_client;               // "0.1"; "": the library's choice
  std::string url;                      // where it will be served; "": the directory
};
ExitCode run_publish(const GlobalOptions &global, const PublishOptions &options);

struct RegistryReleaseOptions {
  RegistryOptions registry;
  std::string release;  // "owner/name@v1.7"
  std::string reason;   // of a revocation
};
ExitCode run_registry_yank(const GlobalOptions &global, const RegistryReleaseOptions &options);
ExitCode run_registry_unyank(const GlobalOptions &global, const RegistryReleaseOptions &options);
ExitCode run_registry_revoke(const GlobalOptions &global, const RegistryReleaseOptions &options);

ExitCode run_registry_create(const GlobalOptions &global, const RegistryOptions &options);
ExitCode run_registry_renew(const GlobalOptions &global, const RegistryOptions &options);

struct RegistryRotateOptions {
  RegistryOptions registry;
  // Who may sign from now on: files of secret keys, which sign too, or public keys. None: as now.
  std::vector<std::string> next_keys, next_root_keys, next_snapshot_keys, next_timestamp_keys;
  int32_t root_threshold = 0, snapshot_threshold = 0, timestamp_threshold = 0;  // 0: the library's choice
};
ExitCode run_registry_rotate(const GlobalOptions &global, const RegistryRotateOptions &options);

struct RegistryShowOptions {
  std::string path;
};
ExitCode run_registry_show(const GlobalOptions &global, const RegistryShowOptions &options);

// What the parser writes to for all of these.
struct PublisherOptions {
  KeygenOptions keygen;
  PackOptions pack;
  PublishOptions publish;
  RegistryOptions create, renew;
  RegistryReleaseOptions yank, unyank, revoke;
  RegistryRotateOptions rotate;
  RegistryShowOptions show;
};
struct ParsedLine;
void add_publisher_verbs(CLI::App &app, ParsedLine &line, PublisherOptions &options);

}  // namespace quern::cli
