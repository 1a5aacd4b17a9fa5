#include "registry/cache/seal.hpp"

#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "cache_entries.hpp"
#include "package_builder.hpp"
#include "registry/cache/blob_store.hpp"
#include "registry/cache/sealing.hpp"
#include "registry/publish/pack.hpp"
#include "registry/trust/signed_file.hpp"
#include "simulated_registry.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

const std::string kA(64, 'a'), kB(64, 'b'), kC(64, 'c');

const std::string kOne = R"({
 "schema": 1,
 "created": "2026-11-23T08:00:00Z",
 "expires": "2026-12-23T08:00:00Z",
 "archs": [
  "sm_90a"
 ],
 "nvrtc": [
  "13.0.88-1"
 ],
 "manifests": [
  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
 ],
 "files": {
  "blobs/bb/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
  "jit/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.13.0.88-1.qkc": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
  "refs/acme/gemm/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.sig": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
  "refs/acme/gemm/v1": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
  "tuned/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
 }
}
)";

Seal one() {
  Seal seal;
  seal.created = kTestNow;
  seal.expires = kTestNow + 30 * kTestDay;
  seal.archs = {"sm_90a"};
  seal.nvrtc = {"13.0.88-1"};
  seal.manifests = {kB};
  seal.files = {{"blobs/bb/" + kB, kB},
                {"jit/aa/" + kA + ".13.0.88-1.qkc", kC},
                {"refs/acme/gemm/v1", kC},
                {"refs/acme/gemm/" + kB + ".sig", kC},
                {"tuned/" + kA + ".json", kC}};
  return seal;
}

std::string with(const std::string &from, const std::string &to) {
  std::string document = kOne;
  const size_t at = document.find(from);
  if (at == std::string::npos) throw std::runtime_error(from + " is not in the document");
  return document.replace(at, from.size(), to);
}

TEST(Seal, BytesArePinned) {
  EXPECT_EQ(write_seal(one()), kOne);
  EXPECT_EQ(write_seal(parse_seal(kOne, "seal.json")), kOne);
  Seal none;
  none.created = kTestNow;
  EXPECT_EQ(write_seal(none),
            "{\n \"schema\": 1,\n \"created\": \"2026-11-23T08:00:00Z\",\n \"archs\": [],\n \"nvrtc\": [],\n"
            " \"manifests\": [],\n \"files\": {}\n}\n");
  EXPECT_EQ(parse_seal(write_seal(none), "seal.json").expires, 0);
}

TEST(Seal, AllowsWhatItNamesAndNothingElse) {
  const Seal seal = parse_seal(kOne, "seal.json");
  EXPECT_TRUE(seal.allows_entry(kA + ".13.0.88-1.qkc", kC));
  EXPECT_FALSE(seal.allows_entry(kA + ".13.0.88-1.qkc", kB));
  EXPECT_FALSE(seal.allows_entry(kA + ".13.0.88-2.qkc", kC));
  EXPECT_FALSE(seal.allows_entry("", kC));
  EXPECT_TRUE(seal.allows_manifest(kB));
  EXPECT_FALSE(seal.allows_manifest(kC));
  EXPECT_TRUE(seal.allows_blob(kB));
  EXPECT_FALSE(seal.allows_blob(kA));
  EXPECT_FALSE(seal.allows_blob("../" + kB));
}

TEST(Seal, DocumentsThatAreNoSeal) {
  const std::string created = "\"created\": \"2026-11-23T08:00:00Z\"";
  const std::string entry = "jit/aa/" + kA + ".13.0.88-1.qkc";
  const std::vector<std::string> documents{
      "",
      "{}",
      "[]",
      "null",
      kOne.substr(0, kOne.size() - 3),
      kOne + "{}",
      with("\"schema\": 1", "\"schema\": 2"),
      with("\"schema\": 1,", ""),
      with("\"schema\": 1,", "\"schema\": 1, \"schema\": 1,"),
      with(created, created + ", " + created),
      with(created, "\"created\": 1795420800"),
      with("2026-12-23", "2026-11-23"),
      with("2026-12-23T08", "2026-12-23 08"),
      with("\"archs\"", "\"arch\""),
      with("\"sm_90a\"", "\"sm_90a\", \"sm_80\""),
      with("\"sm_90a\"", "\"sm_90a\", \"sm_90a\""),
      with("\"sm_90a\"", "\"sm 90a\""),
      with("\"sm_90a\"", "90"),
      with("13.0.88-1\"\n", "13.0.88-2\"\n"),
      with("\"13.0.88-1\"\n", ""),
      with("\"nvrtc\": [", "\"nvrtc\": [\"13.0.88-0\","),
      with("  \"" + kB + "\"\n", "  \"" + kA + "\"\n"),
      with("  \"" + kB + "\"\n", "  \"" + kB.substr(1) + "\"\n"),
      with("\"files\": {", "\"files\": {\"" + entry + "\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"../" + entry + "\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"jit/../" + kA + ".13.0.88-1.qkc\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"jit\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"trust/main/root.json\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"refs/acme/v1\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"refs/acme/gemm/v01\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"refs/../gemm/v1\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"blobs/aa/" + kA + "\": \"" + kC + "\","),
      with("\"files\": {", "\"files\": {\"tuned/x.json\": \"" + kC + "\","),
      with("jit/aa/", "jit/ab/"),
      with(".13.0.88-1.qkc", ".13.0.88\\u00001.qkc"),
      with("\"" + kC + "\"", "\"" + kC.substr(1) + "\""),
      with("\"" + kC + "\"", "\"" + std::string(64, 'C') + "\""),
      with("\"" + kC + "\"", "1"),
      with("\"files\": {", "\"y\": 1, \"files\": {"),
  };
  for (const std::string &document : documents) {
    EXPECT_EQ(status_of([&] { parse_seal(document, "here/seal.json"); }), QUERN_CORRUPT) << document;
    EXPECT_TRUE(message_of([&] { parse_seal(document, "here/seal.json"); }).starts_with("here/seal.json: "));
  }
  EXPECT_EQ(status_of([&] { parse_seal(with("\"files\"", "\"x-note\": \"mine\", \"files\""), "s"); }), QUERN_OK);
}

// A bundle with two entries, a signed package and a tuned choice, sealed with key 7.
class SealedCacheTest : public testing::Test {
 protected:
  SealedCacheTest() {
    Cache cache(bundle(), CacheMode::kReadWrite);
    std::string problem;
    if (!cache.publish(first_, problem) || !cache.publish(second_, problem)) throw std::runtime_error(problem);
    const PackedPackage packed =
        pack(write_package(root_ / "package", gemm_manifest("acme/gemm", {gemm_variant("a")}), "// one\n"));
    manifest_ = packed.digest;
    source_ = packed.manifest.files.at(0).sha256;
    signatures_ = sign_file(Role::kManifest, packed.document, {test_key(5)});
    BlobStore store(cache);
    store.put(manifest_, packed.document);
    store.put(source_, packed.files.at("kernel.cu"));
    store.keep_signatures("acme/gemm", manifest_, signatures_);
    store.set_ref("acme/gemm", 1, manifest_);
    write_text(bundle() / tuned_, "{}\n");
    seal(bundle(), test_key(7));
  }

  fs::path bundle() const { return root_ / "bundle"; }
  static std::string path_in(const CacheEntry &entry) { return entry_path(file_of(entry)); }
  static std::string other(char c) { return c == '1' ? "2" : "1"; }

  static void seal(const fs::path &path, const SecretKey &key, int64_t expires = 0) {
    const Directory directory(path);
    SealRequest request = everything_in(directory);
    request.expires = expires;
    publish_seal(directory, make_seal(directory, request, kTestNow), key);
  }
  CacheSettings settings(int64_t now = kTestNow) const {
    CacheSettings settings;
    settings.directory = bundle();
    settings.seal_keys = {test_key(8).public_key(), test_key(7).public_key()};
    settings.clock = [now] { return now; };
    return settings;
  }
  Seal load(int64_t now = kTestNow) const {
    return load_seal(Directory(bundle()), settings().seal_keys, [now] { return now; });
  }
  std::string read(const std::string &path) const { return text_of(bundle() / path); }
  void write(const std::string &path, const std::string &content) const {
    fs::remove(bundle() / path);
    write_text(bundle() / path, content);
  }
  // The request's entry is a miss, and the reason names its file.
  void expect_miss(const CacheEntry &entry, const std::string &what) const {
    for (const std::string &nvrtc : {entry.nvrtc, std::string()}) {
      Cache cache(settings());
      ASSERT_EQ(cache.state(), "read-only: sealed");
      EXPECT_FALSE(cache.load(entry.request, nvrtc));
      EXPECT_EQ(cache.seal_problem(entry.request), (bundle() / path_in(entry)).string() + ": " + what);
      EXPECT_EQ(cache.seal_problem(std::string(64, 'd')), "");
    }
  }
  // What verify says, one line a problem.
  std::vector<std::string> verify() const {
    std::vector<std::string> found;
    Cache cache(settings());
    const CacheCheck check = cache.check(false, false, [&](const CacheProblem &problem) {
      found.push_back(problem.path + ": " + problem.what);
      return !problem.repaired;
    });
    EXPECT_EQ(check.problems, static_cast<int64_t>(found.size()));
    return found;
  }
  std::map<std::string, std::string> everything() const {
    std::map<std::string, std::string> files;
    for (const auto &item : fs::recursive_directory_iterator(bundle())) {
      files[item.path().string()] = item.is_regular_file() ? text_of(item.path()) : "";
    }
    return files;
  }

  const TemporaryDirectory root_;
  const CacheEntry first_ = make_entry('a', "13.0.88-1", 40), second_ = make_entry('b', "12.9.10-2", 40);
  const std::string tuned_ = "tuned/" + kA + ".json";
  std::string manifest_, source_, signatures_;
};

TEST_F(SealedCacheTest, WhatIsSealedIsUsedAndNothingIsWritten) {
  const auto before = everything();
  {
    Cache cache(settings());
    EXPECT_EQ(cache.state(), "read-only: sealed");
    EXPECT_EQ(cache.mode(), CacheMode::kReadOnly);
    EXPECT_TRUE(cache.sealed());
    ASSERT_TRUE(cache.load(first_.request, first_.nvrtc));
    EXPECT_EQ(cache.load(first_.request, "")->code, first_.code);
    EXPECT_EQ(cache.load(second_.request, "")->nvrtc, second_.nvrtc);
    EXPECT_FALSE(cache.load(first_.request, second_.nvrtc));
    EXPECT_FALSE(cache.load(kC, ""));
    EXPECT_TRUE(cache.seals_manifest(manifest_));
    EXPECT_FALSE(cache.seals_manifest(source_));
    BlobStore store(cache);
    EXPECT_EQ(store.ref("acme/gemm", 1), manifest_);
    EXPECT_EQ(store.refs().size(), 1u);
    EXPECT_EQ(store.signatures("acme/gemm", manifest_), signatures_);
    EXPECT_EQ(store.read(source_), "// one\n");
    EXPECT_FALSE(store.read(kC));
    EXPECT_EQ(store.packages().at(0).files, 2);
    EXPECT_TRUE(cache.read(*cache.layers().at(0), tuned_, 1000));
    EXPECT_TRUE(cache.seal_problems().empty());
    std::string problem;
    EXPECT_FALSE(cache.publish(make_entry('c'), problem));
    EXPECT_EQ(problem, "read-only: sealed");
    EXPECT_FALSE(store.set_ref("acme/gemm", 1, kC, &problem));
    EXPECT_EQ(verify(), std::vector<std::string>{});
    EXPECT_THROW(cache.check(true, true, [](const CacheProblem &) { return true; }), Error);
  }
  EXPECT_EQ(everything(), before);
}

TEST_F(SealedCacheTest, TheSealNamesWhatItIsFor) {
  const Seal seal = load();
  EXPECT_EQ(seal.archs, std::set<std::string>{"sm_90a"});
  EXPECT_EQ(seal.nvrtc, (std::set<std::string>{"12.9.10-2", "13.0.88-1"}));
  EXPECT_EQ(seal.manifests, std::set<std::string>{manifest_});
  EXPECT_EQ(seal.files.size(), 7u);  // two entries, two blobs, a ref, a .sig, a tuned choice
  EXPECT_TRUE(seal.allows_blob(source_));
  EXPECT_TRUE(seal.allows_entry(file_of(first_), test_digest(read(path_in(first_)))));
  EXPECT_EQ(seal.created, kTestNow);
}

TEST_F(SealedCacheTest, EveryByteOfTheSealCounts) {
  for (const char *file : {"seal.json", "seal.json.sig"}) {
    const std::string good = read(file);
    for (size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 1);
      write(file, bad);
      EXPECT_EQ(status_of([&] { load(); }), QUERN_UNTRUSTED) << file << " byte " << i;
    }
    for (size_t size = 0; size < good.size(); size += 7) {
      write(file, good.substr(0, size));
      EXPECT_EQ(status_of([&] { load(); }), QUERN_UNTRUSTED) << file << " of " << size << " bytes";
    }
    write(file, good + "\n");
    EXPECT_EQ(status_of([&] { load(); }), QUERN_UNTRUSTED) << file;
    write(file, good);
    EXPECT_EQ(status_of([&] { load(); }), QUERN_OK);
  }
}

TEST_F(SealedCacheTest, EveryByteOfAnEntryCounts) {
  const std::string good = read(path_in(first_));
  ASSERT_LT(good.size(), 1000u);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    write(path_in(first_), bad);
    Cache cache(settings());
    EXPECT_FALSE(cache.load(first_.request, first_.nvrtc)) << "byte " << i;
    EXPECT_EQ(cache.seal_problems().size(), 1u) << "byte " << i;
  }
  expect_miss(first_, "its contents are not those that the seal names");
  EXPECT_FALSE(fs::exists(bundle() / "quarantine"));
  EXPECT_EQ(verify(), std::vector<std::string>{path_in(first_) + ": its contents are not those that the seal names"});
  EXPECT_TRUE(Cache(settings()).load(second_.request, second_.nvrtc));
}

TEST_F(SealedCacheTest, AnEntryThatIsSoundButAnotherIsAMiss) {
  CacheEntry forged = first_;
  forged.code.assign(40, 'x');
  const std::vector<uint8_t> bytes = encode_entry(forged);
  write(path_in(first_), std::string(bytes.begin(), bytes.end()));
  EXPECT_EQ(Cache(bundle(), CacheMode::kReadOnly).load(first_.request, "")->code, forged.code);
  expect_miss(first_, "its contents are not those that the seal names");
}

TEST_F(SealedCacheTest, AMissingEntryIsAMiss) {
  fs::remove(bundle() / path_in(first_));
  expect_miss(first_, "the seal names it and it is missing");
  EXPECT_EQ(verify(), std::vector<std::string>{path_in(first_) + ": the seal names it and it is missing"});
  fs::create_symlink(bundle() / path_in(second_), bundle() / path_in(first_));
  expect_miss(first_, "it cannot be read");
}

TEST_F(SealedCacheTest, AnExtraEntryIsAMiss) {
  const CacheEntry extra = make_entry('c'), newer = make_entry('a', "99.0.0-1");
  {
    Cache cache(bundle(), CacheMode::kReadWrite);
    std::string problem;
    ASSERT_TRUE(cache.publish(extra, problem) && cache.publish(newer, problem)) << problem;
  }
  expect_miss(extra, "the seal does not name it");
  // One that claims to be of a newer build does not hide the one that is sealed.
  EXPECT_EQ(Cache(settings()).load(first_.request, "")->nvrtc, first_.nvrtc);
  EXPECT_EQ(verify(), (std::vector<std::string>{path_in(newer) + ": the seal does not name it",
                                                path_in(extra) + ": the seal does not name it"}));
  for (const CacheRow &row : Cache(settings()).scan({std::string(64, 'b')})) {
    const bool sealed = row.entry.nvrtc != newer.nvrtc && row.entry.request != extra.request;
    EXPECT_EQ(row.state, sealed ? EntryState::kGood : EntryState::kCorrupt) << row.file;
  }
}

TEST_F(SealedCacheTest, PackagesObeyTheSealToo) {
  const std::string blob = blob_path(source_), ref = ref_path("acme/gemm", 1);
  const std::string sig = "refs/acme/gemm/" + manifest_ + ".sig";
  const auto store_finds = [&](const std::function<bool(BlobStore &)> &finds, const std::string &path,
                               const std::string &what) {
    Cache cache(settings());
    BlobStore store(cache);
    EXPECT_FALSE(finds(store)) << path;
    ASSERT_EQ(cache.seal_problems().size(), 1u) << path;
    EXPECT_EQ(cache.seal_problems()[0].path, (bundle() / path).string());
    EXPECT_EQ(cache.seal_problems()[0].what, what);
  };
  const std::string changed = "its contents are not those that the seal names";
  write(blob, "// two\n");
  store_finds([&](BlobStore &store) { return store.read(source_).has_value(); }, blob, changed);
  fs::remove(bundle() / blob);
  store_finds([&](BlobStore &store) { return store.read(source_).has_value(); }, blob,
              "the seal names it and it is missing");
  const std::string extra = test_digest("// extra\n");
  write(blob_path(extra), "// extra\n");
  store_finds([&](BlobStore &store) { return store.read(extra).has_value(); }, blob_path(extra),
              "the seal does not name it");
  write(ref, extra + "\n");
  store_finds([&](BlobStore &store) { return store.ref("acme/gemm", 1).has_value(); }, ref, changed);
  store_finds([&](BlobStore &store) { return !store.refs().empty(); }, ref, changed);
  write(ref_path("acme/gemm", 2), manifest_ + "\n");
  store_finds([&](BlobStore &store) { return store.ref("acme/gemm", 2).has_value(); }, ref_path("acme/gemm", 2),
              "the seal does not name it");
  write(sig, sign_file(Role::kManifest, "another", {test_key(5)}));
  store_finds([&](BlobStore &store) { return store.signatures("acme/gemm", manifest_).has_value(); }, sig, changed);
  write(tuned_, "{ }\n");
  Cache cache(settings());
  EXPECT_FALSE(cache.read(*cache.layers().at(0), tuned_, 1000));
  EXPECT_EQ(cache.seal_problems().at(0).path, (bundle() / tuned_).string());
  EXPECT_FALSE(fs::exists(bundle() / "quarantine"));
  EXPECT_EQ(verify().size(), 6u);  // a blob missing, one extra, two refs, a .sig, a tuned choice
}

TEST_F(SealedCacheTest, ASealOfAnotherDeploymentIsRefusedOrNamesNothingHere) {
  // Signed by somebody who may not seal here.
  seal(bundle(), test_key(9));
  Cache refused(settings());
  EXPECT_EQ(refused.mode(), CacheMode::kOff);
  EXPECT_NE(refused.state().find("seal.json is not signed by any of the 2 keys"), std::string::npos) << refused.state();
  EXPECT_FALSE(refused.load(first_.request, first_.nvrtc));
  EXPECT_TRUE(refused.layers().empty());
  // Signed for something else by the right one.
  const std::string document = read("seal.json");
  write("seal.json.sig", sign_file(Role::kManifest, document, {test_key(7)}));
  EXPECT_EQ(status_of([&] { load(); }), QUERN_UNTRUSTED);
  // By the right one, of other files.
  fs::create_directories(root_ / "empty");
  seal(root_ / "empty", test_key(7));
  for (const char *file : {"seal.json", "seal.json.sig"}) write(file, text_of(root_ / "empty" / file));
  expect_miss(first_, "the seal does not name it");
}

TEST_F(SealedCacheTest, SignedNonsenseIsCorrupt) {
  const std::string document = with("\"schema\": 1,", "\"schema\": 1, \"schema\": 1,");
  write("seal.json", document);
  write("seal.json.sig", sign_file(Role::kSeal, document, {test_key(7)}));
  EXPECT_EQ(status_of([&] { load(); }), QUERN_CORRUPT);
  EXPECT_EQ(Cache(settings()).mode(), CacheMode::kOff);
}

TEST_F(SealedCacheTest, AnExpiredSealIsRefused) {
  seal(bundle(), test_key(7), kTestNow + kTestDay);
  EXPECT_EQ(status_of([&] { load(kTestNow + kTestDay - 1); }), QUERN_OK);
  EXPECT_EQ(status_of([&] { load(kTestNow + kTestDay); }), QUERN_OUTDATED);
  EXPECT_EQ(status_of([&] { load(0); }), QUERN_OK) << "a clock that was never set";
  Cache cache(settings(kTestNow + kTestDay));
  EXPECT_EQ(cache.mode(), CacheMode::kOff);
  EXPECT_EQ(cache.state(), "off: " + (bundle() / "seal.json").string() +
                               " expired at 2026-11-24T08:00:00Z; seal it anew, or correct this machine's clock");
  EXPECT_FALSE(cache.load(first_.request, first_.nvrtc));
}

TEST_F(SealedCacheTest, WithoutASealOrItsSignatureThereIsNoCache) {
  fs::remove(bundle() / "seal.json.sig");
  EXPECT_EQ(status_of([&] { load(); }), QUERN_UNTRUSTED);
  EXPECT_NE(Cache(settings()).state().find("off: "), std::string::npos);
  fs::remove(bundle() / "seal.json");
  EXPECT_EQ(status_of([&] { load(); }), QUERN_NOT_FOUND);
  EXPECT_EQ(Cache(settings()).mode(), CacheMode::kOff);
  fs::create_symlink(root_ / "elsewhere", bundle() / "seal.json");
  EXPECT_EQ(status_of([&] { load(); }), QUERN_UNTRUSTED);
  EXPECT_EQ(status_of([&] { load_seal(Directory(bundle()), {}, system_seconds); }), QUERN_UNTRUSTED);
  // Nothing is made where only what is sealed counts.
  CacheSettings absent = settings();
  absent.directory = root_ / "absent";
  EXPECT_EQ(Cache(absent).mode(), CacheMode::kOff);
  EXPECT_FALSE(fs::exists(root_ / "absent"));
}

TEST_F(SealedCacheTest, LowerLayersNeedTheirOwnSeal) {
  fs::copy(bundle(), root_ / "unsealed", fs::copy_options::recursive);
  fs::remove(root_ / "unsealed/seal.json");
  CacheSettings both = settings();
  both.directory = root_ / "absent";
  both.lower = {root_ / "unsealed", bundle()};
  Cache cache(both);
  EXPECT_EQ(cache.mode(), CacheMode::kReadOnly);
  ASSERT_EQ(cache.refused_layers().size(), 1u);
  EXPECT_NE(cache.refused_layers()[0].find((root_ / "unsealed").string() + " is not used: "), std::string::npos);
  EXPECT_NE(cache.refused_layers()[0].find("seal.json does not exist"), std::string::npos) << cache.refused_layers()[0];
  EXPECT_TRUE(cache.load(first_.request, first_.nvrtc));
  // What one directory seals says nothing of another.
  fs::copy(bundle(), root_ / "other", fs::copy_options::recursive);
  const SealRequest little{{file_of(second_)}, {}, {}, {}, 0};
  publish_seal(Directory(root_ / "other"), make_seal(Directory(root_ / "other"), little, kTestNow), test_key(8));
  both.directory = root_ / "other";
  both.lower = {bundle()};
  fs::remove(bundle() / path_in(first_));
  Cache split(both);
  EXPECT_FALSE(split.load(first_.request, first_.nvrtc));
  EXPECT_EQ(split.seal_problems().size(), 2u);
  EXPECT_TRUE(split.load(second_.request, second_.nvrtc));
}

TEST_F(SealedCacheTest, TheIndexOfASealedDirectoryIsNotOpened) {
  write("index.sqlite3", "not a database");
  Cache cache(settings());
  EXPECT_TRUE(cache.load(first_.request, ""));
  EXPECT_EQ(cache.index()->path(), "");
  EXPECT_EQ(read("index.sqlite3"), "not a database");
}

TEST_F(SealedCacheTest, WithoutKeysASealMeansNothing) {
  write("seal.json", "nonsense");
  Cache cache(bundle(), CacheMode::kReadWrite);
  EXPECT_EQ(cache.state(), "read-write");
  EXPECT_TRUE(cache.load(first_.request, ""));
  EXPECT_FALSE(cache.seals_manifest(manifest_));
  EXPECT_EQ(read("seal.json"), "nonsense");
}

TEST_F(SealedCacheTest, SealingTakesWhatIsThereAndSound) {
  const Directory directory(bundle());
  const auto refused = [&](const SealRequest &request) {
    return status_of([&] { make_seal(directory, request, kTestNow); });
  };
  const std::string absent = make_entry('c').request;
  EXPECT_EQ(refused({{file_of(make_entry('c'))}, {}, {}, {}, 0}), QUERN_NOT_FOUND);
  EXPECT_EQ(refused({{"../" + file_of(first_)}, {}, {}, {}, 0}), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(refused({{}, {kC}, {}, {}, 0}), QUERN_NOT_FOUND);
  EXPECT_EQ(refused({{}, {"x"}, {}, {}, 0}), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(refused({{}, {}, {"acme/gemm/v2"}, {}, 0}), QUERN_NOT_FOUND);
  EXPECT_EQ(refused({{}, {}, {"acme/gemm/" + manifest_ + ".sig"}, {}, 0}), QUERN_CORRUPT);
  EXPECT_EQ(refused({{}, {}, {}, {"../seal.json"}, 0}), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(refused({{}, {}, {}, {}, kTestNow}), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(refused({{}, {manifest_}, {}, {}, 0}), QUERN_OK);
  // A manifest brings its files and its signatures.
  const Seal little = make_seal(directory, {{}, {manifest_}, {}, {}, 0}, kTestNow);
  EXPECT_EQ(little.files.size(), 3u);
  EXPECT_TRUE(little.allows_blob(source_));

  write(blob_path(source_), "// other\n");
  EXPECT_EQ(refused({{}, {manifest_}, {}, {}, 0}), QUERN_CORRUPT);
  fs::remove(bundle() / blob_path(source_));
  EXPECT_EQ(refused({{}, {}, {"acme/gemm/v1"}, {}, 0}), QUERN_NOT_FOUND);
  std::string bytes = read(path_in(first_));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write(path_in(first_), bytes);
  EXPECT_EQ(refused({{file_of(first_)}, {}, {}, {}, 0}), QUERN_CORRUPT);
  EXPECT_NE(message_of([&] { make_seal(directory, everything_in(directory), kTestNow); }).find(file_of(first_)),
            std::string::npos);
}

TEST_F(SealedCacheTest, SealingTheSameAgainGivesTheSameBytes) {
  const std::string document = read("seal.json"), signatures = read("seal.json.sig");
  seal(bundle(), test_key(7));
  EXPECT_EQ(read("seal.json"), document);
  EXPECT_EQ(read("seal.json.sig"), signatures);
  seal(bundle(), test_key(8));
  EXPECT_EQ(read("seal.json"), document);
  EXPECT_EQ(parse_signatures(read("seal.json.sig"))->size(), 1u);
  EXPECT_EQ(status_of([&] { load(); }), QUERN_OK);
}

TEST_F(SealedCacheTest, WhileItIsSealedAnewItStaysSealed) {
  std::atomic<bool> done{false};
  std::thread sealer([&] {
    for (int i = 1; i <= 60; ++i) {
      seal(bundle(), test_key(i % 2 == 0 ? 7 : 8), kTestNow + i * kTestDay);
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
    done = true;
  });
  int loads = 0;
  while (!done) {
    EXPECT_EQ(message_of([&] { load(); }), "");
    ++loads;
  }
  sealer.join();
  EXPECT_GT(loads, 10);
  EXPECT_EQ(load().expires, kTestNow + 60 * kTestDay);
}

TEST_F(SealedCacheTest, ASealerThatDiedLeavesASeal) {
  const std::string old_document = read("seal.json"), old_signatures = read("seal.json.sig");
  seal(bundle(), test_key(8), kTestNow + kTestDay);
  const std::string document = read("seal.json"), signatures = read("seal.json.sig");
  ASSERT_NE(document, old_document);
  // After its first file, and after its second.
  for (const std::string &present : {old_document, document}) {
    write("seal.json.sig", signatures + old_signatures);
    write("seal.json", present);
    EXPECT_EQ(message_of([&] { load(); }), "");
  }
  seal(bundle(), test_key(7));
  EXPECT_EQ(parse_signatures(read("seal.json.sig"))->size(), 1u);
}

}  // namespace
}  // namespace quern
