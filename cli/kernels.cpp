// `quern kernels list` and `quern kernels show`.
#include <string>
#include <vector>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

Json kernel_json(const quern_kernel_info &info) {
  if (*info.refused) return {{"package", info.package}, {"origin", info.origin}, {"refused", info.refused}};
  return {{"kernel", text(info.package, ":", info.variant)},
          {"package", info.package},
          {"variant", info.variant},
          {"version", info.version},
          {"build", info.build},
          {"digest", info.digest},
          {"origin", info.origin},
          {"operation", info.operation},
          {"archs", info.archs},
          {"priority", info.priority},
          {"trust", info.trust},
          {"signer", info.signer},
          {"refused", ""}};
}

// A manifest is text from a file; what is accepted has been parsed by the hub already.
Json manifest_json(const std::string &manifest) { return Json::parse(manifest, nullptr, false); }

}  // namespace

ExitCode run_kernels_list(const GlobalOptions &global) {
  const host::Hub hub = open_hub(global);
  Json kernels = Json::array();
  Table table({"kernel", "operation", "architectures", ">priority", "version", "trust", "origin"});
  std::string refused;
  hub.visit_kernels([&](const quern_kernel_info &info) {
    kernels.push_back(kernel_json(info));
    if (*info.refused) {
      refused += text("\nrefused: ", *info.package ? info.package : info.origin, "\n  ", info.refused, "\n");
    } else {
      table.add({text(info.package, ":", info.variant), info.operation, info.archs, text(info.priority),
                 text(info.version, ".", info.build), info.trust, info.origin});
    }
  });
  if (kernels.empty()) fail(kNothingMatched, "the hub has no kernel packages; pass --kernel-path or reinstall quern");
  if (global.json) {
    print_json({{"kernels", kernels}});
  } else {
    print(table.text() + refused);
  }
  return kDone;
}

ExitCode run_kernels_show(const GlobalOptions &global, const KernelsShowOptions &options) {
  const host::Hub hub = open_hub(global);
  Json kernels = Json::array();
  std::string manifest;
  std::string out;
  hub.visit_kernels([&](const quern_kernel_info &info) {
    const std::string kernel = text(info.package, ":", info.variant);
    if (options.id != info.package && options.id != kernel) return;
    if (manifest.empty()) {
      manifest = info.manifest;
      out = text("package   ", info.package, "\n");
      if (!*info.refused) out += text("version   ", info.version, ".", info.build, "\ndigest    ", info.digest, "\n");
      out += text("origin    ", info.origin, "\n");
      if (!*info.refused) out += text("trust     ", info.trust, *info.signer ? text(" by ", info.signer) : "", "\n");
    }
    kernels.push_back(kernel_json(info));
    out += *info.refused ? text("refused   ", info.refused, "\n")
                         : text("variant   ", info.variant, ": ", info.operation, ", ", info.archs, ", priority ",
                                info.priority, "\n");
  });
  if (kernels.empty()) fail(kNothingMatched, "no kernel is called '", options.id, "'; 'quern kernels list' names them");
  if (global.json) {
    const Json parsed = manifest_json(manifest);
    print_json({{"kernels", kernels}, {"manifest", parsed.is_discarded() ? Json(nullptr) : parsed}});
  } else {
    print(out + "\n" + manifest + (manifest.ends_with('\n') ? "" : "\n"));
  }
  return kDone;
}

}  // namespace quern::cli
