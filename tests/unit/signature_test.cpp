#include "registry/trust/signature.hpp"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "registry/trust/signed_file.hpp"
#include "simulated_registry.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

template <size_t kSize>
std::array<uint8_t, kSize> bytes_of_hex(const std::string &digits) {
  std::array<uint8_t, kSize> bytes{};
  EXPECT_EQ(digits.size(), 2 * kSize);
  for (size_t i = 0; i < kSize; ++i) bytes[i] = static_cast<uint8_t>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
  return bytes;
}

// RFC 8032, section 7.1, tests 1 to 3.
struct Known {
  const char *seed, *key, *message, *signature;
};
constexpr Known kKnown[] = {{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                             "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                             "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
                             "cf9b46bd25bf5f0595bbe2465"
                             "5141438e7a100b"},
                            {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                             "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "\x72",
                             "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
                             "0f11d8c387b2eaeb4302aeeb0"
                             "0d291612bb0c00"},
                            {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                             "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "\xaf\x82",
                             "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
                             "84dc6594a7c15e9716ed28dc0"
                             "27beceea1ec40a"}};

TEST(Signature, AgreesWithRfc8032) {
  for (const Known &known : kKnown) {
    const SecretKey secret = SecretKey::from_seed(bytes_of_hex<32>(known.seed));
    EXPECT_EQ(secret.public_key().text(), known.key);
    EXPECT_EQ(secret.sign(known.message), bytes_of_hex<64>(known.signature));
    const auto key = PublicKey::parse(known.key);
    ASSERT_TRUE(key);
    EXPECT_TRUE(verify(*key, known.message, bytes_of_hex<64>(known.signature)));
    EXPECT_FALSE(verify(*key, std::string(known.message) + "x", bytes_of_hex<64>(known.signature)));
  }
}

TEST(Signature, NoFlippedBitVerifies) {
  const Known &known = kKnown[2];
  const auto good = bytes_of_hex<64>(known.signature);
  const PublicKey key = *PublicKey::parse(known.key);
  for (size_t bit = 0; bit < 512; ++bit) {
    auto bad = good;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(verify(key, known.message, bad)) << bit;
  }
  for (size_t bit = 0; bit < 256; ++bit) {
    auto bytes = key.bytes();
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(verify(PublicKey(bytes), known.message, good)) << bit;
  }
}

// The scalar plus the order of the group is the same scalar in other bytes: a second signature nobody made.
TEST(Signature, AScalarOutOfRangeIsRefused) {
  constexpr const char *kOrder = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
  const auto order = bytes_of_hex<32>(kOrder);
  for (const Known &known : kKnown) {
    auto twin = bytes_of_hex<64>(known.signature);
    int carry = 0;
    for (size_t i = 0; i < 32; ++i) {
      const int sum = twin[32 + i] + order[i] + carry;
      twin[32 + i] = static_cast<uint8_t>(sum);
      carry = sum >> 8;
    }
    ASSERT_EQ(carry, 0);
    EXPECT_FALSE(verify(*PublicKey::parse(known.key), known.message, twin));
  }
}

// y of the points of small order, with both signs of x, in every spelling.
constexpr const char *kSmallOrder[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                       "0100000000000000000000000000000000000000000000000000000000000000",
                                       "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                                       "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                                       "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                       "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                       "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};

TEST(Signature, KeysForWhichAnybodyCanSignAreRefused) {
  for (const char *digits : kSmallOrder) {
    for (const uint8_t sign : {0x00, 0x80}) {
      auto bytes = bytes_of_hex<32>(digits);
      bytes[31] |= sign;
      const PublicKey key(bytes);
      EXPECT_FALSE(PublicKey::parse(key.text())) << key.text();
      // R is the neutral point and S is 0: with such a key this holds for every message, or every eighth.
      Signature forged{};
      forged[0] = 1;
      for (int i = 0; i < 32; ++i) EXPECT_FALSE(verify(key, text("message ", i), forged));
    }
  }
}

TEST(Signature, KeysInASecondSpellingAreRefused) {
  for (int y = 0xed; y <= 0xff; ++y) {
    std::array<uint8_t, 32> bytes;
    bytes.fill(0xff);
    bytes[0] = static_cast<uint8_t>(y);
    EXPECT_FALSE(PublicKey::parse(PublicKey(bytes).text())) << y;
    bytes[31] = 0x7f;
    EXPECT_FALSE(PublicKey::parse(PublicKey(bytes).text())) << y;
  }
}

TEST(Signature, TextThatIsNoKey) {
  const std::string good = test_key(1).public_key().text();
  EXPECT_TRUE(PublicKey::parse(good));
  std::string upper = good;
  for (char &c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  for (const std::string &bad : {std::string(), good.substr(1), good + "0", " " + good.substr(1), upper,
                                 good.substr(0, 63) + "g", good.substr(0, 63) + std::string(1, '\0')}) {
    EXPECT_FALSE(PublicKey::parse(bad)) << bad;
  }
}

TEST(Signature, WhatIsSignedIsPinned) {
  EXPECT_EQ(signed_message(Role::kRoot, "{}\n"), "quern-signed-v1\nroot\n{}\n");
  EXPECT_EQ(signed_message(Role::kTimestamp, ""), "quern-signed-v1\ntimestamp\n");
  EXPECT_EQ(signed_message(Role::kSnapshot, "x"), "quern-signed-v1\nsnapshot\nx");
  EXPECT_EQ(signed_message(Role::kManifest, "x"), "quern-signed-v1\nmanifest\nx");
  EXPECT_EQ(signed_message(Role::kSeal, "x"), "quern-signed-v1\nseal\nx");
  EXPECT_EQ(test_key(1).public_key().id(), "fa4d86c3b551aa6cd7c3759d040c037ef2c6379f01880f453c7ef5374406e4be");
  EXPECT_EQ(sign_file(Role::kManifest, "{}\n", {test_key(1)}),
            "fa4d86c3b551aa6cd7c3759d040c037ef2c6379f01880f453c7ef5374406e4be "
            "91fec139fd4aa35aea7c28268c40cf6cfabb907dd855bfc8dfac36534baa83f3941ef8a2cd4c82ab0206efa6756e9fa24c1be93f8b"
            "1b3603f2f291524579d104\n");
}

TEST(SignatureFile, ReadsBackWhatItWrites) {
  const std::string file = sign_file(Role::kManifest, "{}", {test_key(1), test_key(2)});
  EXPECT_EQ(file.size(), 2 * 194u);
  const auto parsed = parse_signatures(file);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->at(1).key_id, test_key(2).public_key().id());
  EXPECT_EQ(write_signatures(*parsed), file);
  EXPECT_EQ(valid_signers("{}", file, Role::kManifest, test_keys({test_key(1), test_key(2)})).size(), 2u);
  EXPECT_TRUE(valid_signers("{}", file, Role::kSeal, test_keys({test_key(1), test_key(2)})).empty());
}

TEST(SignatureFile, RefusesEveryOtherForm) {
  const std::string line = sign_file(Role::kManifest, "{}", {test_key(1)});
  std::string sixteen;
  for (int i = 0; i < 16; ++i) sixteen += line;
  EXPECT_TRUE(parse_signatures(sixteen));
  const std::string bad[] = {"",
                             "\n",
                             line + "\n",
                             "\n" + line,
                             line.substr(0, 193),
                             line.substr(0, 193) + "\r\n",
                             line + line.substr(0, 100),
                             sixteen + line,
                             line.substr(0, 64) + "\t" + line.substr(65),
                             line.substr(0, 63) + "G" + line.substr(64),
                             "A" + line.substr(1),
                             line.substr(0, 192) + "x\n",
                             line.substr(0, 193) + " ",
                             line.substr(0, 193) + std::string(1, '\0'),
                             "{}",
                             std::string(194, '\0'),
                             std::string(3 << 20, 'a')};
  for (const std::string &file : bad) EXPECT_FALSE(parse_signatures(file)) << file.substr(0, 200);
}

TEST(SignedFile, AThresholdOfNothingIsNeverMet) {
  EXPECT_FALSE(is_signed("{}", "", Role::kManifest, KeySet{{}, 0}));
  EXPECT_FALSE(is_signed("{}", sign_file(Role::kManifest, "{}", {test_key(1)}), Role::kManifest, KeySet{{}, 0}));
}

TEST(KeyFile, IsWhatOpensslWritesAndReads) {
  TemporaryDirectory directory;
  const SecretKey key = test_key(1);
  key.save(directory / "key.pem");
  EXPECT_EQ(text_of(directory / "key.pem"),
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
            "-----END PRIVATE KEY-----\n");
  struct stat status {};
  ASSERT_EQ(::stat((directory / "key.pem").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(SecretKey::load(directory / "key.pem").public_key(), key.public_key());
  EXPECT_EQ(status_of([&] { key.save(directory / "key.pem"); }), QUERN_IO_ERROR);
  std::filesystem::create_symlink(directory / "key.pem", directory / "link.pem");
  EXPECT_EQ(SecretKey::load(directory / "link.pem").public_key(), key.public_key());
}

TEST(KeyFile, OneThatOthersMayReadIsRefused) {
  TemporaryDirectory directory;
  test_key(1).save(directory / "key.pem");
  for (const mode_t mode : {0640, 0604, 0660, 0602}) {
    ASSERT_EQ(::chmod((directory / "key.pem").c_str(), mode), 0);
    EXPECT_EQ(status_of([&] { SecretKey::load(directory / "key.pem"); }), QUERN_INVALID_ARGUMENT) << mode;
  }
  ASSERT_EQ(::chmod((directory / "key.pem").c_str(), 0400), 0);
  EXPECT_EQ(status_of([&] { SecretKey::load(directory / "key.pem"); }), QUERN_OK);
}

TEST(KeyFile, WhatIsNoKeyIsRefused) {
  TemporaryDirectory directory;
  test_key(1).save(directory / "key.pem");
  const std::string good = text_of(directory / "key.pem");
  const std::string bad[] = {"", "key", good.substr(0, 60), std::string(1 << 20, 'a'),
                             // an X25519 key: the same bytes under another algorithm
                             "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                             "AAAA\n-----END PRIVATE KEY-----\n",
                             // encrypted: nobody is asked for a password
                             "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                             "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj2vj9IPe9pyAICCAAw\n"
                             "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDNQIF/IbqfbOmxsTE9m3V0EQP3C\n"
                             "Q/XLGNPLtUjwG7IJQufw0mCVLH3bgQQrQdISmHP5ADaNX8cHWDEpdpFRM/4jb4vP\n"
                             "fI2b3kVzDff/mQ+XYn8=\n"
                             "-----END ENCRYPTED PRIVATE KEY-----\n"};
  for (const std::string &file : bad) {
    write_text(directory / "bad.pem", file);
    ASSERT_EQ(::chmod((directory / "bad.pem").c_str(), 0600), 0);
    EXPECT_EQ(status_of([&] { SecretKey::load(directory / "bad.pem"); }), QUERN_INVALID_ARGUMENT) << file;
  }
  EXPECT_EQ(status_of([&] { SecretKey::load(directory / "none.pem"); }), QUERN_NOT_FOUND);
}

TEST(KeyFile, NewKeysDiffer) {
  EXPECT_NE(SecretKey::generate().public_key().text(), SecretKey::generate().public_key().text());
}

}  // namespace
}  // namespace quern
