// `quern cache verify` and `doctor`: whether every file is what its name says, and what else is wrong.
#include "cli/cache_entries.hpp"
#include "cli/interrupt.hpp"
#include "cli/quantity.hpp"
#include "cli/verbs.hpp"

#include "cli/failure.hpp"

namespace quern::cli {
namespace {

struct Problem {
  std::string path, what;
  bool repaired;
};

// 6 where something is wrong and was left so.
ExitCode check(const GlobalOptions &global, bool thorough, bool repair) {
  const host::Hub hub = open_hub(global);
  quern_cache_check_options options = QUERN_CACHE_CHECK_OPTIONS_INIT;
  options.thorough = thorough ? 1 : 0;
  options.repair = repair ? 1 : 0;
  std::vector<Problem> problems;
  const quern_cache_check_result result = hub.check_cache(options, [&](const quern_cache_problem &problem) {
    check_interrupt();
    problems.push_back({problem.path, problem.what, problem.repaired != 0});
  });
  const quern_hub_info info = hub.info();
  if (global.json) {
    Json list = Json::array();
    for (const Problem &problem : problems) {
      list.push_back({{"path", problem.path}, {"what", problem.what}, {"repaired", problem.repaired}});
    }
    print_json({{"path", info.cache_dir},
                {"state", info.cache_state},
                {"entries", result.entries},
                {"blobs", result.blobs},
                {"bytes", result.bytes},
                {"problems", list},
                {"repaired", result.repaired}});
  } else {
    std::string out;
    for (const Problem &problem : problems) {
      out += text(problem.path, ": ", problem.what, problem.repaired ? " (repaired)" : "", "\n");
    }
    if (thorough) out += text("cache: ", info.cache_dir, ", ", info.cache_state, "\n");
    out += text("Verified ", result.entries, result.entries == 1 ? " entry" : " entries", " and ", result.blobs,
                " files of packages, ", format_bytes(result.bytes), ". ");
    if (result.problems == 0) {
      out += thorough ? "Nothing is wrong.\n" : "All hashes match.\n";
    } else {
      out += text(result.problems, result.problems == 1 ? " problem, " : " problems, ", result.repaired, " repaired",
                  result.repaired < result.problems && !repair ? "; 'quern cache doctor --repair' sets it right" : "",
                  ".\n");
    }
    print(out);
  }
  return result.problems > result.repaired ? kVerificationFailed : kDone;
}

}  // namespace

ExitCode run_cache_verify(const GlobalOptions &global) { return check(global, false, false); }

ExitCode run_cache_doctor(const GlobalOptions &global, const CacheDoctorOptions &options) {
  return check(global, true, options.repair);
}

}  // namespace quern::cli
