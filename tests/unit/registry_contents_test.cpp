#include "registry/publish/registry_contents.hpp"

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/publish/publish.hpp"
#include "simulated_registry.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

class RegistryContentsTest : public ::testing::Test {
 protected:
  RegistryContentsTest() {
    options_.now = [] { return kTestNow; };
  }
  void publish_build(const std::string &id, int build) {
    nlohmann::json manifest = gemm_manifest(id, {gemm_variant("a")});
    manifest["build"] = build;
    publish(registry_, pack(write_package(work_ / "package", manifest)), "", keys_, options_);
  }
  quern_status status() {
    return status_of([&] { read_registry(registry_); });
  }

  TemporaryDirectory work_;
  fs::path registry_ = work_ / "registry";
  RegistryKeys keys_{{test_key(1)}, {test_key(2)}, {test_key(3)}};
  PublishOptions options_;
};

TEST_F(RegistryContentsTest, TellsWhatWasPublished) {
  publish_build("acme/gemm", 1);
  publish_build("acme/gemm", 2);
  publish_build("acme/add", 1);
  yank(registry_, "acme/gemm", 1, 1, true, keys_, options_);
  const RegistryContents contents = read_registry(registry_);
  ASSERT_EQ(contents.releases.size(), 3u);
  EXPECT_EQ(contents.releases[0].id, "acme/add");
  EXPECT_TRUE(contents.releases[1].yanked);
  EXPECT_EQ(contents.releases[2].build, 2);
  EXPECT_EQ(contents.root.root, test_keys({test_key(1)}));
  EXPECT_EQ(contents.timestamp.expires, kTestNow + 7 * kTestDay);
  EXPECT_EQ(contents.snapshot.version, contents.timestamp.snapshot.version);
}

TEST_F(RegistryContentsTest, WritesNothing) {
  EXPECT_EQ(status(), QUERN_NOT_FOUND);
  EXPECT_FALSE(fs::exists(registry_));
  fs::create_directory(registry_);
  EXPECT_EQ(status(), QUERN_NOT_FOUND);
  EXPECT_TRUE(fs::is_empty(registry_));
  // Nor do changes that come to nothing.
  EXPECT_EQ(status_of([&] { renew(registry_, keys_, options_); }), QUERN_NOT_FOUND);
  EXPECT_EQ(status_of([&] { yank(registry_, "acme/gemm", 1, 1, true, keys_, options_); }), QUERN_NOT_FOUND);
  const NextRoot same = [](const RootDocument &present) { return present; };
  EXPECT_EQ(status_of([&] { rotate_root(registry_, same, keys_, options_); }), QUERN_NOT_FOUND);
  EXPECT_EQ(status_of([&] { create_registry(registry_, {}, options_); }), QUERN_INVALID_ARGUMENT);
  const PackedPackage package = pack(write_package(work_ / "package", gemm_manifest("acme/gemm", {gemm_variant("a")})));
  EXPECT_EQ(status_of([&] { publish(registry_, package, "", {}, options_); }), QUERN_INVALID_ARGUMENT);
  EXPECT_TRUE(fs::is_empty(registry_));
}

TEST_F(RegistryContentsTest, FollowsTheChainOfRoots) {
  publish_build("acme/gemm", 1);
  const NextRoot next = [](RootDocument root) {
    root.root = test_keys({test_key(11), test_key(12)}, 2);
    return root;
  };
  keys_.root = {test_key(1), test_key(11), test_key(12)};
  rotate_root(registry_, next, keys_, options_);
  EXPECT_EQ(read_registry(registry_).root.version, 2);
  EXPECT_EQ(read_registry(registry_).root.root.threshold, 2u);
  // Signed by its own keys, not by those of the one before.
  const std::string root = text_of(registry_ / "root/2.json");
  write_text(registry_ / "root/2.json.sig", sign_file(Role::kRoot, root, {test_key(11), test_key(12)}));
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
  write_text(registry_ / "root/2.json.sig", sign_file(Role::kRoot, root, {test_key(1), test_key(11)}));
  EXPECT_EQ(status(), QUERN_UNTRUSTED);
}

TEST_F(RegistryContentsTest, NoticesEveryChange) {
  publish_build("acme/gemm", 1);
  for (const char *path : {"root/1.json", "root/1.json.sig", "timestamp.json", "timestamp.json.sig", "snapshot/2.json",
                           "snapshot/2.json.sig", "index/acme/gemm/1.jsonl"}) {
    const std::string before = text_of(registry_ / path);
    // The second half of the timestamp's .sig is of the timestamp before.
    const size_t size = std::string(path) == "timestamp.json.sig" ? before.size() / 2 : before.size();
    for (const size_t place : {size_t{0}, size / 2, size - 1}) {
      std::string changed = before;
      changed[place] ^= 1;
      write_text(registry_ / path, changed);
      const quern_status got = status();
      EXPECT_TRUE(got == QUERN_UNTRUSTED || got == QUERN_CORRUPT) << path << " " << place << " " << got;
    }
    fs::remove(registry_ / path);
    EXPECT_TRUE(status() == QUERN_CORRUPT || status() == QUERN_NOT_FOUND) << path;
    write_text(registry_ / path, before);
  }
  EXPECT_EQ(status(), QUERN_OK);
}

TEST_F(RegistryContentsTest, FollowsNoLinkOutOfTheRegistry) {
  publish_build("acme/gemm", 1);
  fs::rename(registry_ / "index", work_ / "index");
  fs::create_directory_symlink(work_ / "index", registry_ / "index");
  EXPECT_EQ(status(), QUERN_IO_ERROR);
}

}  // namespace
}  // namespace quern
