// `quern registry create`, `yank`, `unyank`, `revoke`, `renew` and `rotate`.
#include <algorithm>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/registry_state.hpp"

namespace quern::cli {
namespace {

// What was done, and until when it is signed.
void report(const GlobalOptions &global, const std::string &path, const char *action, const std::string &release) {
  const RegistryState state = read_registry_state(path);
  if (global.json) {
    Json document = {{"registry", path}, {"action", action}};
    if (!release.empty()) document["release"] = release;
    for (const RegistryRole &role : state.roles) document[role.name] = role_json(role);
    print_json(document);
  } else if (!global.quiet) {
    print(text(action, " ", release.empty() ? path : release + " in " + path, "; timestamp ", state.timestamp().version,
               " ", expiry_text(state.timestamp()), "\n"));
  }
}

ExitCode set_yanked(const GlobalOptions &global, const RegistryReleaseOptions &options, bool yanked) {
  const ReleaseName name = parse_release_name(options.release);
  RegistryKeyFiles(options.registry).registry().yank(name.id, name.version, name.build, yanked);
  report(global, options.registry.path, yanked ? "yanked" : "unyanked",
         release_name(name.id, name.version, name.build));
  return kDone;
}

bool is_public_key(const std::string &text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// The public keys of a role from now on; those that are files sign too.
std::string next_keys(const RegistryRotateOptions &options, const std::vector<std::string> &of_role,
                      std::vector<std::string> &signing) {
  std::vector<std::string> keys;
  for (const std::vector<std::string> *list : {&options.next_keys, &of_role}) {
    for (const std::string &key : *list) {
      keys.push_back(is_public_key(key) ? key : host::public_key(key).public_key);
      if (!is_public_key(key)) signing.push_back(key);
    }
  }
  return join_list(keys);
}

}  // namespace

ExitCode run_registry_create(const GlobalOptions &global, const RegistryOptions &options) {
  RegistryKeyFiles(options).registry().create();
  report(global, options.path, "created", "");
  return kDone;
}

ExitCode run_registry_yank(const GlobalOptions &global, const RegistryReleaseOptions &options) {
  return set_yanked(global, options, true);
}

ExitCode run_registry_unyank(const GlobalOptions &global, const RegistryReleaseOptions &options) {
  return set_yanked(global, options, false);
}

ExitCode run_registry_revoke(const GlobalOptions &global, const RegistryReleaseOptions &options) {
  const ReleaseName name = parse_release_name(options.release);
  RegistryKeyFiles(options.registry).registry().revoke(name.id, name.version, name.build, options.reason);
  report(global, options.registry.path, "revoked", release_name(name.id, name.version, name.build));
  return kDone;
}

ExitCode run_registry_renew(const GlobalOptions &global, const RegistryOptions &options) {
  RegistryKeyFiles(options).registry().renew();
  report(global, options.path, "renewed", "");
  return kDone;
}

ExitCode run_registry_rotate(const GlobalOptions &global, const RegistryRotateOptions &options) {
  RegistryOptions registry = options.registry;
  const std::string root = next_keys(options, options.next_root_keys, registry.root_keys);
  const std::string snapshot = next_keys(options, options.next_snapshot_keys, registry.snapshot_keys);
  const std::string timestamp = next_keys(options, options.next_timestamp_keys, registry.timestamp_keys);
  quern_next_root next = QUERN_NEXT_ROOT_INIT;
  next.root = root.empty() ? nullptr : root.c_str();
  next.snapshot = snapshot.empty() ? nullptr : snapshot.c_str();
  next.timestamp = timestamp.empty() ? nullptr : timestamp.c_str();
  next.root_threshold = options.root_threshold;
  next.snapshot_threshold = options.snapshot_threshold;
  next.timestamp_threshold = options.timestamp_threshold;
  RegistryKeyFiles(registry).registry().rotate(next);
  report(global, registry.path, "rotated", "");
  return kDone;
}

}  // namespace quern::cli
