// A registry in memory that can serve any lie, signed or not, and counts what it is asked for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "registry/fetch/package_source.hpp"
#include "registry/format/utc_time.hpp"
#include "registry/trust/metadata_format.hpp"
#include "registry/trust/release.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {

inline constexpr int64_t kTestNow = kEarliestNow + 86400;
inline constexpr int64_t kTestDay = 86400;

// The same key for the same number, in every run.
inline SecretKey test_key(uint8_t number) {
  std::array<uint8_t, 32> seed{};
  seed[0] = number;
  return SecretKey::from_seed(seed);
}

inline KeySet test_keys(const std::vector<SecretKey> &keys, size_t threshold = 1) {
  KeySet set;
  for (const SecretKey &key : keys) set.add(key.public_key());
  set.threshold = threshold;
  return set;
}

inline std::string test_digest(std::string_view bytes) { return hex(sha256(as_bytes(bytes))); }

template <typename Call>
quern_status status_of(Call call) {
  try {
    call();
    return QUERN_OK;
  } catch (const Error &error) {
    return error.status();
  }
}

template <typename Call>
std::string message_of(Call call) {
  try {
    call();
    return "";
  } catch (const Error &error) {
    return error.what();
  }
}

inline Release test_release(const std::string &id, int version, int build) {
  Release release;
  release.id = id;
  release.version = version;
  release.build = build;
  release.manifest = test_digest(text(id, version, build));
  release.size = 5123;
  release.signatures = {test_digest(text("signature", build)), 194};
  release.published = kEarliestNow;
  release.min_client = {0, 1};
  return release;
}

class SimulatedRegistry : public PackageSource {
 public:
  SimulatedRegistry() {
    root.version = 1;
    root.expires = kTestNow + 365 * kTestDay;
    root.root = test_keys(root_keys);
    root.timestamp = test_keys(timestamp_keys);
    root.snapshot = test_keys(snapshot_keys);
    snapshot.expires = kTestNow + 90 * kTestDay;
    timestamp.expires = kTestNow + 7 * kTestDay;
    releases["acme/gemm"] = {test_release("acme/gemm", 1, 1)};
    sign_root();
    sign();
  }

  std::vector<SecretKey> root_keys{test_key(1)};
  std::vector<SecretKey> timestamp_keys{test_key(2)};
  std::vector<SecretKey> snapshot_keys{test_key(3)};
  RootDocument root;
  TimestampDocument timestamp;
  SnapshotDocument snapshot;
  std::map<std::string, std::vector<Release>> releases;

  std::map<std::string, std::string> files;  // what is served
  std::vector<std::string> asked;

  void put(const std::string &path, const std::string &file, Role role, const std::vector<SecretKey> &keys) {
    files[path] = file;
    files[path + ".sig"] = sign_file(role, file, keys);
  }
  void sign_root(const std::vector<SecretKey> &extra = {}) {
    std::vector<SecretKey> keys = root_keys;
    keys.insert(keys.end(), extra.begin(), extra.end());
    put(root_path(root.version), write_root(root), Role::kRoot, keys);
  }
  // A new version of everything, in the way in which an honest registry does it.
  void sign() {
    for (const auto &[id, list] : releases) {
      std::string file;
      for (const Release &release : list) file += write_release(release);
      FileReference &reference = snapshot.packages[id];
      if (reference.sha256 == test_digest(file)) continue;
      reference = {reference.version + 1, test_digest(file), static_cast<int64_t>(file.size())};
      files[index_path(id, reference.version)] = file;
    }
    ++snapshot.version;
    sign_snapshot();
    ++timestamp.version;
    sign_timestamp();
  }
  void sign_snapshot() {
    const std::string file = write_snapshot(snapshot);
    put(snapshot_path(snapshot.version), file, Role::kSnapshot, snapshot_keys);
    timestamp.snapshot = {snapshot.version, test_digest(file), static_cast<int64_t>(file.size())};
  }
  void sign_timestamp() { put(kTimestampPath, write_timestamp(timestamp), Role::kTimestamp, timestamp_keys); }

  std::string name() const override { return "main"; }
  std::optional<std::string> metadata(const std::string &path, size_t) override {
    asked.push_back(path);
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  }
  std::string blob(const std::string &, size_t) override { return ""; }
};

}  // namespace quern
