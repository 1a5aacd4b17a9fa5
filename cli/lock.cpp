// `quern lock`: write down which bytes of which packages a deployment runs.
#include "cli/failure.hpp"
#include "cli/joined.hpp"
#include "cli/output.hpp"
#include "cli/package_reports.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_lock(const GlobalOptions &global, const LockOptions &options) {
  GlobalOptions without_lock = global;
  without_lock.lock_file.clear();  // the file that is written need not be there, nor be right
  const host::Hub hub = open_hub(without_lock);
  const std::string path = !options.output.empty()     ? options.output
                           : !global.lock_file.empty() ? global.lock_file
                                                       : "quern.lock";
  quern_lock_options lock = QUERN_LOCK_OPTIONS_INIT;
  if (!options.from.empty()) lock.source = options.from.c_str();
  lock.check = options.check ? 1 : 0;
  lock.keep = options.keep || !options.from.empty() ? 1 : 0;  // what is taken over is taken as it is
  lock.unsigned_too = options.allow_unsigned ? 1 : 0;
  PackageReports reports(global.quiet);
  reports.lock(hub, joined(options.packages, ","), path, lock);
  if (global.json) {
    print_json({{"lock", path}, {"packages", reports.json()}});
  } else {
    print(reports.text() + text(path, options.check ? " is up to date" : " has ",
                                options.check ? "" : text(reports.count()),
                                options.check          ? ""
                                : reports.count() == 1 ? " package"
                                                       : " packages",
                                "\n"));
  }
  return kDone;
}

}  // namespace quern::cli
