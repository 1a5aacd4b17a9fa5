// `quern fetch`: find packages and bring them into the cache, without compiling anything.
#include "cli/failure.hpp"
#include "cli/joined.hpp"
#include "cli/output.hpp"
#include "cli/package_reports.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_fetch(const GlobalOptions &global, const FetchOptions &options) {
  const host::Hub hub = open_hub(global);
  PackageReports reports(global.quiet);
  reports.resolve(hub, joined(options.packages, ","), options.locked || options.frozen, options.frozen);
  if (global.json) {
    print_json({{"packages", reports.json()}});
  } else {
    print(reports.text());
  }
  return kDone;
}

}  // namespace quern::cli
