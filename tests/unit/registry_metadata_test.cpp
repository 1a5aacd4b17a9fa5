// Attacks on a registry's metadata, each under its name in the literature of The Update Framework.
#include "registry/fetch/registry_metadata.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "simulated_registry.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

constexpr const char *kId = "acme/gemm";

class RegistryMetadataTest : public ::testing::Test {
 protected:
  // A new process that knows what the directory holds.
  RegistryMetadata reader() {
    return RegistryMetadata(directory_ / "main", {test_key(1).public_key()}, 1, [this] { return now_; });
  }
  std::vector<Release> read() { return reader().releases(registry_, kId); }
  quern_status status() {
    return status_of([&] { read(); });
  }
  std::string message() {
    return message_of([&] { read(); });
  }

  TemporaryDirectory directory_;
  SimulatedRegistry registry_;
  int64_t now_ = kTestNow;
};

TEST_F(RegistryMetadataTest, TellsTheReleasesOfAPackage) {
  registry_.releases[kId].push_back(test_release(kId, 1, 2));
  registry_.sign();
  EXPECT_EQ(read(), registry_.releases[kId]);
  RegistryMetadata metadata = reader();
  EXPECT_TRUE(metadata.releases(registry_, "acme/other").empty());
  EXPECT_EQ(metadata.problem(), "");
}

TEST_F(RegistryMetadataTest, AsksForNothingThatItHas) {
  read();
  registry_.asked.clear();
  read();
  EXPECT_EQ(registry_.asked, (std::vector<std::string>{"root/2.json", "timestamp.json", "timestamp.json.sig"}));
}

TEST_F(RegistryMetadataTest, NoRegistryThere) {
  registry_.files.clear();
  EXPECT_EQ(status(), QUERN_NOT_FOUND);
  EXPECT_NE(message().find("main/root/1.json does not exist, so there is no registry"), std::string::npos) << message();
}

TEST_F(RegistryMetadataTest, NoRootKeysServeNothing) {
  EXPECT_EQ(status_of([&] { RegistryMetadata(directory_ / "x", {}, 1); }), QUERN_UNTRUSTED);
  EXPECT_EQ(status_of([&] { RegistryMetadata(directory_ / "x", {test_key(1).public_key()}, 2); }), QUERN_UNTRUSTED);
  EXPECT_EQ(status_of([&] { RegistryMetadata(directory_ / "x", {test_key(1).public_key()}, 0); }), QUERN_UNTRUSTED);
  const PublicKey key = test_key(1).public_key();
  EXPECT_EQ(status_of([&] { RegistryMetadata(directory_ / "x", {key, key}, 2); }), QUERN_UNTRUSTED);
}

// --- arbitrary install ---

TEST_F(RegistryMetadataTest, ArbitraryInstallByAStranger) {
  for (const char *which : {"root", "timestamp", "snapshot"}) {
    SimulatedRegistry fresh;
    registry_.files = fresh.files;
    const std::string name = which;
    const std::vector<SecretKey> stranger{test_key(66)};
    if (name == "root") registry_.put("root/1.json", fresh.files["root/1.json"], Role::kRoot, stranger);
    if (name == "timestamp") registry_.put(kTimestampPath, fresh.files[kTimestampPath], Role::kTimestamp, stranger);
    if (name == "snapshot") registry_.put("snapshot/1.json", fresh.files["snapshot/1.json"], Role::kSnapshot, stranger);
    EXPECT_EQ(status(), QUERN_UNTRUSTED) << which;
  }
}

TEST_F(RegistryMetadataTest, ArbitraryInstallWithoutSignatures) {
  for (const char *path : {"root/1.json.sig", "timestamp.json.sig", "snapshot/1.json.sig"}) {
    SimulatedRegistry fresh;
    registry_.files = fresh.files;
    registry_.files.erase(path);
    EXPECT_EQ(status(), QUERN_UNTRUSTED) << path;
    registry_.files[path] = "";
    EXPECT_EQ(status(), QUERN_UNTRUSTED) << path;
  }
}

TEST_F(RegistryMetadataTest, WrongRole) {
  // The right key, and a signature that it made over these bytes as something else.
  registry_.root.timestamp = registry_.root.snapshot = test_keys({test_key(2)});
  registry_.timestamp_keys = registry_.snapshot_keys = {test_key(2)};
  registry_.sign_root();
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  registry_.put(kTimestampPath, registry_.files[kTimestampPath], Role::kSnapshot, {test_key(2)});
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  const std::string snapshot = registry_.files[snapshot_path(registry_.snapshot.version)];
  registry_.put(kTimestampPath, snapshot, Role::kSnapshot, {test_key(2)});
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  // Even signed for the role, a document of another is none.
  registry_.put(kTimestampPath, snapshot, Role::kTimestamp, {test_key(2)});
  EXPECT_EQ(status(), QUERN_CORRUPT);
}

TEST_F(RegistryMetadataTest, SignatureOverTheSameJsonInOtherBytes) {
  std::string spaced = registry_.files[kTimestampPath];
  spaced.insert(1, " ");
  registry_.files[kTimestampPath] = spaced;
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
}

// --- thresholds and keys ---

TEST_F(RegistryMetadataTest, Threshold) {
  const std::vector<SecretKey> both{test_key(2), test_key(22)};
  registry_.root.timestamp = test_keys(both, 2);
  registry_.sign_root();
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  // The same key twice, in two valid signatures, counts once.
  registry_.timestamp_keys = {test_key(2), test_key(2)};
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  // A stranger does not make up for the second.
  registry_.timestamp_keys = {test_key(2), test_key(66)};
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  // A stranger's signature under the second key's id neither.
  auto forged = *parse_signatures(registry_.files["timestamp.json.sig"]);
  forged[1].key_id = test_key(22).public_key().id();
  registry_.files["timestamp.json.sig"] = write_signatures(forged);
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  registry_.timestamp_keys = both;
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_OK);
}

TEST_F(RegistryMetadataTest, ConfiguredThresholdOfTheFirstRoot) {
  const std::vector<PublicKey> keys{test_key(1).public_key(), test_key(11).public_key()};
  const auto strict = [&] { RegistryMetadata(directory_ / "two", keys, 2).releases(registry_, kId); };
  EXPECT_EQ(status_of(strict), QUERN_UNTRUSTED);
  registry_.sign_root({test_key(11)});
  EXPECT_EQ(status_of(strict), QUERN_OK);
}

TEST_F(RegistryMetadataTest, RootThatItsOwnKeysDidNotSign) {
  registry_.root.root = test_keys({test_key(1), test_key(11)}, 2);
  registry_.sign_root();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
}

TEST_F(RegistryMetadataTest, RotationOfEveryKey) {
  EXPECT_EQ(status(), QUERN_OK);
  const std::vector<SecretKey> old_keys = registry_.root_keys;
  registry_.root.version = 2;
  registry_.root_keys = {test_key(12)};
  registry_.timestamp_keys = {test_key(13)};
  registry_.snapshot_keys = {test_key(14)};
  registry_.root.root = test_keys(registry_.root_keys);
  registry_.root.timestamp = test_keys(registry_.timestamp_keys);
  registry_.root.snapshot = test_keys(registry_.snapshot_keys);
  registry_.sign();
  registry_.sign_root();  // by the new key alone
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  registry_.put(root_path(2), write_root(registry_.root), Role::kRoot, old_keys);  // by the old key alone
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  registry_.sign_root(old_keys);
  EXPECT_EQ(status(), QUERN_OK);
  // Whoever has only the old keys is nobody now.
  registry_.timestamp_keys = {test_key(2)};
  ++registry_.timestamp.version;
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
}

TEST_F(RegistryMetadataTest, KeysConfiguredAfterARotationFindTheirRoot) {
  const std::vector<SecretKey> old_keys = registry_.root_keys;
  registry_.root.version = 2;
  registry_.root_keys = {test_key(12)};
  registry_.root.root = test_keys(registry_.root_keys);
  registry_.sign_root(old_keys);
  RegistryMetadata metadata(directory_ / "new", {test_key(12).public_key()}, 1, [&] { return now_; });
  EXPECT_EQ(metadata.releases(registry_, kId).size(), 1u);
}

TEST_F(RegistryMetadataTest, OtherConfiguredKeysForgetWhatTheOldOnesBroughtIn) {
  EXPECT_EQ(status(), QUERN_OK);
  SimulatedRegistry other;
  other.root_keys = {test_key(31)};
  other.root.root = test_keys(other.root_keys);
  other.sign_root();
  RegistryMetadata metadata(directory_ / "main", {test_key(31).public_key()}, 1, [&] { return now_; });
  EXPECT_EQ(status_of([&] { metadata.cached_releases(kId); }), QUERN_OFFLINE);
  EXPECT_EQ(status_of([&] { metadata.releases(registry_, kId); }), QUERN_UNTRUSTED);
  EXPECT_EQ(metadata.releases(other, kId).size(), 1u);
  EXPECT_EQ(metadata.problem(), "");
}

TEST_F(RegistryMetadataTest, RootMayNotSkipOrRepeatAVersion) {
  EXPECT_EQ(status(), QUERN_OK);
  for (const int64_t version : {1, 3}) {
    registry_.root.version = version;
    registry_.put("root/2.json", write_root(registry_.root), Role::kRoot, registry_.root_keys);
    EXPECT_EQ(status(), QUERN_UNTRUSTED) << version;
  }
}

TEST_F(RegistryMetadataTest, ALongChainOfRootsIsFollowedAndAnEndlessOneIsNot) {
  registry_.root.expires = 1;  // those in between may have expired
  for (int version = 2; version <= 256; ++version) {
    registry_.root.version = version;
    if (version == 256) registry_.root.expires = kTestNow + kTestDay;
    registry_.sign_root();
  }
  EXPECT_EQ(status(), QUERN_OK);
  for (int version = 257; version <= 256 + 257; ++version) {
    registry_.root.version = version;
    registry_.sign_root();
  }
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  EXPECT_NE(message().find("more than 256 new roots"), std::string::npos) << message();
}

// --- rollback ---

TEST_F(RegistryMetadataTest, RollbackOfTheTimestamp) {
  const auto old_files = registry_.files;
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  registry_.files[kTimestampPath] = old_files.at(kTimestampPath);
  registry_.files["timestamp.json.sig"] = old_files.at("timestamp.json.sig");
  EXPECT_EQ(status(), QUERN_OUTDATED);
  EXPECT_NE(message().find("has version 1 and version 2 was seen before"), std::string::npos) << message();
}

TEST_F(RegistryMetadataTest, RollbackOfTheSnapshot) {
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  ++registry_.timestamp.version;
  registry_.snapshot.version = 1;
  registry_.sign_snapshot();
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_OUTDATED);
}

TEST_F(RegistryMetadataTest, RollbackOfAnIndex) {
  registry_.releases[kId].push_back(test_release(kId, 1, 2));
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  registry_.snapshot.packages[kId].version = 1;
  ++registry_.snapshot.version;
  registry_.sign_snapshot();
  ++registry_.timestamp.version;
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_OUTDATED);
}

TEST_F(RegistryMetadataTest, RollbackByLeavingAPackageOut) {
  registry_.releases["acme/other"] = {test_release("acme/other", 1, 1)};
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  registry_.releases.erase("acme/other");
  registry_.snapshot.packages.erase("acme/other");
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OUTDATED);
}

TEST_F(RegistryMetadataTest, RollbackOfTheRootCannotBe) {
  registry_.root.version = 2;
  registry_.root.timestamp = test_keys({test_key(13)});
  registry_.timestamp_keys = {test_key(13)};
  registry_.sign_root();
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  registry_.files.erase("root/2.json");  // the old root is served alone, and a timestamp of its keys
  registry_.timestamp_keys = {test_key(2)};
  registry_.timestamp.version = 9;
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
}

TEST_F(RegistryMetadataTest, EqualVersionWithOtherContents) {
  EXPECT_EQ(status(), QUERN_OK);
  registry_.timestamp.expires += 60;
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  ++registry_.timestamp.version;  // the timestamp is newer, the snapshot is another under its old number
  registry_.snapshot.expires += 60;
  registry_.sign_snapshot();
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  ++registry_.snapshot.version;  // and an index
  registry_.snapshot.packages[kId].sha256 = test_digest("other");
  registry_.sign_snapshot();
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
}

TEST_F(RegistryMetadataTest, ReleasesAreNeverChangedOrTakenAway) {
  registry_.releases[kId].push_back(test_release(kId, 1, 2));
  registry_.releases[kId][1].revoked = "wrong results";
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  const std::vector<Release> before = registry_.releases[kId];
  const auto try_with = [&](std::vector<Release> releases) {
    registry_.releases[kId] = std::move(releases);
    registry_.sign();
    return status();
  };
  EXPECT_EQ(try_with({before[1]}), QUERN_UNTRUSTED);
  auto changed = before;
  changed[0].manifest = test_digest("other");
  EXPECT_EQ(try_with(changed), QUERN_UNTRUSTED);
  changed = before;
  changed[1].revoked = "";
  EXPECT_EQ(try_with(changed), QUERN_UNTRUSTED);
  changed = before;
  changed[0].yanked = true;
  changed.push_back(test_release(kId, 2, 1));
  EXPECT_EQ(try_with(changed), QUERN_OK);
}

// --- freeze ---

TEST_F(RegistryMetadataTest, FreezeEndsWhenTheTimestampExpires) {
  EXPECT_EQ(status(), QUERN_OK);
  now_ = registry_.timestamp.expires - 1;
  EXPECT_EQ(status(), QUERN_OK);
  now_ = registry_.timestamp.expires;
  EXPECT_EQ(status(), QUERN_OUTDATED);
  EXPECT_EQ(message(),
            "main/timestamp.json expired at 2026-11-30T08:00:00Z and it is 2026-11-30T08:00:00Z; ask who runs the "
            "registry to sign it again, or correct this machine's clock");
}

TEST_F(RegistryMetadataTest, FreezeOfTheSnapshotAndOfTheRoot) {
  registry_.snapshot.expires = kTestNow;
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OUTDATED);
  registry_.snapshot.expires = kTestNow + 1;
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  registry_.root.version = 2;
  registry_.root.expires = kTestNow;
  registry_.sign_root();
  EXPECT_EQ(status(), QUERN_OUTDATED);
}

TEST_F(RegistryMetadataTest, FreezeOffline) {
  EXPECT_EQ(status_of([&] { reader().cached_releases(kId); }), QUERN_OFFLINE);
  EXPECT_TRUE(reader().known_releases(kId).empty());
  EXPECT_EQ(status(), QUERN_OK);
  for (const int days : {0, 1, 6}) {
    now_ = kTestNow + days * kTestDay;
    EXPECT_EQ(reader().cached_releases(kId), registry_.releases[kId]) << days;
  }
  for (const int days : {7, 8, 400}) {  // nothing new is chosen, and what was pinned is still known
    now_ = kTestNow + days * kTestDay;
    EXPECT_EQ(status_of([&] { reader().cached_releases(kId); }), QUERN_OUTDATED) << days;
    EXPECT_EQ(reader().known_releases(kId), registry_.releases[kId]) << days;
  }
}

TEST_F(RegistryMetadataTest, OfflineTheLastIndexOfAPackageServes) {
  registry_.releases["acme/other"] = {test_release("acme/other", 1, 1)};
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  const std::vector<Release> seen = registry_.releases[kId];
  registry_.releases[kId].push_back(test_release(kId, 1, 2));
  registry_.sign();
  reader().releases(registry_, "acme/other");  // the snapshot is newer, this package was not asked for
  EXPECT_EQ(reader().cached_releases(kId), seen);
  EXPECT_EQ(read(), registry_.releases[kId]);
  EXPECT_EQ(reader().cached_releases(kId), registry_.releases[kId]);
}

// --- clocks (T30) ---

TEST_F(RegistryMetadataTest, AClockThatGoesBackMakesNothingFresh) {
  now_ = registry_.timestamp.expires - 3600;
  EXPECT_EQ(status(), QUERN_OK);
  for (const int64_t wrong : {INT64_C(0), kTestNow - 3650 * kTestDay, kTestNow}) {
    now_ = wrong;
    EXPECT_EQ(status(), QUERN_OK) << wrong;
    registry_.timestamp.expires = kTestNow + 6 * kTestDay;  // expired when the registry was last seen
    ++registry_.timestamp.version;
    registry_.sign_timestamp();
    EXPECT_EQ(status(), QUERN_OUTDATED) << wrong;
    registry_.timestamp.expires = kTestNow + 7 * kTestDay;
    ++registry_.timestamp.version;
    registry_.sign_timestamp();
  }
}

TEST_F(RegistryMetadataTest, AMachineWithoutAClockTakesThePresentToBeNoEarlierThanThisSource) {
  now_ = 0;
  registry_.timestamp.expires = kEarliestNow;
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_OUTDATED);
  registry_.timestamp.expires = kEarliestNow + 1;
  ++registry_.timestamp.version;
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_OK);
}

TEST_F(RegistryMetadataTest, AClockThatRanAheadLeavesNoHarm) {
  EXPECT_EQ(status(), QUERN_OK);
  now_ = kTestNow + 3650 * kTestDay;
  EXPECT_EQ(status(), QUERN_OUTDATED);
  now_ = kTestNow + 1;
  EXPECT_EQ(status(), QUERN_OK);
}

// --- fast-forward ---

TEST_F(RegistryMetadataTest, FastForwardAndRecoveryByRotation) {
  const int64_t honest_timestamp = registry_.timestamp.version, honest_snapshot = registry_.snapshot.version;
  EXPECT_EQ(status(), QUERN_OK);
  registry_.timestamp.version = registry_.snapshot.version = INT64_C(1) << 32;
  registry_.releases[kId].push_back(test_release(kId, 1, 1000));
  registry_.snapshot.packages[kId].version = 1 << 20;
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  // The owner is back, with the versions of before.
  registry_.releases[kId].pop_back();
  registry_.snapshot.packages[kId] = {};
  registry_.snapshot.version = honest_snapshot;
  registry_.timestamp.version = honest_timestamp;
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OUTDATED);
  registry_.root.version = 2;
  registry_.timestamp_keys = {test_key(13)};
  registry_.snapshot_keys = {test_key(14)};
  registry_.root.timestamp = test_keys(registry_.timestamp_keys);
  registry_.root.snapshot = test_keys(registry_.snapshot_keys);
  registry_.sign_root();
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK) << message();
  EXPECT_EQ(read(), registry_.releases[kId]);
  EXPECT_EQ(reader().cached_releases(kId), registry_.releases[kId]);
}

TEST_F(RegistryMetadataTest, FastForwardOfTheSnapshotAloneAndRecovery) {
  registry_.snapshot.version = INT64_C(1) << 32;
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  registry_.root.version = 2;
  registry_.snapshot_keys = {test_key(14)};
  registry_.root.snapshot = test_keys(registry_.snapshot_keys);
  registry_.sign_root();
  registry_.snapshot.version = 1;
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK) << message();
}

// --- endless data, mix and match ---

TEST_F(RegistryMetadataTest, EndlessData) {
  for (const char *path : {"root/1.json", "root/1.json.sig", "timestamp.json", "timestamp.json.sig", "snapshot/1.json",
                           "snapshot/1.json.sig", "index/acme/gemm/1.jsonl"}) {
    SimulatedRegistry fresh;
    registry_.files = fresh.files;
    registry_.files[path].append(3 << 20, ' ');
    EXPECT_EQ(status(), QUERN_CORRUPT) << path;
  }
}

TEST_F(RegistryMetadataTest, MixAndMatch) {
  const auto old_files = registry_.files;
  registry_.releases[kId].push_back(test_release(kId, 1, 2));
  registry_.releases["acme/other"] = {test_release("acme/other", 1, 1)};
  registry_.sign();
  const auto files = registry_.files;
  registry_.files["snapshot/2.json"] = old_files.at("snapshot/1.json");
  registry_.files["snapshot/2.json.sig"] = old_files.at("snapshot/1.json.sig");
  EXPECT_EQ(status(), QUERN_CORRUPT);
  registry_.files = files;
  registry_.files["index/acme/gemm/2.jsonl"] = old_files.at("index/acme/gemm/1.jsonl");
  EXPECT_EQ(status(), QUERN_CORRUPT);
  registry_.files["index/acme/gemm/2.jsonl"] = files.at("index/acme/other/1.jsonl");
  EXPECT_EQ(status(), QUERN_CORRUPT);
  // Signed for, and yet another package's.
  registry_.files = files;
  registry_.releases[kId] = registry_.releases["acme/other"];
  registry_.sign();
  EXPECT_EQ(status(), QUERN_CORRUPT);
  EXPECT_NE(message().find("tells of acme/other and not of acme/gemm"), std::string::npos) << message();
}

TEST_F(RegistryMetadataTest, FilesThatAreNamedAndMissing) {
  for (const char *path : {"timestamp.json", "snapshot/1.json", "index/acme/gemm/1.jsonl"}) {
    SimulatedRegistry fresh;
    registry_.files = fresh.files;
    registry_.files.erase(path);
    EXPECT_EQ(status(), QUERN_CORRUPT) << path;
  }
}

TEST_F(RegistryMetadataTest, SnapshotUnderAnotherNumber) {
  registry_.timestamp.snapshot.version = 7;
  registry_.files["snapshot/7.json"] = registry_.files["snapshot/1.json"];
  registry_.files["snapshot/7.json.sig"] = registry_.files["snapshot/1.json.sig"];
  registry_.sign_timestamp();
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
}

// --- T14: wrong content of the right size ---

TEST_F(RegistryMetadataTest, NoFlippedBitIsAccepted) {
  // The directory cannot be made, so that nothing is remembered from one try to the next.
  const auto look = [&] {
    return RegistryMetadata("/dev/null/x", {test_key(1).public_key()}, 1, [&] { return now_; })
        .releases(registry_, kId);
  };
  EXPECT_EQ(look().size(), 1u);
  int tried = 0;
  const auto files = registry_.files;
  for (const auto &[path, file] : files) {
    for (size_t bit = 0; bit < file.size() * 8; ++bit) {
      std::string &served = registry_.files[path];
      served[bit / 8] = static_cast<char>(served[bit / 8] ^ (1 << bit % 8));
      const quern_status status = status_of(look);
      EXPECT_TRUE(status == QUERN_UNTRUSTED || status == QUERN_CORRUPT) << path << " bit " << bit << ": " << status;
      served = file;
      ++tried;
    }
  }
  EXPECT_GT(tried, 15000);
}

TEST_F(RegistryMetadataTest, NoBeginningOfAFileIsAccepted) {
  const auto look = [&] {
    return RegistryMetadata("/dev/null/x", {test_key(1).public_key()}, 1, [&] { return now_; })
        .releases(registry_, kId);
  };
  const auto files = registry_.files;
  for (const auto &[path, file] : files) {
    for (size_t size = 0; size < file.size(); ++size) {
      registry_.files[path] = file.substr(0, size);
      const quern_status status = status_of(look);
      EXPECT_TRUE(status == QUERN_UNTRUSTED || status == QUERN_CORRUPT) << path << " of " << size << ": " << status;
    }
    registry_.files[path] = file;
  }
}

// --- what is kept ---

TEST_F(RegistryMetadataTest, DamageOfWhatIsKeptNeitherHarmsNorDeceives) {
  EXPECT_EQ(status(), QUERN_OK);
  std::vector<std::filesystem::path> kept;
  for (const auto &item : std::filesystem::recursive_directory_iterator(directory_ / "main")) {
    if (item.is_regular_file() && item.file_size() > 0) kept.push_back(item.path());
  }
  EXPECT_EQ(kept.size(), 8u);  // three documents with signatures, state.json, an index
  for (const auto &path : kept) {
    const std::string good = text_of(path);
    for (size_t bit = 0; bit < good.size() * 8; bit += 61) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      write_text(path, bad);
      const std::vector<Release> known = reader().known_releases(kId);
      EXPECT_TRUE(known.empty() || known == registry_.releases[kId]) << path << " bit " << bit;
      EXPECT_EQ(read(), registry_.releases[kId]) << path << " bit " << bit;
      EXPECT_EQ(reader().cached_releases(kId), registry_.releases[kId]) << path << " bit " << bit;
    }
  }
}

TEST_F(RegistryMetadataTest, ADirectoryThatCannotBeWrittenIsSaid) {
  RegistryMetadata metadata("/dev/null/x", {test_key(1).public_key()}, 1, [&] { return now_; });
  EXPECT_EQ(metadata.releases(registry_, kId).size(), 1u);
  EXPECT_NE(metadata.problem().find("not kept"), std::string::npos) << metadata.problem();
  EXPECT_EQ(metadata.problem().find('\n'), std::string::npos);
  // This object remembers all the same.
  registry_.sign();
  EXPECT_EQ(metadata.releases(registry_, kId).size(), 1u);
  registry_.timestamp.version = 1;
  registry_.sign_timestamp();
  EXPECT_EQ(status_of([&] { metadata.releases(registry_, kId); }), QUERN_OUTDATED);
}

TEST_F(RegistryMetadataTest, AWriterThatDiedBetweenTwoFilesLosesNothing) {
  EXPECT_EQ(status(), QUERN_OK);
  const auto state = [&] {
    std::map<std::string, std::string> files;
    for (const auto &item : std::filesystem::directory_iterator(directory_ / "main")) {
      if (item.is_regular_file()) files[item.path().filename()] = text_of(item.path());
    }
    return files;
  };
  const auto before = state();
  registry_.releases[kId].push_back(test_release(kId, 1, 2));
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  const auto after = state();
  // Every state between: the joint signatures first, then the document, then its own signatures.
  std::map<std::string, std::string> now = before;
  const auto check = [&](const std::string &where) {
    for (const auto &[name, bytes] : now) write_text(directory_ / "main" / name, bytes);
    SimulatedRegistry old;  // the older state, served again
    const bool forgot = reader().known_releases(kId).empty();
    EXPECT_FALSE(forgot) << where;
    EXPECT_EQ(status_of([&] { reader().cached_releases(kId); }), QUERN_OK) << where;
  };
  for (const std::string name : {"snapshot.json", "timestamp.json"}) {
    now[name + ".sig"] = after.at(name + ".sig") + before.at(name + ".sig");
    check(name + ".sig joined");
    now[name] = after.at(name);
    check(name);
    now[name + ".sig"] = after.at(name + ".sig");
    check(name + ".sig");
  }
}

TEST_F(RegistryMetadataTest, LeftoversOfDeadWritersGo) {
  EXPECT_EQ(status(), QUERN_OK);
  write_text(directory_ / "main" / "123.456.tmp", "half");
  registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "main" / "123.456.tmp"));
}

TEST_F(RegistryMetadataTest, SeveralProcessesAtOnceEndAtTheNewest) {
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      SimulatedRegistry registry;  // its own view: some see an older state
      for (int step = 0; step <= i; ++step) registry.sign();
      int bad = 0;
      for (int round = 0; round < 10; ++round) {
        const quern_status status = status_of([&] { reader().releases(registry, kId); });
        if (status != QUERN_OK && status != QUERN_OUTDATED) ++bad;
        if (i == 5 && status != QUERN_OK) ++bad;
      }
      ::_exit(bad);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int result = -1;
    ASSERT_EQ(::waitpid(child, &result, 0), child);
    EXPECT_EQ(result, 0);
  }
  EXPECT_EQ(status(), QUERN_OUTDATED);  // ours is the oldest
  for (int step = 0; step <= 5; ++step) registry_.sign();
  EXPECT_EQ(status(), QUERN_OK);
}

TEST_F(RegistryMetadataTest, AReaderBesideAWriterAlwaysFindsSomething) {
  EXPECT_EQ(status(), QUERN_OK);
  const pid_t child = ::fork();
  if (child == 0) {
    for (int build = 2; build < 60; ++build) {
      registry_.releases[kId].push_back(test_release(kId, 1, build));
      registry_.sign();
      if (status() != QUERN_OK) ::_exit(1);
    }
    ::_exit(0);
  }
  size_t most = 0;
  int result = 0;
  while (::waitpid(child, &result, WNOHANG) == 0) {
    EXPECT_EQ(status_of([&] {
                const size_t count = reader().cached_releases(kId).size();
                EXPECT_GE(count, std::max<size_t>(most, 1));
                most = std::max(most, count);
              }),
              QUERN_OK);
  }
  EXPECT_EQ(result, 0);
  EXPECT_EQ(reader().cached_releases(kId).size(), 59u);
}

TEST_F(RegistryMetadataTest, LinesOfALaterSchemaArePassedOverAndCounted) {
  std::string file = registry_.files["index/acme/gemm/1.jsonl"];
  file = "{\"schema\":2,\"what\":[1.5]}\n" + file + "{\"schema\":3}\n";
  registry_.snapshot.packages[kId] = {2, test_digest(file), static_cast<int64_t>(file.size())};
  registry_.files["index/acme/gemm/2.jsonl"] = file;
  ++registry_.snapshot.version;
  registry_.sign_snapshot();
  registry_.sign_timestamp();
  RegistryMetadata metadata = reader();
  EXPECT_EQ(metadata.releases(registry_, kId).size(), 1u);
  EXPECT_EQ(metadata.lines_passed_over(), 2);
}

}  // namespace
}  // namespace quern
