// `quern prefetch`: compile now what a later process would have to.
#include <string>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/unit_reports.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_prefetch(const GlobalOptions &global, const PrefetchOptions &options) {
  const host::Hub hub = open_hub(global);
  std::string packages;
  for (const std::string &package : options.packages) packages += (packages.empty() ? "" : ",") + package;

  quern_prefetch_options prefetch = QUERN_PREFETCH_OPTIONS_INIT;
  prefetch.archs = options.archs.c_str();
  prefetch.packages = packages.empty() ? nullptr : packages.c_str();
  prefetch.jobs = options.jobs;
  UnitReports reports(global.quiet);
  const quern_prefetch_result result =
      hub.prefetch(prefetch, [&](const quern_unit_report &report) { reports.add(report); });

  reports.finish();
  if (result.failed > 0) {
    const ExitCode code = reports.failed() > 0 ? exit_code(reports.first_status()) : kFailed;
    fail(code, result.failed, " units failed, first ", reports.first_failure());
  }
  if (global.json) {
    print_json({{"compiled", result.compiled}, {"cached", result.cached}, {"units", reports.json()}});
  } else {
    print(text(result.compiled, " compiled, ", result.cached, " in the cache already\n"));
  }
  return kDone;
}

}  // namespace quern::cli
