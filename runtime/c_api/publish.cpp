// The C ABI: keys, packing a package, changing and reading a registry. No hub.
#include <algorithm>
#include <climits>

#include "registry/format/package_path.hpp"
#include "registry/format/plain_text.hpp"
#include "registry/publish/publish.hpp"
#include "registry/publish/registry_contents.hpp"
#include "registry/publish/signed_package.hpp"
#include "runtime/base/split.hpp"
#include "runtime/c_api/border.hpp"

using namespace quern;

namespace {

constexpr int32_t kMostDays = 36500;

// A path that is given.
std::filesystem::path need_path(const char *path, const char *name) {
  if (need(path, name) == '\0') fail(QUERN_INVALID_ARGUMENT, name, " is empty; name a file or directory");
  return path;
}

// NULL is none.
std::vector<std::string> split_list(const char *list) { return split_given(list == nullptr ? "" : list, ':'); }

std::string join(std::string list, const std::string &item) { return list.empty() ? item : list + ":" + item; }

// Each key once, however often it is given.
std::vector<SecretKey> load_keys(const char *list) {
  std::vector<SecretKey> keys;
  for (const std::string &path : split_list(list)) {
    SecretKey key = SecretKey::load(path);
    const PublicKey own = key.public_key();
    const bool is_there =
        std::any_of(keys.begin(), keys.end(), [&](const SecretKey &other) { return other.public_key() == own; });
    if (!is_there) keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<PublicKey> parse_keys(const char *list, const char *name) {
  std::vector<PublicKey> keys;
  for (const std::string &item : split_list(list)) {
    const auto key = PublicKey::parse(item);
    if (!key) {
      fail(QUERN_INVALID_ARGUMENT, name, " has \"", plain_text(item),
           "\", which is no Ed25519 public key; give 64 lower-case hex digits");
    }
    keys.push_back(*key);
  }
  return keys;
}

void write_digits(const std::string &digits, char *out) {
  if (out != nullptr) std::memcpy(out, digits.c_str(), digits.size() + 1);
}

void tell_public(const SecretKey &key, char *public_key, char *key_id) {
  const PublicKey own = key.public_key();
  write_digits(own.text(), public_key);
  write_digits(own.id(), key_id);
}

struct Changer {
  RegistryKeys keys;
  PublishOptions options;
};

Changer read_changer(const quern_registry_keys *given) {
  const quern_registry_keys read = read_struct(given, "keys");
  Changer changer;
  const auto set_lifetime = [](int32_t days, int64_t &seconds, const char *name) {
    if (days < 0 || days > kMostDays) {
      fail(QUERN_INVALID_ARGUMENT, name, " is ", days, "; it must be 1 to ", kMostDays, ", or 0 for the default");
    }
    if (days > 0) seconds = days * INT64_C(86400);
  };
  set_lifetime(read.root_days, changer.options.lifetimes.root, "keys.root_days");
  set_lifetime(read.snapshot_days, changer.options.lifetimes.snapshot, "keys.snapshot_days");
  set_lifetime(read.timestamp_days, changer.options.lifetimes.timestamp, "keys.timestamp_days");
  changer.keys.root = load_keys(read.root);
  changer.keys.snapshot = load_keys(read.snapshot);
  changer.keys.timestamp = load_keys(read.timestamp);
  return changer;
}

void tell_package(const SignedPackage &made, quern_packed_package_visitor visit, void *user) {
  if (visit == nullptr) return;
  const PackedPackage &package = made.package;
  std::string signers;
  if (const auto signatures = parse_signatures(made.signatures)) {
    for (const KeySignature &each : *signatures) signers = join(signers, each.key_id);
  }
  std::vector<const char *> warnings;
  for (const std::string &warning : package.warnings) warnings.push_back(warning.c_str());
  quern_packed_package out{};
  out.struct_size = sizeof out;
  out.id = package.manifest.id.c_str();
  out.version = package.manifest.version;
  out.build = package.manifest.build;
  out.manifest = package.digest.c_str();
  out.document = package.document.c_str();
  out.signatures = made.signatures.c_str();
  out.signers = signers.c_str();
  out.size_bytes = static_cast<int64_t>(package.document.size());
  for (const auto &[path, content] : package.files) out.size_bytes += static_cast<int64_t>(content.size());
  out.files = static_cast<int32_t>(package.files.size());
  out.warning_count = static_cast<int32_t>(warnings.size());
  out.warnings = warnings.data();
  visit_or_stop(visit, user, out);
}

void need_id(const char *id) {
  if (!is_package_id(&need(id, "id"))) {
    fail(QUERN_INVALID_ARGUMENT, "id is \"", plain_text(id), "\", which names no package; write owner/name");
  }
}

void change_role(const char *keys, int32_t threshold, const char *role, KeySet &set) {
  const std::string name = text("next.", role);
  if (keys != nullptr) {
    set = {};
    for (const PublicKey &key : parse_keys(keys, name.c_str())) set.add(key);
    if (set.keys.empty()) fail(QUERN_INVALID_ARGUMENT, name, " is empty; give public keys, or NULL for those of today");
  }
  if (threshold != 0) set.threshold = static_cast<size_t>(std::max(threshold, 0));
  if (set.threshold < 1 || set.threshold > set.keys.size()) {
    fail(QUERN_INVALID_ARGUMENT, name, "_threshold is ", threshold != 0 ? threshold : set.threshold, " of ",
         set.keys.size(), " keys; it must be 1 to that");
  }
}

std::string join_keys(const KeySet &set) {
  std::string list;
  for (const auto &[id, key] : set.keys) list = join(list, key.text());
  return list;
}

}  // namespace

quern_status quern_key_generate(const char *path, char public_key[65], char key_id[65]) {
  return guard([&] {
    const std::filesystem::path file = need_path(path, "path");
    const SecretKey key = SecretKey::generate();
    key.save(file);
    tell_public(key, public_key, key_id);
  });
}

quern_status quern_key_public(const char *path, char public_key[65], char key_id[65]) {
  return guard([&] { tell_public(SecretKey::load(need_path(path, "path")), public_key, key_id); });
}

quern_status quern_package_pack(const char *directory, const quern_pack_options *options) {
  return guard([&] {
    const std::filesystem::path source = need_path(directory, "directory");
    quern_pack_options read = QUERN_PACK_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    const SignedPackage made = sign_package(source, load_keys(read.keys));
    tell_package(made, read.visit, read.user);
    if (read.output != nullptr) write_package_directory(need_path(read.output, "options.output"), made);
  });
}

quern_status quern_registry_create(const char *registry, const quern_registry_keys *keys) {
  return guard([&] {
    const std::filesystem::path path = need_path(registry, "registry");
    const Changer changer = read_changer(keys);
    create_registry(path, changer.keys, changer.options);
  });
}

quern_status quern_registry_publish(const char *registry, const char *directory, const quern_publish_options *options,
                                    const quern_registry_keys *keys, int32_t *published) {
  return guard([&] {
    const std::filesystem::path path = need_path(registry, "registry"), source = need_path(directory, "directory");
    quern_publish_options read = QUERN_PUBLISH_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    Changer changer = read_changer(keys);
    if (read.min_client_major < 0 || read.min_client_minor < 0) {
      fail(QUERN_INVALID_ARGUMENT, "options.min_client is ", read.min_client_major, ".", read.min_client_minor,
           "; it must be a version of Quern, or 0.0 for 0.1");
    }
    if (read.min_client_major > 0 || read.min_client_minor > 0) {
      changer.options.min_client = {read.min_client_major, read.min_client_minor};
    }
    const SignedPackage made = sign_package(source, load_keys(read.keys));
    if (made.left_out_sig && made.signatures.empty()) {
      fail(QUERN_INVALID_ARGUMENT, (source / kSignaturesFile).string(),
           " is not of the package as it is published; publish what `quern pack -o` wrote, give a publisher's key, or "
           "remove it");
    }
    require_signers(made, parse_keys(read.publishers, "options.publishers"));
    tell_package(made, read.visit, read.user);
    const bool is_new = publish(path, made.package, made.signatures, changer.keys, changer.options);
    if (published != nullptr) *published = is_new ? 1 : 0;
  });
}

quern_status quern_registry_yank(const char *registry, const char *id, int32_t version, int32_t build, int32_t yanked,
                                 const quern_registry_keys *keys) {
  return guard([&] {
    const std::filesystem::path path = need_path(registry, "registry");
    need_id(id);
    const Changer changer = read_changer(keys);
    yank(path, id, version, build, yanked != 0, changer.keys, changer.options);
  });
}

quern_status quern_registry_revoke(const char *registry, const char *id, int32_t version, int32_t build,
                                   const char *reason, const quern_registry_keys *keys) {
  return guard([&] {
    const std::filesystem::path path = need_path(registry, "registry");
    need_id(id);
    need(reason, "reason");
    const Changer changer = read_changer(keys);
    revoke(path, id, version, build, reason, changer.keys, changer.options);
  });
}

quern_status quern_registry_renew(const char *registry, const quern_registry_keys *keys) {
  return guard([&] {
    const std::filesystem::path path = need_path(registry, "registry");
    const Changer changer = read_changer(keys);
    renew(path, changer.keys, changer.options);
  });
}

quern_status quern_registry_rotate(const char *registry, const quern_next_root *next, const quern_registry_keys *keys) {
  return guard([&] {
    const std::filesystem::path path = need_path(registry, "registry");
    quern_next_root read = QUERN_NEXT_ROOT_INIT;
    if (next != nullptr) read = read_struct(next, "next");
    const Changer changer = read_changer(keys);
    const auto to_next = [&](RootDocument root) {
      change_role(read.root, read.root_threshold, "root", root.root);
      change_role(read.snapshot, read.snapshot_threshold, "snapshot", root.snapshot);
      change_role(read.timestamp, read.timestamp_threshold, "timestamp", root.timestamp);
      return root;
    };
    rotate_root(path, to_next, changer.keys, changer.options);
  });
}

quern_status quern_registry_read(const char *registry, quern_registry_visitor visit, void *user) {
  return guard([&] {
    const std::filesystem::path path = need_path(registry, "registry");
    need(visit, "visit");
    const RegistryContents contents = read_registry(path);
    std::vector<std::string> clients;
    for (const Release &release : contents.releases) {
      clients.push_back(text(release.min_client.major, ".", release.min_client.minor));
    }
    std::vector<quern_registry_release> releases;
    for (const Release &release : contents.releases) {
      releases.push_back({sizeof(quern_registry_release), release.id.c_str(), release.version, release.build,
                          release.manifest.c_str(), clients[releases.size()].c_str(), release.revoked.c_str(),
                          release.published, release.yanked ? 1 : 0, release.signatures.sha256.empty() ? 0 : 1});
    }
    std::vector<const quern_registry_release *> places;
    for (const quern_registry_release &release : releases) places.push_back(&release);
    const RootDocument &root = contents.root;
    const std::string root_keys = join_keys(root.root), snapshot_keys = join_keys(root.snapshot),
                      timestamp_keys = join_keys(root.timestamp);
    quern_registry_contents out{};
    out.struct_size = sizeof out;
    out.root_keys = root_keys.c_str();
    out.snapshot_keys = snapshot_keys.c_str();
    out.timestamp_keys = timestamp_keys.c_str();
    out.root_threshold = static_cast<int32_t>(root.root.threshold);
    out.snapshot_threshold = static_cast<int32_t>(root.snapshot.threshold);
    out.timestamp_threshold = static_cast<int32_t>(root.timestamp.threshold);
    out.passed_over = contents.passed_over;
    out.root_version = root.version;
    out.snapshot_version = contents.snapshot.version;
    out.timestamp_version = contents.timestamp.version;
    out.root_expires = root.expires;
    out.snapshot_expires = contents.snapshot.expires;
    out.timestamp_expires = contents.timestamp.expires;
    out.releases = places.data();
    out.release_count = static_cast<int64_t>(places.size());
    visit_or_stop(visit, user, out);
  });
}
