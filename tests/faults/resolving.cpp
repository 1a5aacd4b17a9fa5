#include "faults/resolving.hpp"

#include <new>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"
#include "runtime/base/failpoint.hpp"

namespace quern::faults {

namespace fs = std::filesystem;

WithoutSync::WithoutSync() { failpoint_arm(kNoSync); }
WithoutSync::~WithoutSync() { failpoint_arm(""); }

std::string source_of(const std::string &id, int build) { return text("// ", id, " build ", build, "\n"); }

ExitStatus resolve(const CacheSettings &settings, const Resolving &wanted, quern_status *status, int *build) {
  try {
    Cache cache(settings);
    ResolveRules rules;
    rules.offline = wanted.offline;
    const ResolvedPackage found = make_resolver(cache, {wanted.url, {}, wanted.http})
                                      ->resolve(parse_package_request(wanted.id + "@1"), nullptr, rules);
    const int came = found.package->manifest.build;
    if (build != nullptr) *build = came;
    if (wanted.build != 0 && came != wanted.build) return kWrongBytes;
    const bool right = found.package->manifest.id == wanted.id &&
                       found.package->files.at("kernel.cu") == source_of(wanted.id, came) &&
                       found.verdict.trust == Trust::kSigned;
    return right ? kRight : kWrongBytes;
  } catch (const Error &error) {
    if (status != nullptr) *status = error.status();
    return kFailedCleanly;
  } catch (const std::bad_alloc &) {
    if (status != nullptr) *status = QUERN_OUT_OF_MEMORY;
    return kFailedCleanly;
  }
}

void expect_sound(const CacheSettings &settings, const std::string &after) {
  const int sound = run("", [&] {
    Cache cache(settings);
    std::string wrong;
    cache.check(true, true, [&](const CacheProblem &problem) {
      // The index may be behind the files, and a ref that a prune was about to remove may lead nowhere.
      const bool expected =
          problem.what.rfind("the index ", 0) == 0 || problem.what == "its manifest is not in the cache";
      if (!expected) wrong += problem.path + ": " + problem.what + "\n";
      return true;
    });
    const CacheCheck again = cache.check(true, false, [](const CacheProblem &) { return true; });
    if (wrong.empty() && again.problems == 0) return 0;
    std::fprintf(stderr, "%s%ld left\n", wrong.c_str(), static_cast<long>(again.problems));
    return 1;
  });
  ASSERT_EQ(sound, 0) << after;
}

std::map<std::string, std::string> tree_of(const fs::path &directory) {
  std::map<std::string, std::string> tree;
  for (const fs::directory_entry &item : fs::recursive_directory_iterator(directory)) {
    std::string &what = tree[item.path().lexically_relative(directory).string()];
    if (item.is_symlink()) {
      what = "-> " + fs::read_symlink(item.path()).string();
    } else if (item.is_regular_file()) {
      what = "file " + text_of(item.path());
    } else {
      what = "folder";
    }
  }
  return tree;
}

}  // namespace quern::faults
