// `quern prefetch`: fetch and compile now what a later process would have to, so that it needs neither network nor
// compiler.
#include <string>

#include "cli/failure.hpp"
#include "cli/joined.hpp"
#include "cli/output.hpp"
#include "cli/package_reports.hpp"
#include "cli/unit_reports.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

// A check sees what the process to come will see.
GlobalOptions as_the_deployment(const GlobalOptions &global, const PrefetchOptions &options) {
  GlobalOptions adapted = global;
  if (!options.into.empty()) adapted.cache_dir = options.into;
  if (options.check) {
    adapted.offline = true;
    adapted.jit = "forbid";
  }
  return adapted;
}

quern_prefetch_options to_c(const PrefetchOptions &options, const std::string &packages) {
  quern_prefetch_options prefetch = QUERN_PREFETCH_OPTIONS_INIT;
  prefetch.archs = options.archs.c_str();
  prefetch.packages = packages.empty() ? nullptr : packages.c_str();
  prefetch.jobs = options.jobs;
  prefetch.check = options.check ? 1 : 0;
  if (!options.root.empty()) prefetch.root = options.root.c_str();
  if (!options.seal_key.empty()) prefetch.seal_key = options.seal_key.c_str();
  prefetch.seal_days = options.seal_days;
  return prefetch;
}

}  // namespace

ExitCode run_prefetch(const GlobalOptions &global, const PrefetchOptions &options) {
  const GlobalOptions adapted = as_the_deployment(global, options);
  const host::Hub hub = open_hub(adapted);
  PackageReports packages(global.quiet);
  if (*hub.info().lock_file) packages.resolve(hub, "", true, adapted.offline);
  if (!options.requests.empty()) packages.resolve(hub, joined(options.requests, ","), false, adapted.offline);

  const std::string selected = joined(options.packages, ",");
  const quern_prefetch_options prefetch = to_c(options, selected);
  UnitReports units(global.quiet);
  quern_prefetch_result result = QUERN_PREFETCH_RESULT_INIT;
  if (options.compile) {
    result = hub.prefetch(prefetch, [&](const quern_unit_report &report) { units.add(report); });
    units.finish();
  }
  if (result.failed > 0) {
    const ExitCode code = units.failed() > 0 ? exit_code(units.first_status()) : kFailed;
    fail(code, result.failed, " units failed, first ", units.first_failure());
  }
  if (global.json) {
    print_json({{"packages", packages.json()},
                {"compiled", result.compiled},
                {"cached", result.cached},
                {"units", units.json()}});
    return kDone;
  }
  std::string out = packages.text();
  if (options.check) {
    out += text("complete: ", result.cached, " compiled units for ", options.archs, "\n");
  } else if (options.compile) {
    out += text(result.compiled, " compiled, ", result.cached, " in the cache already\n");
  }
  if (!options.root.empty()) out += text("kept from pruning as root ", options.root, "\n");
  if (!options.seal_key.empty()) out += text("sealed: ", hub.info().cache_dir, "\n");
  print(out);
  return kDone;
}

}  // namespace quern::cli
