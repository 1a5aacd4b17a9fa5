// What may be said to the publisher's verbs.
#include "cli/publisher_verbs.hpp"

#include "cli/verb_parsing.hpp"

namespace quern::cli {
namespace {

// A list of files or keys: the option is given once for each.
void add_list(CLI::App *verb, const char *name, std::vector<std::string> &list, const char *description) {
  verb->add_option(name, list, description)->allow_extra_args(false);
}

void add_keys(CLI::App *verb, RegistryOptions &options) {
  add_list(verb, "--registry-key", options.keys, "a secret key of the registry for root, snapshot and timestamp");
  add_list(verb, "--root-key", options.root_keys, "a secret key for root");
  add_list(verb, "--snapshot-key", options.snapshot_keys, "a secret key for the snapshot");
  add_list(verb, "--timestamp-key", options.timestamp_keys, "a secret key for the timestamp");
  const auto days = CLI::Range(1, 36500);
  verb->add_option("--root-days", options.root_days, "how long a root holds (default 365)")->check(days);
  verb->add_option("--snapshot-days", options.snapshot_days, "how long the snapshot holds (default 90)")->check(days);
  verb->add_option("--timestamp-days", options.timestamp_days, "how long the timestamp holds (default 7)")->check(days);
}

void add_path(CLI::App *verb, std::string &path) { verb->add_option("REGISTRY", path, "its directory")->required(); }

void add_release(CLI::App *verb, RegistryReleaseOptions &options) {
  add_path(verb, options.registry.path);
  verb->add_option("RELEASE", options.release, "owner/name@vVERSION.BUILD, as acme/gemm@v1.7")->required();
  add_keys(verb, options.registry);
}

void add_rotate(CLI::App &registry, ParsedLine &line, RegistryRotateOptions &options) {
  CLI::App *rotate = add_verb(registry, line, "rotate", "sign the next root: other keys, or the same for longer",
                              run_registry_rotate, options);
  add_path(rotate, options.registry.path);
  add_keys(rotate, options.registry);
  add_list(rotate, "--next-registry-key", options.next_keys,
           "a key of all roles from now on: its file, or 64 digits of the public one");
  add_list(rotate, "--next-root-key", options.next_root_keys, "the same for root");
  add_list(rotate, "--next-snapshot-key", options.next_snapshot_keys, "the same for the snapshot");
  add_list(rotate, "--next-timestamp-key", options.next_timestamp_keys, "the same for the timestamp");
  const auto count = CLI::Range(1, 16);
  rotate->add_option("--root-threshold", options.root_threshold, "how many of root must sign")->check(count);
  rotate->add_option("--snapshot-threshold", options.snapshot_threshold, "how many for the snapshot")->check(count);
  rotate->add_option("--timestamp-threshold", options.timestamp_threshold, "how many for the timestamp")->check(count);
}

void add_registry(CLI::App &app, ParsedLine &line, PublisherOptions &options) {
  CLI::App *registry = app.add_subcommand("registry", "run a registry: a directory that any web server serves");
  registry->require_subcommand(1);
  add_path(
      add_verb(*registry, line, "show", "who signs it, until when, and what is in it", run_registry_show, options.show),
      options.show.path);
  CLI::App *create = add_verb(*registry, line, "create", "an empty one", run_registry_create, options.create);
  CLI::App *renew = add_verb(*registry, line, "renew", "sign snapshot and timestamp anew, before they expire",
                             run_registry_renew, options.renew);
  add_path(create, options.create.path);
  add_keys(create, options.create);
  add_path(renew, options.renew.path);
  add_keys(renew, options.renew);
  add_release(add_verb(*registry, line, "yank", "withdraw a build: it serves only who names its digest",
                       run_registry_yank, options.yank),
              options.yank);
  add_release(add_verb(*registry, line, "unyank", "have it serve again", run_registry_unyank, options.unyank),
              options.unyank);
  CLI::App *revoke = add_verb(*registry, line, "revoke", "a build that nobody may run any more, for ever",
                              run_registry_revoke, options.revoke);
  add_release(revoke, options.revoke);
  revoke->add_option("--reason", options.revoke.reason, "why, in a line that users will read")->required();
  add_rotate(*registry, line, options.rotate);
}

}  // namespace

void add_publisher_verbs(CLI::App &app, ParsedLine &line, PublisherOptions &options) {
  CLI::App *keygen =
      add_verb(app, line, "keygen", "make a secret key, and print the public one", run_keygen, options.keygen);
  keygen->add_option("FILE", options.keygen.file, "the file to make")->required();
  keygen->add_flag("--show", options.keygen.show, "make none; print the public key of this one");
  CLI::App *pack =
      add_verb(app, line, "pack", "check a package, write down its hashes, and sign it", run_pack, options.pack);
  pack->add_option("DIR", options.pack.directory, "directory of kernel.json")->required();
  pack->add_option("-o,--output", options.pack.output, "the directory to write (default: only check)");
  add_list(pack, "--key", options.pack.keys, "a secret key of the publisher");
  PublishOptions &p = options.publish;
  CLI::App *publish =
      add_verb(app, line, "publish", "add a package to a registry, and make that if it is new", run_publish, p);
  publish->add_option("DIR", p.directory, "directory of kernel.json")->required();
  publish->add_option("--registry", p.registry.path, "the registry's directory")->required();
  add_list(publish, "--key", p.keys, "a secret key of the publisher");
  add_list(publish, "--publisher", p.publishers, "a public key that must have signed");
  publish->add_option("--min-client", p.min_client, "the least Quern that may use it (default 0.1)");
  publish->add_option("--url", p.url, "where the registry is served, for what is printed");
  add_keys(publish, p.registry);
  add_registry(app, line, options);
}

}  // namespace quern::cli
