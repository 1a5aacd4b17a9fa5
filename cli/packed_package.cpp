#include "cli/packed_package.hpp"

#include "cli/failure.hpp"
#include "cli/quantity.hpp"
#include "cli/registry_state.hpp"

namespace quern::cli {

PackedPackage::PackedPackage(const quern_packed_package &package)
    : id(package.id),
      manifest(package.manifest),
      version(package.version),
      build(package.build),
      files(package.files),
      size_bytes(package.size_bytes),
      signers(split_list(package.signers)),
      warnings(package.warnings, package.warnings + package.warning_count) {}

std::string PackedPackage::name() const { return release_name(id, version, build); }

Json PackedPackage::json() const {
  return {{"release", name()},    {"id", id},       {"version", version},       {"build", build},
          {"manifest", manifest}, {"files", files}, {"size_bytes", size_bytes}, {"signers", signers},
          {"warnings", warnings}};
}

std::string PackedPackage::text() const {
  std::string out = cli::text(name(), ", ", files, files == 1 ? " file, " : " files, ", format_bytes(size_bytes), "\n",
                              "manifest   ", manifest, "\n");
  for (const std::string &signer : signers) out += "signed by  " + signer + "\n";
  if (signers.empty()) out += "signed by  nobody: it serves only hosts whose lock file names it\n";
  for (const std::string &warning : warnings) out += "warning    " + warning + "\n";
  return out;
}

}  // namespace quern::cli
