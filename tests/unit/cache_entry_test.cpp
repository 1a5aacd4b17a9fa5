#include "registry/cache/cache_entry.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

using Bytes = std::vector<uint8_t>;

CacheEntry small_entry() {
  CacheEntry entry;
  entry.request = std::string(64, 'a');
  entry.nvrtc = "13.0.88-1";
  entry.kernel = "you/test:one";
  entry.digest = std::string(64, 'b');
  entry.target = "sm_90a";
  entry.types = "x_dtype=bf16";
  entry.entry = "k";
  entry.created = 1700000000;
  entry.compile_ms = 12;
  entry.registers = 64;
  entry.spill_bytes = 0;
  entry.shared_bytes = 1024;
  entry.code = {0, 1, 2, 0xff, '\n'};
  return entry;
}

// An entry of this header, sizes and hash right: what a stranger may have written.
Bytes assemble(const std::string &header, const Bytes &code, uint32_t format = 1, const char *magic = "QKC1",
               uint32_t extra_header_bytes = 0, uint64_t extra_code_bytes = 0) {
  Bytes out(magic, magic + 4);
  const auto number = [&](uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  number(format, 4);
  number(header.size() + extra_header_bytes, 4);
  out.insert(out.end(), header.begin(), header.end());
  number(code.size() + extra_code_bytes, 8);
  out.insert(out.end(), code.begin(), code.end());
  const Digest digest = sha256(out);
  out.insert(out.end(), digest.begin(), digest.end());
  return out;
}

std::string header_of(const Bytes &entry) {
  const size_t size = entry[8] | static_cast<size_t>(entry[9]) << 8;
  return {entry.begin() + 12, entry.begin() + 12 + static_cast<ptrdiff_t>(size)};
}

TEST(CacheEntry, EveryTruncationIsRefused) {
  const Bytes bytes = encode_entry(small_entry());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_entry(Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size))))
        << "cut to " << size << " of " << bytes.size();
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_entry(longer));
}

TEST(CacheEntry, EveryBitFlipIsRefused) {
  Bytes bytes = encode_entry(small_entry());
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    bytes[i / 8] ^= static_cast<uint8_t>(1u << (i % 8));
    EXPECT_FALSE(decode_entry(bytes)) << "bit " << i;
    bytes[i / 8] ^= static_cast<uint8_t>(1u << (i % 8));
  }
  EXPECT_TRUE(decode_entry(bytes));
}

TEST(CacheEntry, AStrangersHeaderIsRefused) {
  const Bytes code{1, 2, 3};
  const std::string good = header_of(encode_entry(small_entry()));
  ASSERT_TRUE(decode_entry(assemble(good, code)));
  for (const char *header : {"", "{", "[]", "null", "1", "{}", "\"\xff\""}) {
    EXPECT_FALSE(decode_entry(assemble(header, code))) << header;
  }
  const nlohmann::json json = nlohmann::json::parse(good);
  for (const auto &[key, value] : json.items()) {
    nlohmann::json missing = json, wrong = json;
    missing.erase(key);
    wrong[key] = nlohmann::json::array();
    EXPECT_FALSE(decode_entry(assemble(missing.dump(), code))) << key;
    EXPECT_FALSE(decode_entry(assemble(wrong.dump(), code))) << key;
    wrong[key] = 1e300;
    EXPECT_FALSE(decode_entry(assemble(wrong.dump(), code))) << key;
  }
  EXPECT_FALSE(decode_entry(assemble(good, code, 2)));
  EXPECT_FALSE(decode_entry(assemble(good, code, 1, "QKC2")));
}

TEST(CacheEntry, SizesThatDoNotFitAreRefused) {
  const std::string header = header_of(encode_entry(small_entry()));
  const Bytes code{1, 2, 3};
  EXPECT_FALSE(decode_entry(assemble(header, code, 1, "QKC1", 1)));
  EXPECT_FALSE(decode_entry(assemble(header, code, 1, "QKC1", UINT32_MAX)));
  EXPECT_FALSE(decode_entry(assemble(header, code, 1, "QKC1", 0, 1)));
  EXPECT_FALSE(decode_entry(assemble(header, code, 1, "QKC1", 0, UINT64_MAX)));
  EXPECT_FALSE(decode_entry(assemble(header, code, 1, "QKC1", 0, UINT64_MAX - 40)));
  EXPECT_FALSE(decode_entry({}));
}

TEST(CacheEntry, RoundTrip) {
  const CacheEntry entry = small_entry();
  for (const Bytes &code : {entry.code, Bytes{}, Bytes(100000, 7)}) {
    CacheEntry given = entry;
    given.code = code;
    const auto read = decode_entry(encode_entry(given));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->request, entry.request);
    EXPECT_EQ(read->nvrtc, entry.nvrtc);
    EXPECT_EQ(read->kernel, entry.kernel);
    EXPECT_EQ(read->digest, entry.digest);
    EXPECT_EQ(read->target, entry.target);
    EXPECT_EQ(read->types, entry.types);
    EXPECT_EQ(read->entry, entry.entry);
    EXPECT_EQ(read->created, entry.created);
    EXPECT_EQ(read->compile_ms, entry.compile_ms);
    EXPECT_EQ(read->registers, entry.registers);
    EXPECT_EQ(read->spill_bytes, entry.spill_bytes);
    EXPECT_EQ(read->shared_bytes, entry.shared_bytes);
    EXPECT_EQ(read->code, code);
  }
}

// The files of one build are read by the next, so the bytes may never change.
TEST(CacheEntry, BytesOnDiskArePinned) {
  EXPECT_EQ(hex(sha256(encode_entry(small_entry()))),
            "a04e9b7fd025d9fa7a7deecabeef72838b6176a6041bff2df4d4384a3b89af2d");
}

}  // namespace
}  // namespace quern
