// A registry and a cache in which somebody has changed things, seen through the whole of resolving: no wrong byte is
// taken, the error is of the right class, and nothing outside the cache is touched. (T14, T17, T18, T11)
#include <algorithm>
#include <random>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "faults/resolving.hpp"
#include "hostile_paths.hpp"
#include "registry/cache/blob_store.hpp"
#include "runtime/base/error.hpp"

namespace quern::faults {
namespace {

namespace fs = std::filesystem;

class ResolveDamage : public testing::Test {
 protected:
  ResolveDamage() { registry_.publish_build("acme/gemm", 7, source_of("acme/gemm", 7)); }

  // Without a cache and a memory, so that every try begins cold.
  quern_status look() {
    Cache none("", CacheMode::kOff);
    try {
      const ResolvedPackage found = make_resolver(none, {registry_.url(), "/dev/null/none", {}})
                                        ->resolve(parse_package_request("acme/gemm@1"), nullptr, {});
      return found.package->files.at("kernel.cu") == source_of("acme/gemm", 7) ? QUERN_OK : QUERN_INTERNAL;
    } catch (const Error &error) {
      return error.status();
    }
  }
  std::vector<fs::path> files_below(const fs::path &directory) const {
    std::vector<fs::path> files;
    for (const fs::directory_entry &item : fs::recursive_directory_iterator(directory)) {
      if (item.is_regular_file() && item.file_size() > 0) files.push_back(item.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  const WithoutSync without_sync_;
  const TemporaryDirectory root_;
  PublishedRegistry registry_{root_ / "registry"};
};

std::string with_flipped_bit(std::string bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

TEST_F(ResolveDamage, NoFlippedBitAndNoBeginningOfAFileIsAccepted) {
  // Its second line holds for the timestamp before, for whoever has just read that one.
  const fs::path signatures = registry_.directory() / "timestamp.json.sig";
  write_text(signatures, text_of(signatures).substr(0, 194));
  ASSERT_EQ(look(), QUERN_OK);
  const unsigned seed = std::random_device()();
  std::mt19937_64 random(seed);
  int flips = 0, cuts = 0, accepted = 0, misnamed = 0;
  std::string kinds;
  for (const fs::path &path : files_below(registry_.directory())) {
    const std::string name = path.lexically_relative(registry_.directory()).string();
    if (name.starts_with(".tmp")) continue;
    // What holds for a file by its digest is corrupt; what is signed may be no document or have no signature.
    const bool by_digest = name.starts_with("blobs/") || name.starts_with("index/");
    // Those of the registry before its first release; nobody asks for them.
    if (name.starts_with("snapshot/1.json")) continue;
    const std::string sound = text_of(path);
    const auto judge = [&](const std::string &what) {
      const quern_status status = look();
      if (status == QUERN_OK || status == QUERN_INTERNAL) ++accepted;
      const bool right = status == QUERN_CORRUPT || (!by_digest && status == QUERN_UNTRUSTED);
      if (!right) ++misnamed;
      EXPECT_TRUE(right) << name << " " << what << ": " << status << ", seed " << seed;
    };
    // Of what is signed itself, RegistryMetadataTest flips every bit.
    for (int i = 0; i < (by_digest ? 1000 : 300) * scale(); ++i) {
      const size_t bit = random() % (sound.size() * 8);
      write_text(path, with_flipped_bit(sound, bit));
      judge(text("bit ", bit));
      ++flips;
    }
    for (size_t size = 0; size < sound.size(); ++size) {
      write_text(path, sound.substr(0, size));
      judge(text("of ", size));
      ++cuts;
    }
    write_text(path, sound);
    kinds += (kinds.empty() ? "" : ", ") + name.substr(0, name.find('/'));
    if (HasFailure()) return;
  }
  ASSERT_EQ(look(), QUERN_OK);
  std::printf("%d flipped bits and %d truncations in the files of a registry (%s): %d accepted, %d of another class\n",
              flips, cuts, kinds.c_str(), accepted, misnamed);
  EXPECT_GE(flips, (4 * 1000 + 6 * 300) *
                       scale());  // root, timestamp, snapshot, with signatures; index; manifest, signature, source
}

// What was kept of a package and of its registry. Damaged, it is not there: offline that may be an error, online all is
// as before, and then offline too.
TEST_F(ResolveDamage, DamageOfWhatIsKeptHealsByItself) {
  const CacheSettings settings = settings_of(root_ / "cache");
  const Resolving online{registry_.url(), "acme/gemm", 7, false, {}},
      offline{registry_.url(), "acme/gemm", 7, true, {}};
  ASSERT_EQ(resolve(settings, online), kRight);
  std::vector<fs::path> files = files_below(settings.directory / "blobs");
  for (const char *folder : {"refs", "trust"}) {
    for (const fs::path &path : files_below(settings.directory / folder)) files.push_back(path);
  }
  ASSERT_GE(files.size(), 2u + 2u + 8u);
  const unsigned seed = std::random_device()();
  std::mt19937_64 random(seed);
  int tried = 0, refused = 0;
  for (const fs::path &path : files) {
    const std::string sound = text_of(path);
    const auto put = [&](const std::string &bytes) {
      fs::remove(path);  // blobs are not to be written
      write_text(path, bytes);
    };
    for (int i = 0; i < 30 * scale(); ++i) {
      const bool cut = i % 3 == 2;
      const size_t bit = random() % (sound.size() * 8);
      put(cut ? sound.substr(0, bit / 8) : with_flipped_bit(sound, bit));
      const std::string where = text(path.string(), cut ? " cut at " : " bit ", bit, ", seed ", seed);
      quern_status why = QUERN_OK;
      const ExitStatus alone = resolve(settings, offline, &why);
      ASSERT_TRUE(alone == kRight || alone == kFailedCleanly) << where;
      if (alone != kRight) {
        ++refused;
        ASSERT_TRUE(why == QUERN_OFFLINE || why == QUERN_UNTRUSTED) << where << ": " << why;
      }
      ASSERT_EQ(resolve(settings, online, &why), kRight) << where << ": " << why;
      ASSERT_EQ(resolve(settings, offline, &why), kRight) << where << ": " << why;
      ++tried;
    }
  }
  expect_sound(settings, "damage");
  std::printf("%d times damage in what a cache keeps of a package: 0 accepted, %d clean errors offline, all healed\n",
              tried, refused);
  EXPECT_GT(refused, tried / 10);
}

// Manifests that a publisher whom one trusts has signed.
TEST_F(ResolveDamage, HostilePathsAreRefusedBeforeAnythingIsKept) {
  write_text(root_ / "elsewhere" / "mine", "mine");
  const CacheSettings settings = settings_of(root_ / "home" / "cache");
  Cache cache(settings);
  const auto resolver = make_resolver(cache, {registry_.url(), {}, {}});
  resolver->resolve(parse_package_request("acme/gemm@1"), nullptr, {});
  const TemporaryDirectory work;
  const PackedPackage honest =
      pack(write_package(work / "package", gemm_manifest("acme/gemm", {gemm_variant("a")}), "// hostile\n"));
  const auto tree = [&] {
    auto all = tree_of(root_.path());
    std::erase_if(all, [](const auto &item) {  // what changes with every release
      return item.first.starts_with("registry") || item.first.starts_with("home/cache/trust");
    });
    return all;
  };
  const auto before = tree();
  int build = 100, tried = 0;
  for (const std::string &path : hostile_paths()) {
    PackedPackage package = honest;
    package.manifest.build = ++build;
    nlohmann::json manifest = nlohmann::json::parse(honest.document);
    manifest["build"] = build;
    nlohmann::json file = manifest["files"][0];
    file["path"] = "@PATH@";
    manifest["files"].push_back(file);
    package.document = manifest.dump();
    bool is_text = true;
    std::string spelled = path;  // what is not UTF-8: as a hostile writer would write it
    try {
      spelled = nlohmann::json(path).dump();
      spelled = spelled.substr(1, spelled.size() - 2);
    } catch (const nlohmann::json::exception &) {
      is_text = false;
    }
    package.document.replace(package.document.find("@PATH@"), 6, spelled);
    package.digest = test_digest(package.document);
    registry_.publish_packed(package);
    const quern_status status =
        status_of([&] { resolver->resolve(parse_package_request("acme/gemm@sha256:" + package.digest), nullptr, {}); });
    // What is no JSON of UTF-8 is nobody's package.
    EXPECT_EQ(status, is_text ? QUERN_BAD_MANIFEST : QUERN_UNTRUSTED) << path;
    ++tried;
  }
  EXPECT_EQ(tree(), before);
  EXPECT_GE(tried, 60);
  std::printf("%d hostile paths in signed manifests: all refused, nothing kept, nothing outside touched\n", tried);
}

TEST_F(ResolveDamage, PlantedLinksLeadNowhere) {
  const fs::path canary = root_ / "canary";
  const CacheSettings settings = settings_of(root_ / "cache");
  const std::string manifest = test_digest("any");
  int tried = 0;
  for (const char *name :
       {"trust", "trust/main", "trust/main/index", "trust/main/index/acme", "trust/main/index/acme/gemm",
        "trust/main/root.json", "trust/main/state.json", "trust/main/timestamp.json.sig", "trust/main/lock",
        "trust/main/tmp", "refs", "refs/acme", "refs/acme/gemm", "refs/acme/gemm/v1", "blobs", "tmp", "locks"}) {
    for (const bool warm : {false, true}) {
      fs::remove_all(settings.directory);
      fs::remove_all(canary);
      for (const char *file :
           {"mine", "1.2.tmp", "state.json", "root.json", "index/acme/gemm/1.jsonl", "tmp/1.2.tmp"}) {
        write_text(canary / file, "mine");
      }
      // A cache that has all of it, or one that is just being made.
      const Resolving wanted{registry_.url(), "acme/gemm", 7, false, {}};
      if (warm) {
        ASSERT_EQ(resolve(settings, wanted), kRight);
      }
      const fs::path place = settings.directory / name;
      fs::create_directories(place.parent_path());
      fs::remove_all(place);
      fs::create_symlink(fs::path(name).has_extension() || place.filename() == "lock" ? canary / "mine" : canary,
                         place);
      const auto before = tree_of(canary);
      EXPECT_EQ(run("", [&] { return resolve(settings, wanted); }), kRight) << name;
      EXPECT_TRUE(tree_of(canary) == before) << "a link at " << name << (warm ? ", warm" : ", cold");
      ++tried;
    }
  }
  std::printf("%d links planted where a cache keeps packages: nothing outside touched\n", tried);
}

// What a program that is started from the host inherits: nothing of Quern's.
TEST_F(ResolveDamage, NoDescriptorIsInherited) {
  EXPECT_EQ(run("",
                [&] {
                  const auto is_open = [](int fd) { return ::fcntl(fd, F_GETFD) >= 0; };
                  std::set<int> before;
                  for (int fd = 0; fd < 1024; ++fd) {
                    if (is_open(fd)) before.insert(fd);
                  }
                  Cache cache(settings_of(root_ / "cache"));
                  const auto resolver = make_resolver(cache, {registry_.url(), {}, {}});
                  const auto held = cache.lock(std::string(64, 'a'), std::chrono::milliseconds(0));
                  resolver->resolve(parse_package_request("acme/gemm@1"), nullptr, {});
                  int open = 0;
                  for (int fd = 0; fd < 1024; ++fd) {
                    if (before.count(fd) != 0 || !is_open(fd)) continue;
                    ++open;
                    if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) return 1;
                  }
                  return open > 2 && held ? 0 : 2;  // the directory, the index, the lock
                }),
            0);
}

}  // namespace
}  // namespace quern::faults
