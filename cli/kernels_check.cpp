// `quern kernels check`: for the author of a package. The report is printed whatever the verdict.
#include <cstdio>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/unit_reports.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_kernels_check(const GlobalOptions &global, const KernelsCheckOptions &options) {
  const host::Hub hub = open_hub(global);
  UnitReports reports(global.quiet);
  std::string log;
  try {
    hub.check_package(options.directory.c_str(), options.archs.empty() ? nullptr : options.archs.c_str(),
                      [&](const quern_unit_report &report) { reports.add(report); });
  } catch (const host::StatusError &error) {
    // Without a unit there is no report: the manifest is at fault, or nothing can compile here.
    if (reports.failed() == 0) throw;
    log = error.log();
  }
  reports.finish();
  if (global.json) {
    print_json({{"directory", options.directory}, {"failed", reports.failed()}, {"units", reports.json()}});
  } else {
    print(reports.text());
  }
  if (reports.failed() == 0) return kDone;
  if (global.verbose > 0 && !log.empty()) std::fprintf(stderr, "%s\n", log.c_str());
  fail(kFailed, reports.failed(), " of ", reports.json().size(), " units failed, first ", reports.first_failure(),
       log.empty() || global.verbose > 0 ? "" : "; -v shows the compiler's log");
}

}  // namespace quern::cli
