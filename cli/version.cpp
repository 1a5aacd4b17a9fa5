#include <string>

#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_version(const GlobalOptions &global) {
  if (global.json) {
    print_json(Json{{"version", quern_version()}});
  } else {
    print("quern " + std::string(quern_version()) + "\n");
  }
  return kDone;
}

}  // namespace quern::cli
