#include "registry/fetch/hugging_face_cache.hpp"

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/fetch/hugging_face_source.hpp"
#include "registry/fetch/resolver.hpp"
#include "registry/publish/pack.hpp"
#include "runtime/base/sha256.hpp"
#include "simulated_registry.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

const std::string kCommit(40, 'a'), kOlder(40, 'b');

// A cache as the Hub's tools leave it, with one repository.
struct FakeHub {
  explicit FakeHub(const fs::path &path) : repository(path / "kernels--acme--gemm") {}

  // As a file of the package at a commit, with the blob named as git names it.
  void add(const std::string &commit, const std::string &path, const std::string &bytes) const {
    add_as(commit, path, bytes, git_blob_id(as_bytes(bytes)));
  }
  void add_as(const std::string &commit, const std::string &path, const std::string &bytes,
              const std::string &blob) const {
    write_text(repository / "blobs" / blob, bytes);
    std::string up = "../../";
    for (const char c : "quern/" + path) up += c == '/' ? "../" : "";
    link(commit, path, up + "blobs/" + blob);
  }
  void link(const std::string &commit, const std::string &path, const std::string &target) const {
    const fs::path file = repository / "snapshots" / commit / "quern" / path;
    fs::create_directories(file.parent_path());
    fs::remove(file);
    fs::create_symlink(target, file);
  }
  void ref(const std::string &name, const std::string &commit) const { write_text(repository / "refs" / name, commit); }

  const fs::path repository;
};

class HuggingFaceCacheTest : public testing::Test {
 protected:
  HuggingFaceCache open() const { return {root_.path(), "acme/gemm"}; }
  std::optional<std::string> read(const std::string &path, size_t limit = 100) const {
    return open().read(kCommit, "quern/" + path, limit);
  }

  const TemporaryDirectory root_;
  const FakeHub hub_{root_.path()};
};

TEST(GitBlobId, IsWhatGitSays) {
  EXPECT_EQ(git_blob_id({}), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(git_blob_id(as_bytes("hello\n")), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST_F(HuggingFaceCacheTest, ReadsWhatASnapshotLinksTo) {
  hub_.add(kCommit, "kernel.json", "{}\n");
  hub_.add(kCommit, "src/deep/a.cu", "// a\n");
  hub_.add_as(kCommit, "large.bin", "large", test_digest("large"));
  hub_.add_as(kCommit, "other", "of a server with other names", "W-abc");
  write_text(hub_.repository / "snapshots" / kCommit / "quern/plain", "no link");
  EXPECT_EQ(read("kernel.json"), "{}\n");
  EXPECT_EQ(read("src/deep/a.cu"), "// a\n");
  EXPECT_EQ(read("large.bin"), "large");
  EXPECT_EQ(read("other"), "of a server with other names");
  EXPECT_EQ(read("plain"), "no link");
  EXPECT_FALSE(read("kernel.json", 2));
  EXPECT_FALSE(read("absent"));
  EXPECT_FALSE(open().read(kOlder, "quern/kernel.json", 100));
  EXPECT_FALSE(HuggingFaceCache(root_.path(), "acme/other").read(kCommit, "quern/kernel.json", 100));
  EXPECT_FALSE(HuggingFaceCache("", "acme/gemm").read(kCommit, "quern/kernel.json", 100));
  EXPECT_FALSE(HuggingFaceCache(root_.path(), "acme").read(kCommit, "quern/kernel.json", 100));
}

TEST_F(HuggingFaceCacheTest, ABlobThatIsNotWhatItsNameSaysIsIgnored) {
  hub_.add_as(kCommit, "kernel.json", "{ }\n", git_blob_id(as_bytes("{}\n")));
  hub_.add_as(kCommit, "large.bin", "larger", test_digest("large"));
  hub_.add(kCommit, "cut", "1234567");
  fs::resize_file(hub_.repository / "blobs" / git_blob_id(as_bytes("1234567")), 3);
  for (const char *path : {"kernel.json", "large.bin", "cut"}) EXPECT_FALSE(read(path)) << path;
}

TEST_F(HuggingFaceCacheTest, LinksThatLeadElsewhereAreNotFollowed) {
  write_text(root_ / "secret", "secret");
  write_text(hub_.repository / "refs/secret", "secret");
  write_text(hub_.repository / "blobs/folder/secret", "secret");
  write_text(root_ / "kernels--acme--other/blobs/secret", "secret");
  fs::create_symlink(root_ / "secret", hub_.repository / "blobs/twice");
  const std::string up = "../../../";
  const std::vector<std::string> targets{(root_ / "secret").string(),
                                         (hub_.repository / "blobs/twice").string(),
                                         up + "../secret",
                                         up + "refs/secret",
                                         up + "blobs/twice",
                                         up + "blobs/folder/secret",
                                         up + "blobs/../refs/secret",
                                         up + "blobs/../../secret",
                                         up + "../kernels--acme--other/blobs/secret",
                                         up + "blobs/",
                                         up + "blobs/..",
                                         up + "blobs",
                                         "kernel.json",
                                         "/",
                                         "nowhere"};
  for (const std::string &target : targets) {
    hub_.link(kCommit, "kernel.json", target);
    EXPECT_FALSE(read("kernel.json")) << target;
  }
  // Nor folders that are links.
  write_text(root_ / "elsewhere/quern/kernel.json", "secret");
  fs::create_directory_symlink(root_ / "elsewhere", hub_.repository / "snapshots" / kOlder);
  EXPECT_FALSE(open().read(kOlder, "quern/kernel.json", 100));
}

TEST_F(HuggingFaceCacheTest, PathsThatAreNoneAndCommitsThatAreNone) {
  write_text(hub_.repository / "snapshots/secret", "secret");
  for (const std::string path : {"", "../secret", "/secret", "a/../../secret", "./secret", "a//b", "a/"}) {
    EXPECT_FALSE(open().read(kCommit, path, 100)) << path;
    EXPECT_FALSE(open().is_known_absent(kCommit, path)) << path;
  }
  for (const std::string commit : {"", "..", "main", "v1", "../../x"}) {
    EXPECT_FALSE(open().read(commit, "secret", 100)) << commit;
  }
  EXPECT_FALSE(open().commit_of("../snapshots/secret"));
}

TEST_F(HuggingFaceCacheTest, RefsAndWhatTheHubLacks) {
  hub_.ref("v1", kCommit);
  hub_.ref("v2", kOlder + "\n");
  hub_.ref("v3", "main");
  hub_.ref("v4", kCommit + kCommit);
  hub_.ref("v5", "");
  write_text(hub_.repository / ".no_exist" / kCommit / "quern/kernel.json.sig", "");
  EXPECT_EQ(open().commit_of("v1"), kCommit);
  EXPECT_EQ(open().commit_of("v2"), kOlder);
  for (const char *ref : {"v3", "v4", "v5", "v6", ""}) EXPECT_FALSE(open().commit_of(ref)) << ref;
  EXPECT_TRUE(open().is_known_absent(kCommit, "quern/kernel.json.sig"));
  EXPECT_FALSE(open().is_known_absent(kCommit, "quern/kernel.json"));
  EXPECT_FALSE(open().is_known_absent(kOlder, "quern/kernel.json.sig"));
}

// A package in such a cache, resolved where the network is forbidden.
class HuggingFaceOfflineTest : public testing::Test {
 protected:
  HuggingFaceOfflineTest() {
    packed_ = pack(write_package(root_ / "package", gemm_manifest("acme/gemm", {gemm_variant("a")}), "// one\n"));
    hub_.ref("v1", kCommit);
    hub_.add(kCommit, "kernel.json", packed_.document);
    hub_.add(kCommit, "kernel.json.sig", sign_file(Role::kManifest, packed_.document, {test_key(5)}));
    hub_.add(kCommit, "kernel.cu", "// one\n");
  }

  Resolver resolver(const std::string &trusts = "acme/*", bool forbidden = true) {
    RegistryConfiguration configuration;
    configuration.name = "hf";
    configuration.url = "hf://";
    HttpSettings settings;
    settings.offline = forbidden;
    RegistryAccess access;
    access.client = std::make_shared<HttpClient>(settings);
    access.hugging_face.endpoint = parse_url("https://huggingface.co");
    access.hugging_face.cache = root_ / "hub";
    access.hugging_face.offline = !forbidden;
    std::vector<std::unique_ptr<RegistryClient>> registries;
    registries.push_back(make_registry_client(configuration, access));
    const nlohmann::json trust = {
        {"schema", 1},
        {"publishers",
         {{"acme", {{"keys", {test_key(5).public_key().text()}}, {"threshold", 1}, {"allow", {trusts}}}}}},
        {"revoked", nlohmann::json::array()}};
    return {std::move(registries), TrustPolicy::parse(trust.dump(), "trust.json"), BlobStore(cache_), log_};
  }
  ResolvedPackage resolve(const std::string &request = "acme/gemm@1", const LockFile *lock = nullptr,
                          const std::string &trusts = "acme/*") {
    return resolver(trusts).resolve(parse_package_request(request), lock, kOffline);
  }
  LockFile locked() const {
    LockedKernel kernel;
    kernel.id = "acme/gemm";
    kernel.version = 1;
    kernel.registry = "hf";
    kernel.commit = kCommit;
    kernel.build = 1;
    kernel.manifest = packed_.digest;
    kernel.size = static_cast<int64_t>(packed_.document.size());
    kernel.files = {{"kernel.json", packed_.digest}, {"kernel.cu", test_digest("// one\n")}};
    LockFile lock;
    lock.kernels.push_back(kernel);
    return lock;
  }

  static constexpr ResolveRules kOffline{true, false};
  const TemporaryDirectory root_;
  const FakeHub hub_{root_ / "hub"};
  PackedPackage packed_;
  Log log_{QUERN_LOG_ERROR, nullptr, nullptr};
  Cache cache_{root_ / "cache", CacheMode::kReadWrite};
};

TEST_F(HuggingFaceOfflineTest, APackageIsFoundJudgedAndKept) {
  const ResolvedPackage resolved = resolve();
  EXPECT_EQ(resolved.verdict.trust, Trust::kSigned);
  EXPECT_EQ(resolved.pin.commit, kCommit);
  EXPECT_EQ(resolved.pin.registry, "hf");
  EXPECT_EQ(resolved.package->files.at("kernel.cu"), "// one\n");
  fs::remove_all(root_ / "hub");
  EXPECT_EQ(resolve().pin.manifest, packed_.digest);
}

TEST_F(HuggingFaceOfflineTest, TrustIsJudgedAsAlways) {
  EXPECT_EQ(status_of([&] { resolve("acme/gemm@1", nullptr, "other/*"); }), QUERN_UNTRUSTED);
  fs::remove(hub_.repository / "snapshots" / kCommit / "quern/kernel.json.sig");
  EXPECT_EQ(status_of([&] { resolve(); }), QUERN_UNTRUSTED);
  const LockFile lock = locked();
  EXPECT_EQ(resolve("acme/gemm@1", &lock, "other/*").verdict.trust, Trust::kLocked);
}

TEST_F(HuggingFaceOfflineTest, WhatIsDamagedMissingOrElsewhereIsNotHeld) {
  EXPECT_EQ(status_of([&] { resolve("acme/gemm@2"); }), QUERN_OFFLINE);
  EXPECT_EQ(status_of([&] { resolve("acme/gemm@sha256:" + packed_.digest); }), QUERN_OFFLINE);
  EXPECT_EQ(status_of([&] { resolve("acme/other@1"); }), QUERN_OFFLINE);
  // Another file in its place, though git names it right.
  hub_.add(kCommit, "kernel.cu", "// two\n");
  EXPECT_EQ(status_of([&] { resolve(); }), QUERN_OFFLINE);
  EXPECT_NE(message_of([&] { resolve(); }).find("lacks quern/kernel.cu of hf://acme/gemm"), std::string::npos);
  write_text(root_ / "outside", "// one\n");
  hub_.link(kCommit, "kernel.cu", "../../../../../outside");
  EXPECT_EQ(status_of([&] { resolve(); }), QUERN_OFFLINE);
  hub_.add(kCommit, "kernel.cu", "// one\n");
  hub_.add_as(kCommit, "kernel.json", packed_.document + " ", git_blob_id(as_bytes(packed_.document)));
  EXPECT_EQ(status_of([&] { resolve(); }), QUERN_OFFLINE);
  EXPECT_FALSE(fs::exists(root_ / "cache/refs/acme"));
}

TEST_F(HuggingFaceOfflineTest, ALockIsServedByItsCommitAndItsDigest) {
  fs::remove_all(hub_.repository / "refs");
  LockFile lock = locked();
  EXPECT_EQ(resolve("acme/gemm@1", &lock).pin.manifest, packed_.digest);
  fs::remove_all(root_ / "cache/blobs");
  lock.kernels[0].registry = "main";
  EXPECT_EQ(status_of([&] { resolve("acme/gemm@1", &lock); }), QUERN_OFFLINE);
  lock = locked();
  lock.kernels[0].manifest = lock.kernels[0].files["kernel.json"] = std::string(64, '0');
  EXPECT_EQ(status_of([&] { resolve("acme/gemm@1", &lock); }), QUERN_OFFLINE);
  lock = locked();
  lock.kernels[0].commit = kOlder;
  EXPECT_EQ(status_of([&] { resolve("acme/gemm@1", &lock); }), QUERN_OFFLINE);
}

// HF_HUB_OFFLINE forbids the Hub alone.
TEST_F(HuggingFaceOfflineTest, WhereOnlyTheHubIsForbidden) {
  const LockFile lock = locked();
  EXPECT_EQ(resolver("acme/*", false).resolve(parse_package_request("acme/gemm@1"), nullptr, {}).pin.commit, kCommit);
  fs::remove_all(root_ / "cache/blobs");
  EXPECT_EQ(resolver("acme/*", false).resolve(parse_package_request("acme/gemm@1"), &lock, {}).pin.commit, kCommit);
  EXPECT_EQ(status_of([&] { resolver("acme/*", false).resolve(parse_package_request("acme/gemm@2"), nullptr, {}); }),
            QUERN_OFFLINE);
}

TEST(HuggingFaceCachePlace, IsFoundAsTheHubsToolsFindIt) {
  Environment environment;
  const auto place = [&] { return hugging_face_settings(environment).cache.string(); };
  EXPECT_EQ(place(), "");
  environment.home = "/home/you";
  EXPECT_EQ(place(), "/home/you/.cache/huggingface/hub");
  environment.xdg_cache_home = "/xdg";
  EXPECT_EQ(place(), "/xdg/huggingface/hub");
  environment.hf_home = "~/hf";
  EXPECT_EQ(place(), "/home/you/hf/hub");
  environment.hf_hub_cache = "~/models";
  EXPECT_EQ(place(), "/home/you/models");
}

}  // namespace
}  // namespace quern
