#include "runtime/base/sha256.hpp"

#include <set>

#include <gtest/gtest.h>

namespace quern {
namespace {

std::string digest_of(std::string_view text) { return hex(sha256(as_bytes(text))); }

template <typename... Fields>
std::string fields(const Fields &...values) {
  FieldHash hash;
  (hash.add(values), ...);
  return hex(hash.finish());
}

// FIPS 180-4, and NIST's examples.
TEST(Sha256, KnownVectors) {
  EXPECT_EQ(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest_of(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, HexDigestIsSixtyFourLowerCaseDigits) {
  const std::string good = digest_of("");
  EXPECT_TRUE(is_hex_digest(good));
  EXPECT_FALSE(is_hex_digest(good.substr(1)));
  EXPECT_FALSE(is_hex_digest(good + "0"));
  std::string upper = good;
  upper[0] = 'E';
  EXPECT_FALSE(is_hex_digest(upper));
  EXPECT_FALSE(is_hex_digest(std::string(64, 'g')));
  EXPECT_FALSE(is_hex_digest(""));
}

TEST(ByteHash, PiecesMakeTheDigestOfTheWhole) {
  ByteHash hash;
  hash.add(as_bytes("dropped"));
  hash.restart();
  for (const char *piece : {"a", "", "bc"}) hash.add(as_bytes(piece));
  EXPECT_EQ(hex(hash.finish()), digest_of("abc"));
  hash.restart();
  EXPECT_EQ(hex(hash.finish()), digest_of(""));
}

TEST(FieldHash, BoundariesBetweenFieldsCount) {
  const std::set<std::string> digests{
      fields("ab", "c"), fields("a", "bc"), fields("abc"),  fields("abc", ""),     fields("", "abc"),
      fields(""),        fields(),          fields("", ""), fields("a", "b", "c"), fields(std::string(4, '\0'))};
  EXPECT_EQ(digests.size(), 10u);
}

// Cache keys are kept on disk, so the encoding may never change: SHA-256 of 02000000 "ab" 07000000.
TEST(FieldHash, IsLengthThenBytesLittleEndian) {
  EXPECT_EQ(fields("ab", uint32_t{7}), digest_of(std::string("\x02\0\0\0ab\x07\0\0\0", 10)));
}

}  // namespace
}  // namespace quern
