#include "registry/cache/blob_store.hpp"

#include <sys/stat.h>
#include <utime.h>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

std::string digest_of(const std::string &bytes) { return hex(sha256(as_bytes(bytes))); }

class BlobStoreTest : public testing::Test {
 protected:
  fs::path file(const std::string &bytes) const { return root_ / "cache" / blob_path(digest_of(bytes)); }
  void age(const std::string &bytes) const {
    const struct utimbuf long_ago { 1000000000, 1000000000 };
    ASSERT_EQ(::utime(file(bytes).c_str(), &long_ago), 0);
  }
  std::string put(const std::string &bytes) {
    EXPECT_TRUE(store_.put(digest_of(bytes), bytes));
    return digest_of(bytes);
  }

  const TemporaryDirectory root_;
  Cache cache_{root_ / "cache", CacheMode::kReadWrite};
  BlobStore store_{cache_};
};

TEST_F(BlobStoreTest, KeepsWhatItsDigestSaysAndNothingElse) {
  const std::string digest = put("bytes");
  EXPECT_EQ(file("bytes"), root_ / "cache" / "blobs" / digest.substr(0, 2) / digest);
  EXPECT_EQ(fs::status(file("bytes")).permissions(), fs::perms(0444));
  EXPECT_EQ(store_.read(digest), "bytes");
  EXPECT_FALSE(store_.read(digest, 4));
  EXPECT_FALSE(store_.read(digest_of("other")));
  EXPECT_THROW(store_.put(digest, "other"), Error);
  EXPECT_THROW(store_.read("../../../etc/passwd"), Error);
  EXPECT_EQ(store_.read(digest), "bytes");
}

TEST_F(BlobStoreTest, WrongBytesAreSetAsideAndMayBePutAnew) {
  const std::string digest = put("bytes");
  fs::remove(file("bytes"));
  write_text(file("bytes"), "wrong");
  EXPECT_FALSE(store_.read(digest));
  EXPECT_EQ(text_of(root_ / "cache" / "quarantine" / digest), "wrong");
  EXPECT_EQ(cache_.corrupt_seen(), 1);
  put("bytes");
  EXPECT_EQ(store_.read(digest), "bytes");
}

TEST_F(BlobStoreTest, ReadsLowerLayersAndWritesOnlyItsOwn) {
  const std::string digest = put("bytes");
  ASSERT_TRUE(store_.set_ref("acme/gemm", 1, digest));
  CacheSettings settings;
  settings.directory = root_ / "upper";
  settings.lower = {root_ / "cache"};
  Cache upper(settings);
  BlobStore store(upper);
  EXPECT_EQ(store.read(digest), "bytes");
  EXPECT_EQ(store.ref("acme/gemm", 1), digest);
  EXPECT_TRUE(store.put(digest, "bytes"));
  EXPECT_FALSE(fs::exists(root_ / "upper" / "blobs"));
  const std::string newer = digest_of("newer");
  EXPECT_TRUE(store.set_ref("acme/gemm", 1, newer));
  EXPECT_EQ(store.ref("acme/gemm", 1), newer);
  EXPECT_EQ(store_.ref("acme/gemm", 1), digest);
  settings.mode = CacheMode::kReadOnly;
  Cache reading(settings);
  std::string problem;
  EXPECT_FALSE(BlobStore(reading).put(digest_of("x"), "x", &problem));
  EXPECT_EQ(problem, "read-only: as asked");
}

TEST_F(BlobStoreTest, RefsAreOneLineAndTheirNamesStayInside) {
  const std::string digest = put("manifest");
  ASSERT_TRUE(store_.set_ref("acme/gemm", 12, digest));
  EXPECT_EQ(text_of(root_ / "cache" / "refs" / "acme" / "gemm" / "v12"), digest + "\n");
  ASSERT_TRUE(store_.set_ref("acme/gemm", 2, digest));
  const auto refs = store_.refs();
  ASSERT_EQ(refs.size(), 2u);
  EXPECT_EQ(refs[0].version, 2);
  EXPECT_EQ(refs[1].manifest, digest);
  for (const char *id : {"gemm", "acme/", "/gemm", "../gemm", "acme/..", "a/b/c", "acme/ge mm", ""}) {
    EXPECT_THROW(store_.ref(id, 1), Error) << id;
  }
  EXPECT_THROW(store_.ref("acme/gemm", -1), Error);
  for (const std::string &content : {std::string(), digest, digest + "\n\n", "x" + digest.substr(1) + "\n"}) {
    write_text(root_ / "cache" / "refs" / "acme" / "gemm" / "v2", content);
    EXPECT_FALSE(store_.ref("acme/gemm", 2)) << content;
  }
}

TEST_F(BlobStoreTest, PruneKeepsWhatRefsAndRootsLeadTo) {
  const std::string source = "source", other = "other source", loose = "loose", fresh = "fresh";
  const std::string signature = std::string(64, 'a') + " " + std::string(128, 'b') + "\n";
  const auto manifest = [](const std::string &bytes) {
    return "{\"files\": [{\"path\": \"a.cu\", \"sha256\": \"" + digest_of(bytes) + "\"}]}";
  };
  for (const std::string &bytes : {source, other, loose, signature, manifest(source), manifest(other)}) {
    put(bytes);
    age(bytes);
  }
  put(fresh);
  store_.set_ref("acme/gemm", 1, digest_of(manifest(source)));
  CacheRoot root;
  root.name = "deployment";
  root.manifests = {digest_of(manifest(other))};
  write_root(*cache_.writable(), root);
  EXPECT_EQ(store_.packages().at(0).files, 2);
  PruneRules rules;
  const auto any = [](const CacheRow &) { return true; };
  rules.dry_run = true;
  EXPECT_EQ(cache_.prune(rules, {}, any).blobs, 1);
  rules.dry_run = false;
  EXPECT_EQ(cache_.prune(rules, {}, any).blobs, 1);
  EXPECT_FALSE(fs::exists(file(loose)));
  for (const std::string &bytes : {source, other, signature, fresh}) EXPECT_TRUE(fs::exists(file(bytes))) << bytes;
  rules.clear = true;
  EXPECT_EQ(cache_.prune(rules, {}, any).blobs, 3);  // all but what the root keeps, and the signature
  EXPECT_TRUE(fs::exists(file(other)));
  EXPECT_TRUE(store_.refs().empty());
}

TEST_F(BlobStoreTest, SignaturesAreCheckedWithTheRefsAndClearedWithThem) {
  const std::string manifest = "{}", digest = digest_of(manifest), rooted(64, 'a');
  const std::string signature = std::string(64, 'a') + " " + std::string(128, 'b') + "\n";
  put(manifest);
  store_.set_ref("acme/gemm", 1, digest);
  ASSERT_TRUE(store_.keep_signatures("acme/gemm", digest, signature));
  ASSERT_TRUE(store_.keep_signatures("acme/gemm", rooted, signature));
  const fs::path folder = root_ / "cache" / "refs" / "acme" / "gemm";
  write_text(folder / "v1.next", "of a later Quern");
  std::vector<std::string> problems;
  const auto check = [&] {
    problems.clear();
    cache_.check(true, true, [&](const CacheProblem &problem) {
      problems.push_back(problem.path + ": " + problem.what);
      return true;
    });
  };
  check();
  EXPECT_EQ(problems, std::vector<std::string>{});
  EXPECT_EQ(store_.signatures("acme/gemm", digest), signature);
  write_text(folder / (digest + ".sig"), "damaged");
  check();
  EXPECT_EQ(problems, std::vector<std::string>{"refs/acme/gemm/" + digest + ".sig: it is no .sig file"});
  EXPECT_FALSE(store_.signatures("acme/gemm", digest));

  ASSERT_TRUE(store_.keep_signatures("acme/gemm", digest, signature));
  CacheRoot root;
  root.name = "deployment";
  root.manifests = {rooted};
  write_root(*cache_.writable(), root);
  PruneRules rules;
  rules.clear = true;
  cache_.prune(rules, {}, [](const CacheRow &) { return true; });
  EXPECT_FALSE(fs::exists(folder / (digest + ".sig")));
  EXPECT_TRUE(fs::exists(folder / (rooted + ".sig")));
  EXPECT_EQ(text_of(folder / "v1.next"), "of a later Quern");
}

TEST_F(BlobStoreTest, RootsAreStrictAndPinned) {
  CacheRoot root;
  root.name = "deployment";
  root.manifests = {std::string(64, 'a')};
  root.entries = {std::string(64, 'b') + ".13.0.88-1.qkc"};
  write_root(*cache_.writable(), root);
  const fs::path path = root_ / "cache" / "roots" / "deployment.json";
  EXPECT_EQ(text_of(path), "{\n \"schema\": 1,\n \"manifests\": [\n  \"" + std::string(64, 'a') +
                               "\"\n ],\n \"entries\": [\n  \"" + std::string(64, 'b') + ".13.0.88-1.qkc\"\n ]\n}\n");
  const CacheRoots read = read_roots(*cache_.writable());
  EXPECT_TRUE(read.known());
  EXPECT_TRUE(read.keeps_manifest(std::string(64, 'a')));
  EXPECT_TRUE(read.keeps_entry(std::string(64, 'b') + ".13.0.88-1.qkc"));
  EXPECT_FALSE(read.keeps_entry(std::string(64, 'c') + ".13.0.88-1.qkc"));
  for (const char *bad :
       {"", "{", "{\"schema\":2,\"manifests\":[],\"entries\":[]}", "{\"schema\":1,\"entries\":[]}",
        "{\"schema\":1,\"manifests\":[\"x\"],\"entries\":[]}", "{\"schema\":1,\"manifests\":[],\"entries\":[\"../x\"]}",
        "{\"schema\":1,\"manifests\":[],\"entries\":[],\"more\":1}"}) {
    write_text(path, bad);
    EXPECT_FALSE(read_roots(*cache_.writable()).known()) << bad;
    EXPECT_TRUE(read_roots(*cache_.writable()).keeps_entry("anything"));
    EXPECT_THROW(cache_.prune({}, {}, [](const CacheRow &) { return true; }), Error);
  }
  root.name = "../x";
  EXPECT_THROW(write_root(*cache_.writable(), root), Error);
  EXPECT_FALSE(remove_root(*cache_.writable(), "../x"));
  EXPECT_TRUE(remove_root(*cache_.writable(), "deployment"));
}

}  // namespace
}  // namespace quern
