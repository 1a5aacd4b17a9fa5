// Memory runs out while a registry is published and while a deployment is locked, rooted and sealed: whoever tries
// again succeeds. (For compiling and resolving see kill_fault_test.cpp and resolve_fault_test.cpp.)
#include <gtest/gtest.h>

#include "faults/resolving.hpp"
#include "registry/cache/cache_roots.hpp"
#include "registry/cache/sealing.hpp"
#include "registry/trust/lock_file.hpp"
#include "runtime/base/error.hpp"

namespace quern::faults {
namespace {

namespace fs = std::filesystem;

// What `body` ends with, memory or not.
template <typename Body>
ExitStatus ended(Body body) {
  try {
    return body() ? kRight : kWrongBytes;
  } catch (const Error &) {
    return kFailedCleanly;
  } catch (const std::bad_alloc &) {
    return kFailedCleanly;
  }
}

class MemoryFault : public testing::Test {
 protected:
  PackedPackage packed(int build) const {
    nlohmann::json manifest = gemm_manifest("acme/gemm", {gemm_variant("a")});
    manifest["build"] = build;
    return pack(write_package(root_ / ("build " + std::to_string(build)), manifest, source_of("acme/gemm", build)));
  }

  const WithoutSync without_sync_;
  const TemporaryDirectory root_;
};

TEST_F(MemoryFault, WhilePublishing) {
  const PackedPackage first = packed(7), second = packed(8);
  const auto published = [&](const CacheSettings &settings) {
    return ended([&] {
      PublishedRegistry registry(settings.directory.parent_path() / "registry");
      registry.publish_packed(first);
      registry.publish_packed(second);
      return true;
    });
  };
  const int calls = each_allocation_fails(published, [&](const CacheSettings &settings, const std::string &after) {
    ASSERT_EQ(published(settings), kRight) << after;
    const std::string url = "file://" + (settings.directory.parent_path() / "registry").string();
    ASSERT_EQ(resolve(settings, {url, "acme/gemm", 8, false, {}}), kRight) << after;
  });
  std::printf("memory ran out at %d allocations of publishing, once and for good: clean, nothing poisoned\n", calls);
  EXPECT_GT(calls, 50);
}

// Resolves, locks, keeps and seals a package. Whether each file reads back as what was written.
bool deploy(const CacheSettings &settings, const std::string &url) {
  Cache cache(settings);
  const ResolvedPackage found =
      make_resolver(cache, {url, {}, {}})->resolve(parse_package_request("acme/gemm@1"), nullptr, {});
  const LockFile lock = parse_lock_file(write_lock_file({found.pin}), "quern.lock");
  if (cache.mode() != CacheMode::kReadWrite) fail(QUERN_OUT_OF_MEMORY, "no cache");
  const Directory &directory = *cache.writable();
  write_root(directory, {"deployment", {found.pin.manifest}, {}});
  publish_seal(directory, make_seal(directory, everything_in(directory), system_seconds()), test_key(4));
  const Seal seal = load_seal(directory, {test_key(4).public_key()}, system_seconds);
  const CacheRoots roots = read_roots(directory);
  return lock.find_manifest("acme/gemm", found.pin.manifest) != nullptr && roots.known() &&
         roots.keeps_manifest(found.pin.manifest) && seal.allows_manifest(found.pin.manifest);
}

TEST_F(MemoryFault, WhileLockingAndSealing) {
  PublishedRegistry registry(root_ / "registry");
  registry.publish_packed(packed(7));
  const auto deployed = [&](const CacheSettings &settings) {
    return ended([&] { return deploy(settings, registry.url()); });
  };
  const int calls = each_allocation_fails(deployed, [&](const CacheSettings &settings, const std::string &after) {
    ASSERT_EQ(deployed(settings), kRight) << after;
  });
  std::printf("memory ran out at %d allocations of a deployment, once and for good: clean, nothing poisoned\n", calls);
  EXPECT_GT(calls, 50);
}

}  // namespace
}  // namespace quern::faults
