#include "registry/package_path.hpp"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/package.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

std::string repeated(const std::string &part, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += part;
  return out;
}

// Paths that no package may have, whatever else it has.
std::vector<std::string> hostile_paths() {
  using namespace std::string_literals;
  return {
      // out of the package
      "../x.cu", "..", "a/..", "a/../x.cu", "a/../../x.cu", "../../../../etc/passwd", "a/b/../../../x", "./x.cu", ".",
      "a/./b.cu", "a/.", "...", "a/.../b", "/etc/passwd", "/", "//x.cu", "//server/share/x", "~/x.cu", "~root/x.cu",
      "$HOME/x.cu", "%2e%2e/x.cu", "..%2fx.cu", "\xef\xbc\x8e\xef\xbc\x8e/x.cu", "file:///etc/passwd", "..;/x.cu",
      // other systems' separators, drives, devices
      "\\", "a\\b.cu", "..\\x.cu", "C:\\x.cu", "C:x.cu", "C:/x.cu", "\\\\server\\x", "\\\\?\\C:\\x", "refs\\v1", "CON",
      "con", "Nul", "aux.cuh", "a/PRN", "COM1", "com9.txt", "a/lpt1.cu", "x.cu:stream", "x.cu::$DATA",
      // empty parts and odd ends
      "", "a//b.cu", "a/", "/a", "a/b/", " ", "x.cu ", " x.cu", "x.cu.", "a./b.cu", "a /b.cu", "a.", "x.cu\n", "x\r.cu",
      // hidden files and look-alikes of the cache's own
      ".hidden", "a/.hidden/b.h", ".quern-ok", ".git/config", "a/.git", "../refs/v1", "/refs/v1", "refs//v1",
      "./refs/v1", "kernel.json", "KERNEL.JSON", "kernel.json.sig",
      // bytes that are no plain characters
      "a\0b.cu"s, "\0"s, "x.cu\0.png"s, "x\ty.cu", "x\x01.cu", "x\x7f.cu", "x\x1b[31m.cu", "caf\xc3\xa9.cu",
      "cafe\xcc\x81.cu", "x\xff.cu", "\xc0\xae\xc0\xae/x.cu", "x\xe2\x80\xae.cu", "\xe2\x80\x8b.cu", "a b.cu", "a*b.cu",
      "a?b.cu", "a\"b.cu", "a'b.cu", "a|b.cu", "a<b.cu", "a;b.cu", "a&b.cu", "a`b.cu", "a$b.cu", "-\n.cu", "@x.cu",
      // too much
      std::string(201, 'a'), std::string(4096, 'a'), repeated("a/", 8) + "b", repeated("a/", 300) + "b",
      repeated("../", 50) + "x", std::string(70000, '/')};
}

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
