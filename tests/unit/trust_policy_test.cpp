#include "registry/trust/trust_policy.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "simulated_registry.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

const std::string kManifest = R"({"schema":1,"id":"acme/gemm"})";

std::string signed_by(const std::vector<SecretKey> &keys, const std::string &manifest = kManifest) {
  return sign_file(Role::kManifest, manifest, keys);
}

std::string quoted_key(uint8_t number) { return "\"" + test_key(number).public_key().text() + "\""; }

// acme has keys 1 and 2, and needs `threshold`; beta has key 3.
TrustPolicy policy(int threshold = 1, const std::string &allow = "\"acme/*\"", const std::string &revoked = "") {
  return TrustPolicy::parse(text(R"({"schema":1,"publishers":{"acme":{"keys":[)", quoted_key(1), ",", quoted_key(2),
                                 R"(],"threshold":)", threshold, R"(,"allow":[)", allow, R"(]},"beta":{"keys":[)",
                                 quoted_key(3), R"(],"allow":["beta/x"]}},"revoked":[)", revoked, "]}"),
                            "trust.json");
}

TEST(TrustPolicy, DefaultIsToDeny) {
  const Verdict verdict = TrustPolicy().judge("acme/gemm", kManifest, signed_by({test_key(1)}), false);
  EXPECT_EQ(verdict.trust, Trust::kRefused);
  EXPECT_EQ(verdict.reason, "acme/gemm is signed by nobody you trust: add a publisher to trust.json");
  EXPECT_EQ(TrustPolicy().judge("acme/gemm", kManifest, "", false).reason,
            "acme/gemm is not signed: ask its author to sign it, or lock it");
}

TEST(TrustPolicy, ASignedPackageOfAPublisher) {
  const Verdict verdict = policy().judge("acme/gemm", kManifest, signed_by({test_key(2)}), false);
  EXPECT_EQ(verdict.trust, Trust::kSigned);
  EXPECT_EQ(verdict.signer, "acme");
  EXPECT_EQ(verdict.reason, "");
}

TEST(TrustPolicy, APublisherSpeaksOnlyForItsPackages) {
  const std::string manifest = R"({"schema":1,"id":"quern/gemm"})";
  const Verdict verdict = policy().judge("quern/gemm", manifest, signed_by({test_key(1)}, manifest), false);
  EXPECT_EQ(verdict.trust, Trust::kRefused);
  EXPECT_EQ(verdict.reason,
            "quern/gemm is signed by acme, whom trust.json allows other packages only: add it to allow");
  for (const char *id : {"acmee/gemm", "acm/gemm", "beta/y", "acme"}) {
    const std::string own = text(R"({"id":")", id, "\"}");
    EXPECT_EQ(policy().judge(id, own, signed_by({test_key(1), test_key(3)}, own), false).trust, Trust::kRefused) << id;
  }
  const std::string beta = R"({"id":"beta/x"})";
  EXPECT_EQ(policy().judge("beta/x", beta, signed_by({test_key(3)}, beta), false).trust, Trust::kSigned);
  EXPECT_EQ(policy(1, "\"acme/gemm\"").judge("acme/gemm", kManifest, signed_by({test_key(1)}), false).trust,
            Trust::kSigned);
  EXPECT_EQ(policy(1, "\"acme/other\"").judge("acme/gemm", kManifest, signed_by({test_key(1)}), false).trust,
            Trust::kRefused);
}

TEST(TrustPolicy, AManifestOfAnotherPackageIsRefusedThoughSigned) {
  const std::string other = R"({"id":"acme/other"})";
  Verdict verdict = policy().judge("acme/gemm", other, signed_by({test_key(1)}, other), false);
  EXPECT_EQ(verdict.trust, Trust::kRefused);
  EXPECT_EQ(verdict.reason,
            "acme/gemm is not what it should be: its manifest is of acme/other; ask who runs the registry");
  EXPECT_EQ(policy().judge("acme/gemm", other, "", true).trust, Trust::kRefused);
  EXPECT_EQ(policy().judge("acme/gemm", "{", signed_by({test_key(1)}, "{"), false).trust, Trust::kRefused);
}

TEST(TrustPolicy, Threshold) {
  const TrustPolicy both = policy(2);
  EXPECT_EQ(both.judge("acme/gemm", kManifest, signed_by({test_key(1)}), false).reason,
            "acme/gemm is signed by 1 keys of acme and trust.json wants 2: ask for the others");
  EXPECT_EQ(both.judge("acme/gemm", kManifest, signed_by({test_key(1), test_key(1)}), false).trust, Trust::kRefused);
  EXPECT_EQ(both.judge("acme/gemm", kManifest, signed_by({test_key(1), test_key(3)}), false).trust, Trust::kRefused);
  EXPECT_EQ(both.judge("acme/gemm", kManifest, signed_by({test_key(2), test_key(1)}), false).trust, Trust::kSigned);
}

TEST(TrustPolicy, SignaturesOfOtherBytesOrRolesDoNotCount) {
  const std::string good = signed_by({test_key(1)});
  EXPECT_EQ(policy().judge("acme/gemm", kManifest + " ", good, false).trust, Trust::kRefused);
  for (const Role role : {Role::kRoot, Role::kTimestamp, Role::kSnapshot, Role::kSeal}) {
    EXPECT_EQ(policy().judge("acme/gemm", kManifest, sign_file(role, kManifest, {test_key(1)}), false).trust,
              Trust::kRefused);
  }
  EXPECT_EQ(policy().judge("acme/gemm", kManifest, good + "\n", false).reason,
            "acme/gemm has a malformed .sig file: fetch it again");
}

TEST(TrustPolicy, NoFlippedBitIsAccepted) {
  const std::string good = signed_by({test_key(1)});
  const TrustPolicy trusting = policy();
  for (size_t bit = 0; bit < kManifest.size() * 8; ++bit) {
    std::string bad = kManifest;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(trusting.judge("acme/gemm", bad, good, false).trust, Trust::kRefused) << bit;
  }
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(trusting.judge("acme/gemm", kManifest, bad, false).trust, Trust::kRefused) << bit;
  }
}

TEST(TrustPolicy, ALockStandsInForASignature) {
  const Verdict verdict = TrustPolicy().judge("acme/gemm", kManifest, "", true);
  EXPECT_EQ(verdict.trust, Trust::kLocked);
  EXPECT_NE(verdict.reason, "");
  EXPECT_EQ(policy().judge("acme/gemm", kManifest, signed_by({test_key(1)}), true).trust, Trust::kSigned);
}

TEST(TrustPolicy, RevokedManifestsServeNobody) {
  const TrustPolicy strict = policy(1, "\"acme/*\"", "\"" + test_digest(kManifest) + "\"");
  for (const bool locked : {false, true}) {
    const Verdict verdict = strict.judge("acme/gemm", kManifest, signed_by({test_key(1)}), locked);
    EXPECT_EQ(verdict.trust, Trust::kRefused);
    EXPECT_EQ(verdict.reason, "acme/gemm is revoked by trust.json: use another build");
  }
}

TEST(TrustPolicy, RevokedKeysSignNothing) {
  const std::string key = "\"" + test_key(1).public_key().id() + "\"";
  const TrustPolicy strict = policy(1, "\"acme/*\"", key);
  EXPECT_EQ(strict.judge("acme/gemm", kManifest, signed_by({test_key(1)}), false).reason,
            "acme/gemm is signed by acme with a key that trust.json revokes: ask for a new signature");
  EXPECT_EQ(strict.judge("acme/gemm", kManifest, signed_by({test_key(1), test_key(2)}), false).trust, Trust::kSigned);
  EXPECT_EQ(
      policy(2, "\"acme/*\"", key).judge("acme/gemm", kManifest, signed_by({test_key(1), test_key(2)}), false).trust,
      Trust::kRefused);
}

TEST(TrustPolicy, HostileFiles) {
  using namespace std::string_literals;
  const std::string key = quoted_key(1), publisher = R"("keys":[)" + key + R"(],"allow":["a/*"])";
  const auto with = [](const std::string &inside) { return R"({"schema":1,"publishers":{"acme":{)" + inside + "}}}"; };
  EXPECT_EQ(status_of([&] { TrustPolicy::parse(with(publisher), "t"); }), QUERN_OK);
  EXPECT_EQ(status_of([&] { TrustPolicy::parse(R"({"schema":1})", "t"); }), QUERN_OK);
  const std::string bad[] = {"",
                             "{}",
                             "[]",
                             R"({"schema":2})",
                             R"({"schema":1,"publisher":{}})",
                             R"({"schema":1,"publishers":[]})",
                             R"({"schema":1,"revoked":{}})",
                             R"({"schema":1,"revoked":["abc"]})",
                             R"({"schema":1,"revoked":[1]})",
                             R"({"schema":1,"schema":1})",
                             R"({"schema":1})" + "\0{}"s,
                             std::string(100000, '['),
                             R"({"schema":1e400})",
                             with(R"("allow":["a/*"])"),
                             with(R"("keys":[)" + key + "]"),
                             with(R"("keys":[],"allow":["a/*"])"),
                             with(R"("keys":["00"],"allow":["a/*"])"),
                             with(R"("keys":[1],"allow":["a/*"])"),
                             with(R"("keys":[")" + std::string(64, '0') + R"("],"allow":["a/*"])"),
                             with(publisher + R"(,"threshold":0)"),
                             with(publisher + R"(,"threshold":2)"),
                             with(publisher + R"(,"threshold":"1")"),
                             with(publisher + R"(,"trust":true)"),
                             with(R"("keys":[)" + key + "," + key + R"(],"threshold":2,"allow":["a/*"])"),
                             with(R"("keys":[)" + key + R"(],"allow":[])"),
                             with(R"("keys":[)" + key + R"(],"allow":["*"])"),
                             with(R"("keys":[)" + key + R"(],"allow":["*/*"])"),
                             with(R"("keys":[)" + key + R"(],"allow":["/*"])"),
                             with(R"("keys":[)" + key + R"(],"allow":["a/b*"])"),
                             with(R"("keys":[)" + key + R"(],"allow":["a/*/b"])"),
                             with(R"("keys":[)" + key + R"(],"allow":["../*"])"),
                             with(R"("keys":[)" + key + R"(],"allow":["a"])"),
                             R"({"schema":1,"publishers":{"a\nb":{)" + publisher + "}}}",
                             R"({"schema":1,"publishers":{"":{)" + publisher + "}}}",
                             with(publisher) + " {}"};
  for (const std::string &file : bad) {
    EXPECT_EQ(status_of([&] { TrustPolicy::parse(file, "t"); }), QUERN_INVALID_ARGUMENT) << file.substr(0, 200);
  }
}

TEST(TrustPolicy, AFileThatOthersCanWriteIsRefused) {
  TemporaryDirectory directory;
  const auto path = directory / "trust.json";
  EXPECT_EQ(TrustPolicy::load(path).judge("acme/gemm", kManifest, signed_by({test_key(1)}), false).trust,
            Trust::kRefused);
  write_text(path, R"({"schema":1,"publishers":{"a":{"keys":[)" + quoted_key(1) + R"(],"allow":["acme/*"]}}})");
  EXPECT_EQ(TrustPolicy::load(path).judge("acme/gemm", kManifest, signed_by({test_key(1)}), false).trust,
            Trust::kSigned);
  std::filesystem::create_symlink(path, directory / "link.json");  // as a mounted configuration is
  EXPECT_EQ(status_of([&] { TrustPolicy::load(directory / "link.json"); }), QUERN_OK);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  EXPECT_EQ(status_of([&] { TrustPolicy::load(path); }), QUERN_UNTRUSTED);
  EXPECT_EQ(status_of([&] { TrustPolicy::load(directory / "link.json"); }), QUERN_UNTRUSTED);
  std::filesystem::create_directory(directory / "folder.json");
  EXPECT_EQ(status_of([&] { TrustPolicy::load(directory / "folder.json"); }), QUERN_IO_ERROR);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
    ASSERT_EQ(::chown(path.c_str(), 12345, 0), 0);
    EXPECT_EQ(status_of([&] { TrustPolicy::load(path); }), QUERN_UNTRUSTED);
  }
}

}  // namespace
}  // namespace quern
