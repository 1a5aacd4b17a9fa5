#include "registry/publish/pack.hpp"

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/package/published_package.hpp"
#include "simulated_registry.hpp"

namespace quern {
namespace {

constexpr const char *kSource = "#include <quern/gemm_params.h>\n#include \"tile.cuh\"\n";

class PackTest : public ::testing::Test {
 protected:
  PackTest() : manifest_(gemm_manifest("acme/gemm", {gemm_variant("a")})) {
    manifest_["files"] = {"kernel.cu", "tile.cuh", "LICENSE"};
    write_text(directory_ / "tile.cuh", "// tile\n");
    write_text(directory_ / "LICENSE", "free\n");
    write();
  }
  void write() { write_package(directory_.path(), manifest_, kSource); }
  std::string refusal() {
    return message_of([&] { pack(directory_.path()); });
  }

  TemporaryDirectory directory_;
  nlohmann::json manifest_;
};

TEST_F(PackTest, ListsSha256AndSizeOfEveryFile) {
  const PackedPackage packed = pack(directory_.path());
  EXPECT_TRUE(packed.warnings.empty());
  EXPECT_EQ(packed.digest, test_digest(packed.document));
  EXPECT_EQ(packed.files.size(), 3u);
  const Manifest manifest = parse_published_manifest(packed.document, "k");
  ASSERT_EQ(manifest.files.size(), 3u);
  EXPECT_EQ(manifest.files[0].path, "kernel.cu");
  EXPECT_EQ(manifest.files[0].sha256, test_digest(kSource));
  EXPECT_EQ(manifest.files[0].size, static_cast<int64_t>(std::string(kSource).size()));
  EXPECT_EQ(pack(directory_.path()).document, packed.document);
}

TEST_F(PackTest, ThePublishedManifestIsTheAuthorsButForTheList) {
  const std::string before =
      "{\n\t\"x-first\" : {\"files\":[\"no\"], \"half\":0.50},\r\n  \"schema\":1, \"version\":1,\"id\":\"acme/gemm\","
      "\"summary\":\"a \\\"files\\\": [] \\u00e9\",";
  const std::string after =
      ",\"operation\":\"gemm\",\"params\":3,   \"variants\":" + manifest_["variants"].dump() + "  }\n\n";
  write_text(directory_ / "kernel.json",
             before + R"( "files": [ {"x-note":1.50,"path":"tile.cuh"} , "kernel.cu"])" + after);
  EXPECT_EQ(pack(directory_.path()).document,
            before + " \"files\": [\n    {\"path\":\"tile.cuh\",\"sha256\":\"" + test_digest("// tile\n") +
                "\",\"size\":8,\"x-note\":1.50},\n    {\"path\":\"kernel.cu\",\"sha256\":\"" + test_digest(kSource) +
                "\",\"size\":" + std::to_string(std::string(kSource).size()) + "}\n  ]" + after);
}

TEST_F(PackTest, APublishedPackagePacksToItself) {
  const std::string document = pack(directory_.path()).document;
  write_text(directory_ / "kernel.json", document);
  EXPECT_EQ(pack(directory_.path()).document, document);
}

TEST_F(PackTest, WarnsOfWhatIsLeftOut) {
  manifest_["files"] = {"kernel.cu", "tile.cuh"};
  write();
  write_text(directory_ / "notes/todo.txt", "x");
  write_text(directory_ / ".git/config", "x");
  EXPECT_EQ(
      pack(directory_.path()).warnings,
      (std::vector<std::string>{"LICENSE is not listed in files and is left out",
                                "no licence file is listed in files: nobody may know whether they may use the package",
                                "notes/todo.txt is not listed in files and is left out"}));
  EXPECT_EQ(pack(directory_.path()).files.count("notes/todo.txt"), 0u);
}

TEST_F(PackTest, RefusesIncludesThatAreNotListed) {
  manifest_["files"] = {"kernel.cu"};
  write();
  EXPECT_NE(refusal().find("includes tile.cuh, which neither its manifest lists nor Quern provides"),
            std::string::npos);
}

TEST_F(PackTest, RefusesLinks) {
  std::filesystem::remove(directory_ / "tile.cuh");
  std::filesystem::create_symlink("/etc/passwd", directory_ / "tile.cuh");
  EXPECT_NE(refusal().find("tile.cuh is listed and cannot be read as a file"), std::string::npos) << refusal();
  std::filesystem::remove(directory_ / "tile.cuh");
  EXPECT_NE(refusal(), "");
  std::filesystem::create_directory(directory_ / "tile.cuh");
  EXPECT_NE(refusal(), "");
}

TEST_F(PackTest, RefusesAListThatIsWrong) {
  manifest_["files"][1] = {{"path", "tile.cuh"}, {"sha256", std::string(64, 'a')}};
  write();
  EXPECT_NE(refusal().find("tile.cuh has sha256"), std::string::npos);
}

TEST_F(PackTest, RefusesAPackageAboveTheCaps) {
  write_text(directory_ / "tile.cuh", std::string((4 << 20) + 1, '\n'));
  EXPECT_NE(refusal(), "");
  write_text(directory_ / "tile.cuh", std::string(4 << 20, '\n'));
  EXPECT_EQ(refusal(), "");
  for (int i = 0; i < 8; ++i) {
    const std::string name = "more" + std::to_string(i);
    write_text(directory_ / name, std::string(4 << 20, 'x'));
    manifest_["files"].push_back(name);
  }
  write();
  EXPECT_NE(refusal().find("at most 33554432 are allowed"), std::string::npos) << refusal();
}

TEST_F(PackTest, AKeyInEscapesIsSaid) {
  std::string document = text_of(directory_ / "kernel.json");
  document.replace(document.find("\"files\""), 7, "\"\\u0066iles\"");
  write_text(directory_ / "kernel.json", document);
  EXPECT_NE(refusal().find("\"files\" is not found; write the key without escapes"), std::string::npos) << refusal();
}

TEST(FindMember, LooksAtTheOutermostObjectOnly) {
  const std::string document = R"( {"a":"}\"b\":1","c":{"b":[1,2]},"d":[{"b":3}],"e":-12,"f":true,"b": "x" ,"g":null})";
  const auto value = [&](const char *key) {
    const TextSpan span = find_member(document, key, "d");
    return document.substr(span.begin, span.end - span.begin);
  };
  EXPECT_EQ(value("b"), "\"x\"");
  EXPECT_EQ(value("c"), R"({"b":[1,2]})");
  EXPECT_EQ(value("e"), "-12");
  EXPECT_EQ(value("f"), "true");
  EXPECT_EQ(value("g"), "null");
  EXPECT_EQ(value("a"), R"("}\"b\":1")");
  for (const char *odd : {"", "{", "{}", "[1]", "{\"b", "{\"b\"", "{\"x\":[", "x{{{", "{\"x\":\"\\"}) {
    EXPECT_EQ(status_of([&] { find_member(odd, "z", "d"); }), QUERN_BAD_MANIFEST) << odd;
  }
}

TEST(PublishedManifest, NeedsWhatARegistryPromises) {
  nlohmann::json manifest = gemm_manifest("acme/gemm", {gemm_variant("a")});
  EXPECT_EQ(status_of([&] { parse_published_manifest(manifest.dump(), "k"); }), QUERN_BAD_MANIFEST);
  manifest["files"] = {{{"path", "kernel.cu"}, {"sha256", std::string(64, 'a')}}};
  EXPECT_EQ(status_of([&] { parse_published_manifest(manifest.dump(), "k"); }), QUERN_BAD_MANIFEST);
  manifest["files"][0]["size"] = 12;
  const Manifest parsed = parse_published_manifest(manifest.dump(), "k");
  Release release = test_release("acme/gemm", 1, 1);
  EXPECT_EQ(status_of([&] { require_release(parsed, release, "k"); }), QUERN_OK);
  for (const Release &other :
       {test_release("acme/other", 1, 1), test_release("acme/gemm", 2, 1), test_release("acme/gemm", 1, 2)}) {
    EXPECT_EQ(status_of([&] { require_release(parsed, other, "k"); }), QUERN_UNTRUSTED);
  }
}

}  // namespace
}  // namespace quern
