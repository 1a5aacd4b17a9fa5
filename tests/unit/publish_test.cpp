#include "registry/publish/publish.hpp"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/fetch/registry_metadata.hpp"
#include "registry/package/published_package.hpp"
#include "simulated_registry.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

// A registry's directory, read as a client reads it.
class DirectorySource : public PackageSource {
 public:
  explicit DirectorySource(fs::path path) : path_(std::move(path)) {}
  std::string name() const override { return "main"; }
  std::optional<std::string> metadata(const std::string &path, size_t) override {
    if (!fs::exists(path_ / path)) return std::nullopt;
    return text_of(path_ / path);
  }
  std::string blob(const std::string &sha256, size_t) override { return text_of(path_ / blob_path(sha256)); }

 private:
  fs::path path_;
};

std::map<std::string, std::string> files_of(const fs::path &directory) {
  std::map<std::string, std::string> files;
  for (const auto &item : fs::recursive_directory_iterator(directory)) {
    const std::string path = item.path().lexically_relative(directory).string();
    if (item.is_regular_file() && path[0] != '.') files[path] = text_of(item.path());
  }
  return files;
}

class PublishTest : public ::testing::Test {
 protected:
  PublishTest() {
    options_.now = [this] { return now_; };
  }

  PackedPackage package(int build, const std::string &source = "// one\n", int version = 1) {
    nlohmann::json manifest = gemm_manifest("acme/gemm", {gemm_variant("a")});
    manifest["version"] = version;
    manifest["build"] = build;
    return pack(write_package(work_ / "package", manifest, source));
  }
  bool publish_build(int build, const std::string &source = "// one\n") {
    const PackedPackage packed = package(build, source);
    return publish(registry_, packed, sign_file(Role::kManifest, packed.document, {test_key(5)}), keys_, options_);
  }
  std::vector<Release> read(const std::string &id = "acme/gemm") {
    DirectorySource source(registry_);
    RegistryMetadata metadata(work_ / "trust", {test_key(1).public_key()}, 1, [this] { return now_; });
    return metadata.releases(source, id);
  }

  TemporaryDirectory work_;
  fs::path registry_ = work_ / "registry";
  RegistryKeys keys_{{test_key(1)}, {test_key(2)}, {test_key(3)}};
  PublishOptions options_;
  int64_t now_ = kTestNow;
};

TEST_F(PublishTest, WhatIsPublishedIsRead) {
  EXPECT_TRUE(publish_build(1));
  now_ += 60;
  EXPECT_TRUE(publish_build(2, "// two\n"));
  const std::vector<Release> releases = read();
  ASSERT_EQ(releases.size(), 2u);
  EXPECT_EQ(releases[1].build, 2);
  EXPECT_EQ(releases[1].published, now_);
  EXPECT_EQ(releases[1].min_client, (ClientVersion{0, 1}));
  // Down to the bytes of the files.
  DirectorySource source(registry_);
  const std::string document = source.blob(releases[1].manifest, 0);
  EXPECT_EQ(test_digest(document), releases[1].manifest);
  const Manifest manifest = parse_published_manifest(document, "k");
  require_release(manifest, releases[1], "k");
  EXPECT_EQ(source.blob(manifest.files[0].sha256, 0), "// two\n");
  const std::string signatures = source.blob(releases[1].signatures.sha256, 0);
  EXPECT_TRUE(is_signed(document, signatures, Role::kManifest, test_keys({test_key(5)})));
}

TEST_F(PublishTest, TheFilesOfANewRegistryArePinned) {
  create_registry(registry_, keys_, options_);
  const auto files = files_of(registry_);
  std::vector<std::string> names;
  for (const auto &[name, file] : files) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"root/1.json", "root/1.json.sig", "snapshot/1.json", "snapshot/1.json.sig",
                                             "timestamp.json", "timestamp.json.sig"}));
  EXPECT_EQ(
      files.at("snapshot/1.json"),
      "{\"schema\":1,\"role\":\"snapshot\",\"version\":1,\"expires\":\"2027-02-21T08:00:00Z\",\"packages\":{}}\n");
  EXPECT_EQ(files.at("timestamp.json"),
            "{\"schema\":1,\"role\":\"timestamp\",\"version\":1,\"expires\":\"2026-11-30T08:00:00Z\",\"snapshot\":"
            "{\"version\":1,\"sha256\":\"" +
                test_digest(files.at("snapshot/1.json")) +
                "\",\"size\":" + std::to_string(files.at("snapshot/1.json").size()) + "}}\n");
  EXPECT_EQ(status_of([&] { create_registry(registry_, keys_, options_); }), QUERN_INVALID_ARGUMENT);
  for (const auto &item : fs::recursive_directory_iterator(registry_)) {
    if (item.is_regular_file() && item.path().extension() != ".lock" && item.path().filename() != "lock") {
      EXPECT_EQ(item.status().permissions(), fs::perms(0644)) << item.path();
    }
  }
}

TEST_F(PublishTest, TheSameReleaseAgainChangesNothing) {
  publish_build(1);
  const auto before = files_of(registry_);
  now_ += 60;
  EXPECT_FALSE(publish_build(1));
  EXPECT_EQ(files_of(registry_), before);
}

TEST_F(PublishTest, ABuildIsNeverReplaced) {
  publish_build(1);
  const auto before = files_of(registry_);
  EXPECT_EQ(message_of([&] { publish_build(1, "// other\n"); }),
            "acme/gemm version 1 build 1 is published with other contents; raise build");
  EXPECT_EQ(files_of(registry_), before);
}

TEST_F(PublishTest, YankAndRevoke) {
  publish_build(1);
  publish_build(2, "// two\n");
  read();
  yank(registry_, "acme/gemm", 1, 2, true, keys_, options_);
  EXPECT_EQ(choose_version(read(), 1).release->build, 1);
  yank(registry_, "acme/gemm", 1, 2, false, keys_, options_);
  EXPECT_EQ(choose_version(read(), 1).release->build, 2);
  revoke(registry_, "acme/gemm", 1, 2, "wrong results", keys_, options_);
  EXPECT_EQ(choose_version(read(), 1).release->build, 1);
  EXPECT_FALSE(choose_manifest(read(), read()[1].manifest).release);
  EXPECT_EQ(status_of([&] { yank(registry_, "acme/gemm", 1, 3, true, keys_, options_); }), QUERN_NOT_FOUND);
  EXPECT_EQ(status_of([&] { yank(registry_, "acme/none", 1, 1, true, keys_, options_); }), QUERN_NOT_FOUND);
  EXPECT_EQ(status_of([&] { revoke(registry_, "acme/gemm", 1, 1, "", keys_, options_); }), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([&] { revoke(registry_, "acme/gemm", 1, 1, "a\nb", keys_, options_); }), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(read().size(), 2u);
}

TEST_F(PublishTest, RenewKeepsARegistryFresh) {
  publish_build(1);
  now_ += 8 * kTestDay;
  EXPECT_EQ(status_of([&] { read(); }), QUERN_OUTDATED);
  renew(registry_, keys_, options_);
  EXPECT_EQ(read().size(), 1u);
  now_ += 400 * kTestDay;
  EXPECT_EQ(status_of([&] { renew(registry_, keys_, options_); }), QUERN_OUTDATED);  // the root has expired too
}

TEST_F(PublishTest, NeedsTheKeysOfTheRegistry) {
  publish_build(1);
  const auto before = files_of(registry_);
  for (const RegistryKeys &keys :
       {RegistryKeys{{test_key(1)}, {test_key(66)}, {test_key(3)}}, RegistryKeys{{test_key(1)}, {test_key(2)}, {}},
        RegistryKeys{{test_key(1)}, {test_key(3)}, {test_key(2)}}, RegistryKeys{}}) {
    EXPECT_EQ(status_of([&] { publish(registry_, package(2), "", keys, options_); }), QUERN_UNTRUSTED);
    EXPECT_EQ(files_of(registry_), before);
  }
  EXPECT_EQ(status_of([&] { publish(registry_, package(2), "no signature", keys_, options_); }),
            QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([&] { publish(work_ / "new", package(2), "", RegistryKeys{}, options_); }),
            QUERN_INVALID_ARGUMENT);
}

TEST_F(PublishTest, WhatOthersChangedIsNotSignedAgain) {
  publish_build(1);
  const auto files = files_of(registry_);
  for (const char *path :
       {"timestamp.json", "timestamp.json.sig", "snapshot/2.json", "snapshot/2.json.sig", "index/acme/gemm/1.jsonl"}) {
    std::string changed = files.at(path);
    changed[2] ^= 1;  // of a .sig: the newest signature
    write_text(registry_ / path, changed);
    EXPECT_EQ(status_of([&] { publish_build(2, "// two\n"); }), QUERN_UNTRUSTED) << path;
    write_text(registry_ / path, files.at(path));
  }
  EXPECT_TRUE(publish_build(2, "// two\n"));
}

TEST_F(PublishTest, RotationThatReadersDoNotNotice) {
  publish_build(1);
  read();
  RootDocument next;
  next.root = test_keys({test_key(11)});
  next.timestamp = test_keys({test_key(12)});
  next.snapshot = test_keys({test_key(13)});
  const NextRoot to_next = [&](const RootDocument &) { return next; };
  const RegistryKeys old_only = keys_;
  EXPECT_EQ(status_of([&] { rotate_root(registry_, to_next, old_only, options_); }), QUERN_UNTRUSTED);
  keys_ = {{test_key(1), test_key(11)}, {test_key(2), test_key(12)}, {test_key(3), test_key(13)}};
  const auto before = files_of(registry_);
  rotate_root(registry_, to_next, keys_, options_);
  EXPECT_EQ(read().size(), 1u);
  // The moment before the new root was there.
  const std::string root = text_of(registry_ / "root/2.json");
  fs::remove(registry_ / "root/2.json");
  fs::remove_all(work_ / "trust");
  EXPECT_EQ(read().size(), 1u);
  write_text(registry_ / "root/2.json", root);
  keys_ = {{test_key(11)}, {test_key(12)}, {test_key(13)}};
  EXPECT_TRUE(publish_build(2, "// two\n"));
  EXPECT_EQ(read().size(), 2u);
  EXPECT_EQ(status_of([&] { publish(registry_, package(3), "", old_only, options_); }), QUERN_UNTRUSTED);
}

TEST_F(PublishTest, AReaderThatMeetsAChangeGetsOneStateOrTheOther) {
  publish_build(1);
  const auto before = files_of(registry_);
  publish_build(2, "// two\n");
  const auto after = files_of(registry_);
  // timestamp.json of before with the .sig of after, as a slow reader sees it.
  write_text(registry_ / "timestamp.json", before.at("timestamp.json"));
  EXPECT_EQ(read().size(), 1u);
  write_text(registry_ / "timestamp.json", after.at("timestamp.json"));
  EXPECT_EQ(read().size(), 2u);
}

TEST_F(PublishTest, AKilledPublisherLeavesAGoodRegistry) {
  publish_build(1);
  int finished = 0;
  for (int round = 0; round < 40; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        publish_build(round + 2, text("// ", round, "\n"));
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(round * 400));
    ::kill(child, SIGKILL);
    int result = 0;
    ASSERT_EQ(::waitpid(child, &result, 0), child);
    finished += WIFEXITED(result) && WEXITSTATUS(result) == 0 ? 1 : 0;
    const std::vector<Release> releases = read();
    EXPECT_GE(releases.size(), static_cast<size_t>(finished + 1));
    DirectorySource source(registry_);
    for (const Release &release : releases) EXPECT_EQ(test_digest(source.blob(release.manifest, 0)), release.manifest);
  }
  EXPECT_TRUE(publish_build(1000));
  EXPECT_EQ(read().back().build, 1000);
}

TEST_F(PublishTest, SeveralPublishersAtOnceLoseNothing) {
  publish_build(1);
  std::vector<PackedPackage> packages;
  for (int i = 0; i < 4; ++i) packages.push_back(package(10 + i, text("// ", i, "\n")));
  std::vector<pid_t> children;
  for (const PackedPackage &each : packages) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(status_of([&] { publish(registry_, each, "", keys_, options_); }));
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int result = -1;
    ASSERT_EQ(::waitpid(child, &result, 0), child);
    EXPECT_EQ(result, 0);
  }
  EXPECT_EQ(read().size(), 5u);
}

TEST_F(PublishTest, APackageThatIsNotThereHasNoReleases) {
  publish_build(1);
  EXPECT_TRUE(read("acme/other").empty());
  EXPECT_EQ(status_of([&] { read("../../etc"); }), QUERN_OK);
  EXPECT_TRUE(read("../../etc").empty());
}

}  // namespace
}  // namespace quern
