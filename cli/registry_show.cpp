// `quern registry show`: who signs a registry, until when, and what is in it.
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/quantity.hpp"
#include "cli/registry_state.hpp"
#include "cli/table.hpp"

namespace quern::cli {
namespace {

Json release_json(const RegistryRelease &release) {
  return {{"release", release_name(release.id, release.version, release.build)},
          {"id", release.id},
          {"version", release.version},
          {"build", release.build},
          {"manifest", release.manifest},
          {"published", format_time(release.published)},
          {"min_client", release.min_client},
          {"signed", release.is_signed},
          {"yanked", release.yanked},
          {"revoked", release.revoked}};
}

std::string state_text(const RegistryRelease &release) {
  if (!release.revoked.empty()) return "revoked: " + release.revoked;
  return release.yanked ? "yanked" : "";
}

}  // namespace

ExitCode run_registry_show(const GlobalOptions &global, const RegistryShowOptions &options) {
  const RegistryState state = read_registry_state(options.path);
  if (global.json) {
    Json document = {{"registry", options.path}};
    for (const RegistryRole &role : state.roles) document[role.name] = role_json(role);
    document["releases"] = Json::array();
    for (const RegistryRelease &release : state.releases) document["releases"].push_back(release_json(release));
    document["passed_over"] = state.passed_over;
    print_json(document);
    return kDone;
  }
  std::string out;
  for (const RegistryRole &role : state.roles) {
    out += text(role.name, std::string(11 - role.name.size(), ' '), "version ", role.version, ", ", expiry_text(role),
                "; ", role.threshold, " of these must sign:\n");
    for (const std::string &key : role.keys) out += "           " + key + "\n";
  }
  Table table({"release", "published", "signed", "manifest", "state"});
  for (const RegistryRelease &release : state.releases) {
    table.add({release_name(release.id, release.version, release.build), format_time(release.published),
               release.is_signed ? "yes" : "no", release.manifest, state_text(release)});
  }
  out += state.releases.empty() ? std::string("\nno releases\n") : "\n" + table.text();
  if (state.passed_over > 0) out += text("\n", state.passed_over, " more can be read by a later Quern only\n");
  print(out);
  return kDone;
}

}  // namespace quern::cli
