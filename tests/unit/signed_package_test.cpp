#include "registry/publish/signed_package.hpp"

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/trust/signed_file.hpp"
#include "simulated_registry.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

class SignedPackageTest : public ::testing::Test {
 protected:
  SignedPackageTest() { write_package(author_, gemm_manifest("acme/gemm", {gemm_variant("a")})); }

  std::vector<std::string> signers(const SignedPackage &made, const std::vector<SecretKey> &keys) {
    return valid_signers(made.package.document, made.signatures, Role::kManifest, test_keys(keys));
  }
  // Everything in the folder of `author_`, so that what is left behind shows.
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const auto &item : fs::directory_iterator(work_.path())) names.push_back(item.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryDirectory work_;
  fs::path author_ = work_ / "author", output_ = work_ / "output";
};

TEST_F(SignedPackageTest, SignsWithEachKey) {
  const SignedPackage made = sign_package(author_, {test_key(1), test_key(2)});
  EXPECT_EQ(signers(made, {test_key(1), test_key(2), test_key(3)}).size(), 2u);
  EXPECT_EQ(sign_package(author_, {}).signatures, "");
  require_signers(made, {test_key(1).public_key(), test_key(2).public_key()});
  EXPECT_NE(message_of([&] {
              require_signers(made, {test_key(1).public_key(), test_key(3).public_key()});
            }).find(test_key(3).public_key().text()),
            std::string::npos);
  EXPECT_EQ(status_of([&] { require_signers(sign_package(author_, {}), {test_key(1).public_key()}); }),
            QUERN_UNTRUSTED);
}

TEST_F(SignedPackageTest, WhatIsWrittenPacksToItselfAndKeepsItsSignatures) {
  const SignedPackage first = sign_package(author_, {test_key(1)});
  write_package_directory(output_, first);
  EXPECT_EQ(text_of(output_ / "kernel.json"), first.package.document);
  EXPECT_EQ(text_of(output_ / "kernel.json.sig"), first.signatures);
  EXPECT_EQ(text_of(output_ / "kernel.cu"), kEmptyGemm);
  EXPECT_EQ(fs::status(output_ / "kernel.json").permissions(), fs::perms(0644));
  const SignedPackage again = sign_package(output_, {});
  EXPECT_EQ(again.package.document, first.package.document);
  EXPECT_EQ(again.signatures, first.signatures);
  // A second author adds, the first signs anew: each key once.
  const SignedPackage both = sign_package(output_, {test_key(2), test_key(1)});
  EXPECT_EQ(parse_signatures(both.signatures)->size(), 2u);
  EXPECT_EQ(signers(both, {test_key(1), test_key(2)}).size(), 2u);
}

TEST_F(SignedPackageTest, SignaturesOfSomethingElseAreLeftOut) {
  const SignedPackage first = sign_package(author_, {test_key(1)});
  write_text(author_ / "kernel.json.sig", first.signatures);
  const SignedPackage unsigned_package = sign_package(author_, {});
  EXPECT_EQ(unsigned_package.signatures, "");
  EXPECT_TRUE(unsigned_package.left_out_sig);
  EXPECT_EQ(unsigned_package.package.warnings.back(),
            "kernel.json.sig is not of the package as it is published and is left out");
  EXPECT_EQ(parse_signatures(sign_package(author_, {test_key(2)}).signatures)->size(), 1u);
}

TEST_F(SignedPackageTest, RefusesWhatIsNoSignatureFile) {
  write_package_directory(output_, sign_package(author_, {test_key(1)}));
  for (const char *bad : {"", "none", "a b\n"}) {
    write_text(output_ / "kernel.json.sig", bad);
    EXPECT_EQ(status_of([&] { sign_package(output_, {test_key(1)}); }), QUERN_BAD_MANIFEST) << bad;
  }
  fs::remove(output_ / "kernel.json.sig");
  fs::create_symlink(author_ / "kernel.cu", output_ / "kernel.json.sig");
  EXPECT_EQ(status_of([&] { sign_package(output_, {test_key(1)}); }), QUERN_BAD_MANIFEST);
}

TEST_F(SignedPackageTest, RefusesMoreSignaturesThanAreRead) {
  std::vector<SecretKey> keys;
  for (uint8_t i = 1; i <= kMaxSignatures; ++i) keys.push_back(test_key(i));
  write_package_directory(output_, sign_package(author_, keys));
  EXPECT_EQ(status_of([&] { sign_package(output_, {test_key(1)}); }), QUERN_OK);
  EXPECT_EQ(status_of([&] { sign_package(output_, {test_key(99)}); }), QUERN_INVALID_ARGUMENT);
}

TEST_F(SignedPackageTest, NeverWritesOverWhatIsThere) {
  const SignedPackage made = sign_package(author_, {});
  write_text(output_ / "precious", "x");
  EXPECT_EQ(status_of([&] { write_package_directory(output_, made); }), QUERN_INVALID_ARGUMENT);
  write_text(work_ / "file", "x");
  EXPECT_EQ(status_of([&] { write_package_directory(work_ / "file", made); }), QUERN_INVALID_ARGUMENT);
  fs::create_symlink(work_ / "elsewhere", work_ / "link");
  EXPECT_EQ(status_of([&] { write_package_directory(work_ / "link", made); }), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([&] { write_package_directory(work_ / "file/below", made); }), QUERN_IO_ERROR);
  EXPECT_EQ(text_of(output_ / "precious"), "x");
  EXPECT_EQ(names(), (std::vector<std::string>{"author", "file", "link", "output"}));
}

TEST_F(SignedPackageTest, AnEmptyDirectoryIsTakenAndFoldersAreMade) {
  fs::create_directory(output_);
  write_package_directory(output_.string() + "/", sign_package(author_, {}));
  EXPECT_FALSE(fs::exists(output_ / "kernel.json.sig"));
  write_package_directory(work_ / "new/folder", sign_package(author_, {}));
  EXPECT_TRUE(fs::exists(work_ / "new/folder/kernel.cu"));
  EXPECT_EQ(names(), (std::vector<std::string>{"author", "new", "output"}));
}

}  // namespace
}  // namespace quern
