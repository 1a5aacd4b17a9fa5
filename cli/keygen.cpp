// `quern keygen FILE`: a secret key, for packages or for a registry.
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/publisher_verbs.hpp"

namespace quern::cli {

ExitCode run_keygen(const GlobalOptions &global, const KeygenOptions &options) {
  const host::KeyName key = options.show ? host::public_key(options.file) : host::generate_key(options.file);
  if (global.json) {
    print_json({{"file", options.file}, {"public_key", key.public_key}, {"key_id", key.id}});
  } else if (global.quiet) {
    print(key.public_key + "\n");
  } else {
    print(text("public key  ", key.public_key, "\nkey id      ", key.id, "\n"));
  }
  return kDone;
}

}  // namespace quern::cli
