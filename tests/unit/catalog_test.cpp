#include "registry/package/catalog.hpp"

#include <algorithm>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "package_builder.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

const Package *find(const Catalog &catalog, const std::string &id) {
  for (const auto &package : catalog.packages()) {
    if (package->manifest.id == id) return package.get();
  }
  return nullptr;
}

std::string reason_for(const Catalog &catalog, const std::string &origin) {
  for (const RefusedPackage &refused : catalog.refused()) {
    if (refused.origin == origin) return refused.reason;
  }
  return "(not refused)";
}

class CatalogTest : public testing::Test {
 protected:
  fs::path add(const std::string &folder, const std::string &id) {
    return write_package(directory_ / folder, gemm_manifest(id, {gemm_variant("one")}));
  }
  TemporaryDirectory directory_;
};

TEST_F(CatalogTest, WhatWasResolvedComesAfterDirectoriesAndBeforeTheBuiltIn) {
  add("local", "you/local");
  const auto resolved = [&](const std::string &folder, const std::string &id) {
    auto package = std::make_shared<Package>(*load_package(add(folder, id)));
    package->trust = Trust::kSigned;
    return std::shared_ptr<const Package>(package);
  };
  const Catalog first((directory_ / "local").string());
  const Catalog waiting = first.without({"quern.lock: acme/gemm@1", "not in the cache", "acme/gemm"});
  const Catalog next =
      waiting.with({resolved("a", "acme/gemm"), resolved("b", "quern/mxfp4-gemm"), resolved("c", "you/local")});
  EXPECT_EQ(find(first, "acme/gemm"), nullptr);  // who holds the old one sees nothing of it
  EXPECT_EQ(reason_for(waiting, "quern.lock: acme/gemm@1"), "not in the cache");
  EXPECT_EQ(reason_for(next, "quern.lock: acme/gemm@1"), "(not refused)");
  EXPECT_EQ(next.packages().size(), first.packages().size() + 1);
  EXPECT_EQ(find(next, "quern/mxfp4-gemm")->trust, Trust::kSigned);
  EXPECT_NE(reason_for(next, "built-in").find("is replaced"), std::string::npos);
  EXPECT_EQ(find(next, "you/local")->trust, Trust::kLocal);
  std::vector<Trust> order;
  for (const auto &package : next.packages()) order.push_back(package->trust);
  EXPECT_EQ((std::vector<Trust>(order.begin(), order.begin() + 4)),
            (std::vector<Trust>{Trust::kLocal, Trust::kSigned, Trust::kSigned, Trust::kBuiltIn}));
  // A newer build takes the place of an older one.
  EXPECT_EQ(next.with({resolved("d", "acme/gemm")}).packages().size(), next.packages().size());
}

TEST_F(CatalogTest, MissingDirectoriesAreRefusedAndTheRestSurvives) {
  write_text(directory_ / "file", "");
  const Catalog catalog((directory_ / "absent").string() + "::" + (directory_ / "file").string() + ":");
  EXPECT_EQ(catalog.packages().size(), 4u);
  EXPECT_NE(reason_for(catalog, (directory_ / "absent").string()).find("does not exist"), std::string::npos);
  EXPECT_NE(reason_for(catalog, (directory_ / "file").string()).find("is not a directory"), std::string::npos);
  EXPECT_EQ(catalog.refused().size(), 2u);
}

TEST_F(CatalogTest, ABrokenPackageIsRefusedWithItsReasonAndOthersSurvive) {
  add("a", "you/a");
  const fs::path broken = add("b", "you/b");
  write_text(broken / "kernel.json", "{\"schema\": 1}");
  const fs::path hidden = add("c", "you/c");
  write_text(hidden / "kernel.cu", "#include </etc/passwd>\n");
  add("d", "you/d");
  const Catalog catalog(directory_.path().string());
  EXPECT_NE(find(catalog, "you/a"), nullptr);
  EXPECT_EQ(find(catalog, "you/b"), nullptr);
  EXPECT_EQ(find(catalog, "you/c"), nullptr);
  EXPECT_NE(find(catalog, "you/d"), nullptr);
  EXPECT_NE(find(catalog, "quern/mxfp4-gemm"), nullptr);
  EXPECT_NE(reason_for(catalog, broken.string()).find("id is missing"), std::string::npos);
  EXPECT_NE(reason_for(catalog, hidden.string()).find("includes /etc/passwd"), std::string::npos);
}

TEST_F(CatalogTest, WhatEverybodyMayWriteIsRefused) {
  const fs::path open = add("open", "you/open");
  add("mine", "you/mine");
  ::chmod(open.c_str(), 0777);
  const Catalog packages(directory_.path().string());
  EXPECT_EQ(find(packages, "you/open"), nullptr);
  EXPECT_NE(find(packages, "you/mine"), nullptr);
  EXPECT_NE(reason_for(packages, open.string()).find("writable by everybody; chmod o-w"), std::string::npos);
  ::chmod(open.c_str(), 0755);
  ::chmod(directory_.path().c_str(), 0777);
  const Catalog nothing(directory_.path().string());
  EXPECT_EQ(find(nothing, "you/mine"), nullptr);
  EXPECT_NE(reason_for(nothing, directory_.path().string()).find("writable by everybody"), std::string::npos);
}

TEST_F(CatalogTest, AFileThatEverybodyMayWriteIsRefusedToo) {
  const fs::path package = add("package", "you/package");
  for (const char *file : {"kernel.json", "kernel.cu"}) {
    ::chmod((package / file).c_str(), 0666);
    const Catalog catalog(directory_.path().string());
    EXPECT_EQ(find(catalog, "you/package"), nullptr) << file;
    EXPECT_NE(reason_for(catalog, package.string()).find(file + std::string(" is writable by everybody")),
              std::string::npos);
    ::chmod((package / file).c_str(), 0644);
  }
  EXPECT_NE(find(Catalog(directory_.path().string()), "you/package"), nullptr);
}

TEST_F(CatalogTest, AnotherUsersFileIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a file to another user takes root";
  const fs::path package = add("package", "you/package");
  ASSERT_EQ(::chown((package / "kernel.cu").c_str(), 12345, 12345), 0);
  const Catalog catalog(directory_.path().string());
  EXPECT_NE(reason_for(catalog, package.string()).find("kernel.cu belongs to another user"), std::string::npos);
}

TEST_F(CatalogTest, AnotherUsersDirectoryIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a directory to another user takes root";
  const fs::path stranger = add("stranger", "you/stranger");
  ASSERT_EQ(::chown(stranger.c_str(), 12345, 12345), 0);
  const Catalog catalog(stranger.string());
  EXPECT_NE(reason_for(catalog, stranger.string()).find("belongs to another user"), std::string::npos);
}

TEST_F(CatalogTest, ADirectoryReplacesABuiltInPackage) {
  const fs::path own = add("own", "quern/mxfp4-gemm");
  const Catalog catalog(own.string());
  ASSERT_NE(find(catalog, "quern/mxfp4-gemm"), nullptr);
  EXPECT_EQ(find(catalog, "quern/mxfp4-gemm")->origin, own.string());
  EXPECT_EQ(catalog.packages().size(), 4u);
  EXPECT_EQ(reason_for(catalog, "built-in"), "quern/mxfp4-gemm is replaced by the one in " + own.string());
}

TEST_F(CatalogTest, PathsNamePackagesOrFoldersOfThemAndTheFirstWins) {
  const fs::path single = add("single", "you/same");
  add("folder/a", "you/same");
  add("folder/b", "you/other");
  add("folder/b/nested", "you/nested");  // inside a package: not looked for
  write_text(directory_ / "folder/notes/README", "");
  const Catalog catalog(single.string() + ":" + (directory_ / "folder").string());
  ASSERT_NE(find(catalog, "you/same"), nullptr);
  EXPECT_EQ(find(catalog, "you/same")->origin, single.string());
  EXPECT_NE(find(catalog, "you/other"), nullptr);
  EXPECT_EQ(find(catalog, "you/nested"), nullptr);
  EXPECT_EQ(catalog.packages().size(), 6u);
  EXPECT_EQ(catalog.refused().size(), 1u);
}

TEST(Catalog, WithoutAPathHoldsTheBuiltInPackages) {
  const Catalog catalog("");
  EXPECT_EQ(catalog.packages().size(), 4u);
  EXPECT_TRUE(catalog.refused().empty());
}

}  // namespace
}  // namespace quern
