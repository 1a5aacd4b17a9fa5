#include "registry/format/package_path.hpp"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "hostile_paths.hpp"
#include "package_builder.hpp"
#include "registry/package/package.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

TEST(PackagePaths, RefusesHostilePaths) {
  EXPECT_GE(hostile_paths().size(), 60u);
  for (const std::string &path : hostile_paths()) {
    PackagePaths paths;
    const std::string problem = paths.add(path);
    EXPECT_NE(problem, "") << path;
    EXPECT_LT(problem.size(), 400u) << path.size();
  }
}

TEST(PackagePaths, TheyAreRefusedWhereAManifestIsRead) {
  for (const std::string &path : hostile_paths()) {
    nlohmann::json manifest = gemm_manifest("you/gemm", {gemm_variant("a")});
    manifest["files"].push_back(path);
    std::string document;
    try {
      document = manifest.dump();
    } catch (const nlohmann::json::exception &) {  // not UTF-8: as a hostile writer would write it
      manifest["files"].back() = "@PATH@";
      document = manifest.dump();
      document.replace(document.find("@PATH@"), 6, path);
    }
    try {
      parse_manifest(document, "k");
      ADD_FAILURE() << path;
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), QUERN_BAD_MANIFEST) << path;
    }
  }
}

TEST(PackagePaths, TakesPlainPaths) {
  PackagePaths paths;
  for (const char *path : {"gemm.cu", "LICENSE", "a/b/c/d/e/f/g/h.cuh", "a-b_c.d/x", "1/2", "refs/v1", "console.cu",
                           "com10", "nul-1", "x..cu", "com", "kernel.json.in", "sub/kernel.json", "-", "_"}) {
    EXPECT_EQ(paths.add(path), "") << path;
  }
  EXPECT_EQ(PackagePaths().add(std::string(200, 'a')), "");
}

TEST(PackagePaths, RefusesPathsThatClash) {
  const std::pair<std::vector<std::string>, const char *> clashes[] = {
      {{"a.cu", "a.cu"}, ": a.cu is listed twice"},
      {{"a.cu", "A.CU"}, ": A.CU is listed twice"},
      {{"inc/a.cu", "inc/A.cu"}, ": inc/A.cu is listed twice"},
      {{"a", "a/b"}, ": a/b is below a, which is a file; rename one"},
      {{"a", "A/b/c"}, ": A/b/c is below a, which is a file; rename one"},
      {{"a/b/c", "a/b"}, ": a/b is a folder of another file; rename one"},
      {{"a/b/c", "A"}, ": A is a folder of another file; rename one"},
      {{"inc/a", "Inc/b"}, ": Inc/b and inc differ in case alone; write the folder in one way"}};
  for (const auto &[list, message] : clashes) {
    PackagePaths paths;
    EXPECT_EQ(paths.add(list[0]), "");
    EXPECT_EQ(paths.add(list[1]), message);
  }
}

TEST(PackageId, IsOwnerAndName) {
  for (const char *id : {"a/b", "acme/mxfp4-gemm", "A_1.x/y.z", "quern/mxfp4-gemm"})
    EXPECT_TRUE(is_package_id(id)) << id;
  using namespace std::string_literals;
  for (const std::string &id : {""s, "a"s, "/"s, "a/"s, "/b"s, "a/b/c"s, "../b"s, "a/.."s, "a/.b"s, ".a/b"s, "a b/c"s,
                                "a/b\n"s, "a/b\0"s, "\xc3\xa9/b"s, "a\\b/c"s, "a/" + std::string(95, 'b')}) {
    EXPECT_FALSE(is_package_id(id)) << id;
  }
}

}  // namespace
}  // namespace quern
