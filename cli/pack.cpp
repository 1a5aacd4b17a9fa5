// `quern pack DIR`: what an author hands to who runs a registry.
#include "cli/failure.hpp"
#include "cli/packed_package.hpp"
#include "cli/publisher_verbs.hpp"
#include "cli/registry_state.hpp"

namespace quern::cli {

ExitCode run_pack(const GlobalOptions &global, const PackOptions &options) {
  const std::string keys = join_list(options.keys);
  quern_pack_options pack = QUERN_PACK_OPTIONS_INIT;
  pack.keys = keys.c_str();
  if (!options.output.empty()) pack.output = options.output.c_str();
  PackedPackage packed;
  host::pack_package(options.directory, pack,
                     [&](const quern_packed_package &package) { packed = PackedPackage(package); });
  if (global.json) {
    Json document = packed.json();
    document["output"] = options.output.empty() ? Json(nullptr) : Json(options.output);
    print_json(document);
  } else if (global.quiet) {
    print(packed.manifest + "\n");
  } else {
    print(packed.text() + (options.output.empty() ? "" : text("written to ", options.output, "\n")));
  }
  return kDone;
}

}  // namespace quern::cli
