// From a compile unit to its code: memory, disk, NVRTC, and what happens where one of them is missing.
#include "runtime/hub/kernel_store.hpp"

#include <thread>

#include "nvrtc_required.hpp"
#include "registry/cache/sealing.hpp"
#include "registry/package/package.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

const Log kSilent(static_cast<quern_log_level>(0), nullptr, nullptr);

struct Store {
  Store(const fs::path &directory, CacheMode mode = CacheMode::kReadWrite, bool jit_allowed = true,
        const std::string &nvrtc_path = "")
      : cache(directory, mode), nvrtc(nvrtc_path, read_environment()), store(cache, nvrtc, jit_allowed, kSilent) {}
  Cache cache;
  Nvrtc nvrtc;
  KernelStore store;
};

CompileUnit unit_of(const std::string &source) {
  UnitFields unit;
  unit.source = std::make_shared<UnitSource>(
      UnitSource{"kernel.cu", source, {{"seven.h", "#define SEVEN 7\n"}}, hex(sha256(as_bytes(source)))});
  unit.target = parse_target("sm_80");
  unit.options = {"--gpu-architecture=sm_80", "--ptxas-options=-v"};
  unit.entry = "k";
  unit.parameter_sizes = {8};
  unit.kernel = "you/test:one";
  unit.digest = std::string(64, 'd');
  return CompileUnit(std::move(unit));
}

const CompileUnit kSound = unit_of("#include \"seven.h\"\nextern \"C\" __global__ void k(int *p) { *p = SEVEN; }\n");
constexpr const char *kAbsent = "/nonexistent/libnvrtc.so.13";

template <typename Body>
Error error_of(Body body) {
  try {
    body();
  } catch (const Error &error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {QUERN_OK, ""};
}

#define EXPECT_SAYS(error, part) EXPECT_NE(std::string((error).what()).find(part), std::string::npos) << (error).what()

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { require_nvrtc(Nvrtc("", read_environment()).missing()); }
  fs::path entry_file() const {
    for (const auto &item : fs::recursive_directory_iterator(directory_ / "jit")) {
      if (item.path().extension() == ".qkc") return item.path();
    }
    return {};
  }
  TemporaryDirectory directory_;
};

TEST_F(StoreTest, ForbiddenToCompileAMissSaysWhatAndWhere) {
  Store empty(directory_.path(), CacheMode::kReadWrite, false);
  const Error error = error_of([&] { empty.store.get(kSound); });
  EXPECT_EQ(error.status(), QUERN_JIT_FORBIDDEN);
  EXPECT_SAYS(error,
              "you/test:one for sm_80 is not in the cache and compiling is forbidden; run quern prefetch --arch sm_80");
}

TEST_F(StoreTest, WhatIsNotAsItWasSealedIsNamed) {
  CacheEntry entry;
  entry.request = kSound.request();
  entry.nvrtc = "13.0.88-1";
  entry.target = "sm_80";
  std::string problem;
  ASSERT_TRUE(Cache(directory_.path(), CacheMode::kReadWrite).publish(entry, problem)) << problem;
  const Directory directory(directory_.path());
  const SecretKey key = SecretKey::generate();
  publish_seal(directory, make_seal(directory, everything_in(directory), kEarliestNow), key);
  CacheSettings settings;
  settings.directory = directory_.path();
  settings.seal_keys = {key.public_key()};
  Nvrtc nvrtc(kAbsent, read_environment());
  Cache whole(settings);
  EXPECT_TRUE(KernelStore(whole, nvrtc, false, kSilent).get(kSound).from_cache);
  const fs::path file = entry_file();
  fs::remove(file);
  Cache lacking(settings);
  const Error error = error_of([&] { KernelStore(lacking, nvrtc, false, kSilent).get(kSound); });
  EXPECT_EQ(error.status(), QUERN_JIT_FORBIDDEN);
  EXPECT_SAYS(error, "not in the cache as it was sealed (" + file.string() + ": the seal names it and it is missing)");
}

TEST_F(StoreTest, WithoutNvrtcAMissNamesThePlaceTried) {
  Store without(directory_.path(), CacheMode::kReadWrite, true, kAbsent);
  const Error error = error_of([&] { without.store.get(kSound); });
  EXPECT_EQ(error.status(), QUERN_NVRTC_UNAVAILABLE);
  EXPECT_SAYS(error, "you/test:one for sm_80 is not in the cache and cannot be compiled");
  EXPECT_SAYS(error, std::string("tried ") + kAbsent);
}

TEST_F(StoreTest, WhatDoesNotCompileIsNotKept) {
  Store store(directory_.path());
  const Error error = error_of([&] { store.store.get(unit_of("#error this way\n")); });
  EXPECT_EQ(error.status(), QUERN_COMPILE_FAILED);
  EXPECT_SAYS(error, "cannot compile you/test:one for sm_80: ");
  EXPECT_NE(error.log().find("this way"), std::string::npos);
  EXPECT_EQ(entry_file(), "");
  EXPECT_EQ(store.store.stats().compiles, 0);
}

TEST_F(StoreTest, AnEntryThatLiesIsNotKept) {
  Store store(directory_.path());
  const Error missing = error_of([&] { store.store.get(unit_of("extern \"C\" __global__ void other(int *p) {}\n")); });
  EXPECT_EQ(missing.status(), QUERN_BAD_MANIFEST);
  EXPECT_SAYS(missing, "you/test:one has no kernel k; declare it extern \"C\" __global__");
  const Error wrong = error_of([&] { store.store.get(unit_of("extern \"C\" __global__ void k(int *p, int n) {}\n")); });
  EXPECT_EQ(wrong.status(), QUERN_BAD_MANIFEST);
  EXPECT_SAYS(wrong, "k takes parameters of 8 + 4 bytes, not 8;");
  EXPECT_EQ(entry_file(), "");
}

TEST_F(StoreTest, ATargetThatNvrtcDoesNotKnowIsUnsupported) {
  UnitFields unit = *kSound;
  unit.target = parse_target("sm_999");
  Store store(directory_.path());
  const Error error = error_of([&] { store.store.get(CompileUnit(unit)); });
  EXPECT_EQ(error.status(), QUERN_UNSUPPORTED);
  EXPECT_SAYS(error, "cannot compile for sm_999a; install a newer one");
}

TEST_F(StoreTest, HeadersComeFromMemoryOnly) {
  write_text(directory_ / "host.h", "#define HOST 1\n");
  UnitFields unit = *unit_of("#include \"host.h\"\nextern \"C\" __global__ void k(int *p) {}\n");
  unit.options.push_back("--no-source-include");
  const fs::path before = fs::current_path();
  fs::current_path(directory_.path());
  Store store(directory_ / "cache");
  EXPECT_EQ(error_of([&] { store.store.get(CompileUnit(unit)); }).status(), QUERN_COMPILE_FAILED);
  fs::current_path(before);
}

TEST_F(StoreTest, CompilesThenHitsTheDisk) {
  std::vector<uint8_t> code;
  {
    Store first(directory_.path());
    const KernelStore::Code made = first.store.get(kSound);
    EXPECT_FALSE(made.from_cache);
    EXPECT_TRUE(made.kept) << made.problem;
    EXPECT_EQ(made.warnings, "");
    EXPECT_GT(made.entry.registers, 0);
    EXPECT_EQ(made.entry.spill_bytes, 0);
    EXPECT_EQ(made.entry.digest, kSound->digest);
    EXPECT_TRUE(first.store.get(kSound).from_cache);
    EXPECT_EQ(first.store.stats().compiles, 1);
    EXPECT_EQ(first.store.stats().writes, 1);
    EXPECT_EQ(first.store.stats().disk_hits, 1);
    code = made.entry.code;
  }
  Store second(directory_.path());
  const KernelStore::Code found = second.store.get(kSound);
  EXPECT_TRUE(found.from_cache);
  EXPECT_EQ(found.entry.code, code);
  EXPECT_EQ(second.store.stats().compiles, 0);
  EXPECT_EQ(second.store.stats().disk_hits, 1);
}

TEST_F(StoreTest, ThreadsCompileOnce) {
  for (const CacheMode mode : {CacheMode::kReadWrite, CacheMode::kOff}) {
    Store store(directory_.path(), mode);
    std::atomic<int> bytes{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&] { bytes += store.store.get(kSound).entry.code.size() > 0; });
    threads.clear();
    EXPECT_EQ(bytes, 8);
    if (mode == CacheMode::kReadWrite) {
      EXPECT_EQ(store.store.stats().compiles, 1);
      EXPECT_EQ(store.store.stats().disk_hits, 7);
    }
  }
}

TEST_F(StoreTest, AFullCacheServesWithoutNvrtcAndWhereCompilingIsForbidden) {
  Store(directory_.path()).store.get(kSound);
  Store without(directory_.path(), CacheMode::kReadWrite, true, kAbsent);
  EXPECT_TRUE(without.store.get(kSound).from_cache);
  Store forbidden(directory_.path(), CacheMode::kReadOnly, false, kAbsent);
  EXPECT_TRUE(forbidden.store.get(kSound).from_cache);
}

TEST_F(StoreTest, ADamagedEntryIsReplaced) {
  Store(directory_.path()).store.get(kSound);
  const fs::path file = entry_file();
  const std::string good = text_of(file);
  for (const std::string &damage : {std::string(), good.substr(0, good.size() / 2), std::string(good.size(), '\0')}) {
    write_text(file, damage);
    Store forbidden(directory_.path(), CacheMode::kReadWrite, false);
    EXPECT_EQ(error_of([&] { forbidden.store.get(kSound); }).status(), QUERN_JIT_FORBIDDEN);
    EXPECT_EQ(forbidden.cache.corrupt_seen(), 1);
    EXPECT_FALSE(fs::exists(file)) << "set aside by whoever sees it first";
    Store store(directory_.path());
    EXPECT_FALSE(store.store.get(kSound).from_cache);
    EXPECT_EQ(store.cache.corrupt_seen(), 0);
    EXPECT_NE(text_of(file), damage);
    EXPECT_TRUE(Store(directory_.path()).store.get(kSound).from_cache);
  }
}

TEST_F(StoreTest, WithoutACacheItCompilesAndSaysSo) {
  Store off("", CacheMode::kReadWrite);
  const KernelStore::Code made = off.store.get(kSound);
  EXPECT_FALSE(made.kept);
  EXPECT_EQ(made.problem, "off: no directory; set QUERN_CACHE_DIR or HOME");
  EXPECT_FALSE(made.entry.code.empty());
}

TEST_F(StoreTest, AFailureToKeepIsNoFailure) {
  Store store(directory_.path());
  fs::remove_all(directory_ / "tmp");
  write_text(directory_ / "tmp", "in the way");
  const KernelStore::Code made = store.store.get(kSound);
  EXPECT_FALSE(made.kept);
  EXPECT_NE(made.problem.find((directory_ / "tmp").string()), std::string::npos) << made.problem;
  EXPECT_EQ(store.store.stats().writes, 0);
}

TEST_F(StoreTest, TheBuildOfNvrtcIsRememberedWithoutOpeningIt) {
  std::string build;
  {
    Store first(directory_.path());
    build = first.store.build();
    EXPECT_NE(build.find('-'), std::string::npos) << build;
  }
  Store second(directory_.path());
  ASSERT_TRUE(second.nvrtc.file_identity());
  EXPECT_EQ(second.cache.index()->toolchain(*second.nvrtc.file_identity()), build);
  second.cache.index()->put_toolchain(*second.nvrtc.file_identity(), "remembered");
  EXPECT_EQ(second.store.build(), "remembered");
}

}  // namespace
}  // namespace quern
