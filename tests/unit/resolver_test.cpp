#include "registry/fetch/resolver.hpp"

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/publish/pack.hpp"
#include "registry/publish/publish.hpp"
#include "runtime/base/sha256.hpp"
#include "simulated_registry.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

// A registry in a directory, asked by file://, and a cache that outlives resolvers.
class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() { publish_build(7); }

  std::string publish_build(int build, const std::string &source = "// one\n") {
    nlohmann::json manifest = gemm_manifest("acme/gemm", {gemm_variant("a")});
    manifest["build"] = build;
    const PackedPackage packed = pack(write_package(work_ / "package", manifest, source));
    const std::string signatures = sign_ ? sign_file(Role::kManifest, packed.document, {test_key(5)}) : "";
    publish(work_ / "registry", packed, signatures, keys_, {});
    return packed.digest;
  }

  ResolvedPackage resolve(const std::string &request, const LockFile *lock = nullptr, ResolveRules rules = {},
                          const std::string &trusts = "acme/*") {
    return make(trusts)->resolve(parse_package_request(request), lock, rules);
  }
  quern_status status_of(const std::string &request, const LockFile *lock = nullptr, ResolveRules rules = {},
                         const std::string &trusts = "acme/*") {
    try {
      resolve(request, lock, rules, trusts);
    } catch (const Error &error) {
      message_ = error.what();
      return error.status();
    }
    return QUERN_OK;
  }
  std::unique_ptr<Resolver> make(const std::string &trusts) {
    RegistryConfiguration configuration;
    configuration.name = "main";
    configuration.url = "file://" + (work_ / "registry").string();
    configuration.root_keys = {test_key(1).public_key()};
    RegistryAccess access;
    access.client = std::make_shared<HttpClient>(HttpSettings{});
    access.trust = work_ / "cache/trust";
    std::vector<std::unique_ptr<RegistryClient>> registries;
    registries.push_back(make_registry_client(configuration, access));
    const nlohmann::json trust = {
        {"schema", 1},
        {"publishers",
         {{"acme", {{"keys", {test_key(5).public_key().text()}}, {"threshold", 1}, {"allow", {trusts}}}}}},
        {"revoked", nlohmann::json::array()}};
    return std::make_unique<Resolver>(std::move(registries), TrustPolicy::parse(trust.dump(), "trust.json"),
                                      BlobStore(cache_), log_);
  }

  TemporaryDirectory work_;
  bool sign_ = true;
  RegistryKeys keys_{{test_key(1)}, {test_key(2)}, {test_key(3)}};
  Log log_{QUERN_LOG_ERROR, nullptr, nullptr};
  Cache cache_{work_ / "cache", CacheMode::kReadWrite};
  std::string message_;
};

constexpr ResolveRules kOffline{true, false};
constexpr ResolveRules kLocked{false, true};

TEST_F(ResolverTest, TheNewestBuildOfAVersionIsFetchedJudgedAndKept) {
  const std::string digest = publish_build(8, "// two\n");
  const ResolvedPackage resolved = resolve("acme/gemm@1");
  EXPECT_EQ(resolved.package->manifest.build, 8);
  EXPECT_EQ(resolved.pin.manifest, digest);
  EXPECT_EQ(resolved.pin.registry, "main");
  EXPECT_EQ(resolved.verdict.trust, Trust::kSigned);
  EXPECT_EQ(resolved.verdict.signer, "acme");
  EXPECT_TRUE(resolved.fetched);
  EXPECT_EQ(resolved.package->files.at("kernel.cu"), "// two\n");
  EXPECT_FALSE(resolve("acme/gemm@1").fetched);
}

TEST_F(ResolverTest, WhatWasResolvedIsFoundWithoutTheRegistry) {
  const std::string digest = resolve("acme/gemm@1").pin.manifest;
  fs::remove_all(work_ / "registry");
  EXPECT_NE(status_of("acme/gemm@1"), QUERN_OK) << "the registry was to be asked";
  const ResolvedPackage again = resolve("acme/gemm@1", nullptr, kOffline);
  EXPECT_EQ(again.pin.manifest, digest);
  EXPECT_EQ(again.verdict.trust, Trust::kSigned);
  EXPECT_EQ(resolve("acme/gemm@sha256:" + digest, nullptr, kOffline).pin.manifest, digest);
  EXPECT_EQ(status_of("acme/gemm@2", nullptr, kOffline), QUERN_OFFLINE);
}

TEST_F(ResolverTest, ALockPinsTheBytes) {
  LockFile lock;
  lock.kernels.push_back(resolve("acme/gemm@1").pin);
  const std::string pinned = lock.kernels[0].manifest;
  publish_build(8, "// two\n");
  EXPECT_EQ(resolve("acme/gemm@1").package->manifest.build, 8);
  EXPECT_EQ(resolve("acme/gemm@1", &lock).pin.manifest, pinned);
  EXPECT_EQ(status_of("acme/gemm@2", &lock, kLocked), QUERN_LOCK_MISMATCH);
  // Bytes that the lock names need no signature, and bytes that it does not name are refused.
  EXPECT_EQ(resolve("acme/gemm@1", &lock, kLocked, "other/*").verdict.trust, Trust::kLocked);
  lock.kernels[0].files["kernel.cu"] = std::string(64, '0');
  EXPECT_EQ(status_of("acme/gemm@1", &lock), QUERN_LOCK_MISMATCH);
  EXPECT_NE(message_.find("kernel.cu"), std::string::npos) << message_;
}

TEST_F(ResolverTest, ALockedPackageWithNothingCachedComesFromItsRegistry) {
  LockFile lock;
  lock.kernels.push_back(resolve("acme/gemm@1").pin);
  fs::remove_all(work_ / "cache/blobs");
  EXPECT_EQ(status_of("acme/gemm@1", &lock, kOffline), QUERN_OFFLINE);
  const ResolvedPackage resolved = resolve("acme/gemm@1", &lock);
  EXPECT_TRUE(resolved.fetched);
  EXPECT_EQ(resolved.pin.manifest, lock.kernels[0].manifest);
  lock.kernels[0].registry = "elsewhere";
  fs::remove_all(work_ / "cache/blobs");
  EXPECT_EQ(status_of("acme/gemm@1", &lock), QUERN_NOT_FOUND);
}

TEST_F(ResolverTest, WhatNobodyTrustedSignedIsRefusedAndNotKept) {
  EXPECT_EQ(status_of("acme/gemm@1", nullptr, {}, "other/*"), QUERN_UNTRUSTED);
  EXPECT_FALSE(fs::exists(work_ / "cache/refs/acme"));
  sign_ = false;
  publish_build(9, "// unsigned\n");
  EXPECT_EQ(status_of("acme/gemm@1"), QUERN_UNTRUSTED);
}

TEST_F(ResolverTest, ARevokedBuildServesNobodyNotEvenALock) {
  LockFile lock;
  lock.kernels.push_back(resolve("acme/gemm@1").pin);
  revoke(work_ / "registry", "acme/gemm", 1, 7, "wrong sums", keys_, {});
  EXPECT_EQ(status_of("acme/gemm@1"), QUERN_NOT_FOUND) << message_;
  EXPECT_EQ(status_of("acme/gemm@1", &lock), QUERN_UNTRUSTED);
  EXPECT_NE(message_.find("wrong sums"), std::string::npos) << message_;
  EXPECT_EQ(status_of("acme/gemm@1", nullptr, kOffline), QUERN_UNTRUSTED);
}

TEST_F(ResolverTest, AYankedBuildServesALockAndADigest) {
  LockFile lock;
  lock.kernels.push_back(resolve("acme/gemm@1").pin);
  yank(work_ / "registry", "acme/gemm", 1, 7, true, keys_, {});
  EXPECT_EQ(status_of("acme/gemm@1"), QUERN_NOT_FOUND);
  EXPECT_EQ(resolve("acme/gemm@1", &lock).package->manifest.build, 7);
  EXPECT_EQ(resolve("acme/gemm@sha256:" + lock.kernels[0].manifest).package->manifest.build, 7);
}

TEST_F(ResolverTest, ADamagedBlobIsFetchedAnew) {
  const ResolvedPackage resolved = resolve("acme/gemm@1");
  const std::string digest = resolved.pin.files.at("kernel.cu");
  const fs::path blob = work_ / "cache" / blob_path(digest);
  fs::permissions(blob, fs::perms::owner_all);
  write_text(blob, "// two\n");
  const ResolvedPackage again = resolve("acme/gemm@1");
  EXPECT_TRUE(again.fetched);
  EXPECT_EQ(again.package->files.at("kernel.cu"), "// one\n");
}

TEST_F(ResolverTest, WhatNobodyHasIsToldWithEachReason) {
  EXPECT_EQ(status_of("acme/gemm@3"), QUERN_NOT_FOUND);
  EXPECT_NE(message_.find("registry main"), std::string::npos) << message_;
  EXPECT_EQ(status_of("acme/none@1"), QUERN_NOT_FOUND);
}

TEST(PackageRequest, IsAnIdWithAVersionOrADigest) {
  EXPECT_EQ(parse_package_request("acme/gemm@12").version, 12);
  EXPECT_EQ(parse_package_request("acme/gemm@12").text(), "acme/gemm@12");
  const std::string digest(64, 'a');
  EXPECT_EQ(parse_package_request("acme/gemm@sha256:" + digest).digest, digest);
  for (const char *bad : {"", "acme", "acme/gemm", "acme/gemm@", "acme/gemm@0", "acme/gemm@-1", "acme/gemm@1x", "@1",
                          "acme/gemm@sha256:", "acme/gemm@sha256:aa", "../gemm@1", "acme/gemm@99999999999"}) {
    EXPECT_THROW(parse_package_request(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace quern
