// The C ABI: the kernels a hub knows.
#include "runtime/c_api/border.hpp"

using namespace quern;

quern_status quern_kernels_visit(quern_hub *hub, quern_kernel_visitor visit, void *user) {
  return guard([&] {
    const std::shared_ptr<const Catalog> catalog = need(hub, "hub").hub->catalog();
    need(visit, "visit");
    for (const auto &package : catalog->packages()) {
      const Manifest &manifest = package->manifest;
      const std::string operation(manifest.operation->name);
      for (const Variant &variant : manifest.variants) {
        const std::string archs = variant.archs_text();
        visit_or_stop(
            visit, user,
            quern_kernel_info{sizeof(quern_kernel_info), manifest.id.c_str(), manifest.version, manifest.build,
                              package->digest.c_str(), package->origin.c_str(), operation.c_str(), variant.name.c_str(),
                              archs.c_str(), variant.priority, manifest.text.c_str(), "", trust_name(package->trust),
                              package->signer.c_str()});
      }
    }
    for (const RefusedPackage &refused : catalog->refused()) {
      visit_or_stop(visit, user,
                    quern_kernel_info{sizeof(quern_kernel_info), "", 0, 0, "", refused.origin.c_str(), "", "", "", 0,
                                      "", refused.reason.c_str(), "", ""});
    }
  });
}
