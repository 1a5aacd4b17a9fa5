#include "registry/package/package.hpp"

#include <set>

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

// kernel.cu includes tile.cuh, which includes deep/inner.h.
class PackageTest : public testing::Test {
 protected:
  PackageTest() {
    manifest_["files"] = {"kernel.cu", "tile.cuh", "deep/inner.h"};
    write_package(directory_.path(), manifest_, "#include <quern/gemm_params.h>\n#include \"tile.cuh\"\n");
    write_text(directory_ / "tile.cuh", "#include <deep/inner.h>\n");
    write_text(directory_ / "deep/inner.h", "// in\n");
  }
  void write_manifest() { write_text(directory_ / "kernel.json", manifest_.dump()); }
  std::shared_ptr<const Package> load() const { return load_package(directory_.path()); }
  void expect_refused(const std::string &reason, quern_status status = QUERN_BAD_MANIFEST) const {
    try {
      load();
      ADD_FAILURE() << "accepted; expected: " << reason;
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), status);
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  }

  TemporaryDirectory directory_;
  nlohmann::json manifest_ = gemm_manifest("you/test", {gemm_variant("one")});
};

TEST_F(PackageTest, RefusesADirectoryWithoutManifest) {
  fs::remove(directory_ / "kernel.json");
  expect_refused("holds no readable kernel.json", QUERN_NOT_FOUND);
  fs::create_symlink(directory_ / "tile.cuh", directory_ / "kernel.json");
  expect_refused("holds no readable kernel.json", QUERN_NOT_FOUND);
}

TEST_F(PackageTest, RefusesAMissingFile) {
  fs::remove(directory_ / "deep/inner.h");
  expect_refused("deep/inner.h is listed and cannot be read");
  fs::create_directory(directory_ / "deep/inner.h");
  expect_refused("deep/inner.h is listed and cannot be read");
}

TEST_F(PackageTest, RefusesLinksOutOfThePackage) {
  const TemporaryDirectory outside;
  write_text(outside / "inner.h", "// out\n");
  fs::remove(directory_ / "deep/inner.h");
  fs::create_symlink(outside / "inner.h", directory_ / "deep/inner.h");
  expect_refused("deep/inner.h is listed and cannot be read");
  fs::remove_all(directory_ / "deep");
  fs::create_directory_symlink(outside.path(), directory_ / "deep");
  expect_refused("deep/inner.h is listed and cannot be read");
}

TEST_F(PackageTest, RefusesAnIncludeThatIsNotListed) {
  for (const char *include : {"other.h", "/etc/passwd", "../tile.cuh", "inner.h", "cuda_fp16.h", "quern/../tile.cuh"}) {
    write_text(directory_ / "tile.cuh", "#include <" + std::string(include) + ">\n");
    expect_refused("you/test/tile.cuh includes " + std::string(include) + ", which neither its manifest lists");
  }
}

TEST_F(PackageTest, RefusesAFileWithAnotherHash) {
  const std::string right = hex(sha256(as_bytes("// in\n")));
  manifest_["files"][2] = {{"path", "deep/inner.h"}, {"sha256", right}};
  write_manifest();
  EXPECT_NO_THROW(load());
  write_text(directory_ / "deep/inner.h", "// on\n");
  expect_refused("deep/inner.h has sha256 " + hex(sha256(as_bytes("// on\n"))));
}

TEST_F(PackageTest, DigestChangesWithEveryByteOfEveryFile) {
  std::set<std::string> digests{load()->digest};
  for (const char *name : {"kernel.cu", "tile.cuh", "deep/inner.h"}) {
    const std::string original = text_of(directory_ / name);
    for (size_t i = 0; i <= original.size(); ++i) {
      // A blank more keeps the source sound at any place of these files but within a name.
      std::string changed = original;
      changed.insert(i, 1, ' ');
      write_text(directory_ / name, changed);
      try {
        digests.insert(load()->digest);
      } catch (const Error &) {
        digests.insert(std::string(name) + std::to_string(i));
      }
    }
    write_text(directory_ / name, original);
  }
  const std::string manifest = text_of(directory_ / "kernel.json");
  write_text(directory_ / "kernel.json", manifest + " ");
  digests.insert(load()->digest);
  size_t bytes = 0;
  const auto package = load();
  for (const auto &[name, content] : package->files) bytes += content.size() + 1;
  // Equal texts come of a blank before or behind another, and only of those.
  EXPECT_GT(digests.size(), bytes - 8);
  write_text(directory_ / "kernel.json", manifest);
  EXPECT_EQ(digests.count(load()->digest), 1u);
}

TEST_F(PackageTest, DigestKnowsNoPath) {
  const TemporaryDirectory elsewhere;
  fs::copy(directory_.path(), elsewhere / "copy", fs::copy_options::recursive);
  const auto copy = load_package(elsewhere / "copy");
  EXPECT_EQ(copy->digest, load()->digest);
  EXPECT_NE(copy->origin, load()->origin);
}

TEST_F(PackageTest, SourceHoldsExactlyTheHeadersItNeeds) {
  manifest_["files"].push_back("unused.h");
  write_manifest();
  write_text(directory_ / "unused.h", "");
  const auto package = load();
  const UnitSource &source = *package->source(package->manifest.variants[0]);
  EXPECT_EQ(source.name, "kernel.cu");
  std::map<std::string, std::string> headers(source.headers.begin(), source.headers.end());
  EXPECT_EQ(headers.size(), source.headers.size());
  EXPECT_EQ(headers["deep/inner.h"], "// in\n");
  for (const char *needed : {"tile.cuh", "quern/gemm_params.h", "quern/mxfp4.h"})
    EXPECT_EQ(headers.count(needed), 1u) << needed;
  for (const char *other : {"unused.h", "kernel.cu", "quern/dequantize_params.h"})
    EXPECT_EQ(headers.count(other), 0u) << other;
}

TEST_F(PackageTest, IncludesMayBeCircular) {
  write_text(directory_ / "deep/inner.h", "#pragma once\n#include <tile.cuh>\n");
  EXPECT_NO_THROW(load());
}

TEST_F(PackageTest, AnIncludeInAVariantsUnitIsCheckedAtLoad) {
  write_text(directory_ / "kernel.cu", "#include HEADER\n");
  expect_refused("you/test/kernel.cu: \"#include HEADER\" is not a plain #include");
}

TEST(BuiltinPackages, AreSound) {
  const auto packages = builtin_packages();
  ASSERT_EQ(packages.size(), 4u);
  for (const auto &package : packages) {
    EXPECT_EQ(package->origin, "built-in");
    EXPECT_TRUE(is_hex_digest(package->digest));
    EXPECT_EQ(package->manifest.id.rfind("quern/", 0), 0u);
    const Variant &variant = package->manifest.variants[0];
    EXPECT_EQ(package->kernel_name(variant), package->manifest.id + ":" + variant.name);
  }
}

}  // namespace
}  // namespace quern
