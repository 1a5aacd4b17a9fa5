#include "cli/package_reports.hpp"

#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/quantity.hpp"

namespace quern::cli {

PackageReports::PackageReports(bool quiet)
    : progress_(quiet), table_({"package", "version", "manifest", "registry", "trust", "signer"}) {}

void PackageReports::resolve(const host::Hub &hub, const std::string &requests, bool locked, bool offline) {
  quern_resolve_options options = QUERN_RESOLVE_OPTIONS_INIT;
  options.locked = locked ? 1 : 0;
  options.offline = offline ? 1 : 0;
  hub.resolve(
      requests.empty() ? nullptr : requests.c_str(), options,
      [this](const quern_fetch_progress &progress) { return show(progress); },
      [this](const quern_package &package) { add(package); });
  progress_.clear();
}

void PackageReports::lock(const host::Hub &hub, const std::string &requests, const std::string &path,
                          quern_lock_options options) {
  hub.lock(
      requests.empty() ? nullptr : requests.c_str(), path.c_str(), options,
      [this](const quern_fetch_progress &progress) { return show(progress); },
      [this](const quern_package &package) { add(package); });
  progress_.clear();
}

bool PackageReports::show(const quern_fetch_progress &progress) {
  check_interrupt();
  const std::string total = progress.total > 0 ? " of " + format_bytes(progress.total) : "";
  progress_.move(cli::text(progress.package, ": ", format_bytes(progress.received), total));
  return true;
}

void PackageReports::add(const quern_package &package) {
  table_.add({package.id, cli::text(package.version, ".", package.build), std::string(package.manifest).substr(0, 12),
              *package.registry ? package.registry : "-", package.trust, *package.signer ? package.signer : "-"});
  if (*package.note) notes_ += cli::text("note: ", package.note, "\n");
  json_.push_back({{"id", package.id},
                   {"version", package.version},
                   {"build", package.build},
                   {"manifest", package.manifest},
                   {"digest", package.digest},
                   {"registry", package.registry},
                   {"commit", package.commit},
                   {"trust", package.trust},
                   {"signer", package.signer},
                   {"note", package.note},
                   {"fetched", package.fetched != 0}});
}

}  // namespace quern::cli
