#include "registry/trust/metadata_format.hpp"

#include <gtest/gtest.h>

#include "simulated_registry.hpp"

namespace quern {
namespace {

const std::string kDigest(64, 'a');

TEST(MetadataFormat, BytesArePinned) {
  const SimulatedRegistry registry;
  EXPECT_EQ(
      write_root(registry.root),
      R"({"schema":1,"role":"root","version":1,"expires":"2027-11-23T08:00:00Z","keys":{"db0743e2dcba9ebf2419bde0881beea966689a26fc44f9bef7adb2970ed37ee8":"dadbd184a2d526f1ebdd5c06fdad9359b228759b4d7f79d66689fa254aad8546","e3c1b362c0df36f6b370b8b1479b67dad96392b2440744e05fdf7f1883bff30d":"6b79c57e6a095239282c04818e96112f3f03a4001ba97a564c23852a3f1ea5fc","fa4d86c3b551aa6cd7c3759d040c037ef2c6379f01880f453c7ef5374406e4be":"cecc1507dc1ddd7295951c290888f095adb9044d1b73d696e6df065d683bd4fc"},"roles":{"root":{"keys":["fa4d86c3b551aa6cd7c3759d040c037ef2c6379f01880f453c7ef5374406e4be"],"threshold":1},"timestamp":{"keys":["e3c1b362c0df36f6b370b8b1479b67dad96392b2440744e05fdf7f1883bff30d"],"threshold":1},"snapshot":{"keys":["db0743e2dcba9ebf2419bde0881beea966689a26fc44f9bef7adb2970ed37ee8"],"threshold":1}}})"
      "\n");
  TimestampDocument timestamp;
  timestamp.version = 9;
  timestamp.expires = kEarliestNow;
  timestamp.snapshot = {4, kDigest, 321};
  EXPECT_EQ(
      write_timestamp(timestamp),
      R"({"schema":1,"role":"timestamp","version":9,"expires":"2026-11-22T08:00:00Z","snapshot":{"version":4,"sha256":")" +
          kDigest + R"(","size":321}})" + "\n");
  SnapshotDocument snapshot;
  snapshot.version = 4;
  snapshot.expires = kEarliestNow;
  EXPECT_EQ(write_snapshot(snapshot),
            R"({"schema":1,"role":"snapshot","version":4,"expires":"2026-11-22T08:00:00Z","packages":{}})"
            "\n");
  snapshot.packages["b/b"] = {1, kDigest, 2};
  snapshot.packages["a/b"] = {3, kDigest, 4};
  EXPECT_EQ(
      write_snapshot(snapshot),
      R"({"schema":1,"role":"snapshot","version":4,"expires":"2026-11-22T08:00:00Z","packages":{"a/b":{"version":3,"sha256":")" +
          kDigest + R"(","size":4},"b/b":{"version":1,"sha256":")" + kDigest + R"(","size":2}}})" + "\n");
}

TEST(MetadataFormat, PathsArePinned) {
  EXPECT_EQ(root_path(1), "root/1.json");
  EXPECT_EQ(snapshot_path(12), "snapshot/12.json");
  EXPECT_EQ(index_path("acme/gemm", 3), "index/acme/gemm/3.jsonl");
  EXPECT_EQ(blob_path(kDigest), "blobs/aa/" + kDigest);
}

TEST(MetadataFormat, ReadsBackWhatItWrites) {
  const SimulatedRegistry registry;
  const RootDocument root = parse_root(write_root(registry.root), "r");
  EXPECT_EQ(write_root(root), write_root(registry.root));
  EXPECT_EQ(root.timestamp, registry.root.timestamp);
  EXPECT_EQ(write_timestamp(parse_timestamp(write_timestamp(registry.timestamp), "t")),
            write_timestamp(registry.timestamp));
  EXPECT_EQ(write_snapshot(parse_snapshot(write_snapshot(registry.snapshot), "s")), write_snapshot(registry.snapshot));
}

// Signed or not, what is not exactly a document of its role is none.
template <typename Parse>
void expect_refused(Parse parse, const std::string &good,
                    const std::vector<std::pair<std::string, std::string>> &edits) {
  EXPECT_EQ(status_of([&] { parse(good, "file"); }), QUERN_OK) << message_of([&] { parse(good, "file"); });
  for (const auto &[from, to] : edits) {
    std::string bad = good;
    const size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bad.replace(at, from.size(), to);
    EXPECT_EQ(status_of([&] { parse(bad, "file"); }), QUERN_CORRUPT) << bad;
    const std::string message = message_of([&] { parse(bad, "file"); });
    EXPECT_EQ(message.rfind("file: ", 0), 0u) << message;
  }
  for (const std::string &bad : {std::string(), std::string("[]"), std::string("null"), std::string("1"), good + good,
                                 good + "x", good + std::string(1, '\0') + "x", good.substr(0, good.size() - 2),
                                 std::string(100000, '['), std::string(3 << 20, ' '), "\xff" + good}) {
    EXPECT_EQ(status_of([&] { parse(bad, "file"); }), QUERN_CORRUPT) << bad.substr(0, 100);
  }
}

std::vector<std::pair<std::string, std::string>> head_edits() {
  using namespace std::string_literals;
  return {{R"("schema":1)", R"("schema":2)"},
          {R"("schema":1)", R"("schema":1.0)"},
          {R"("schema":1,)", ""},
          {R"("schema":1,)", R"("schema":1,"schema":1,)"},
          {R"("role":")", R"("role":"x)"},
          {R"("version":)", R"("version":-)"},
          {R"("version":)", R"("version":0.)"},
          {R"("version":)", R"("version":1e400,"x-a":)"},
          {R"("version":)", R"("version":9007199254740993,"x-a":)"},
          {R"("version":)", R"("version":18446744073709551615,"x-a":)"},
          {R"("version":)", R"("version":99999999999999999999999,"x-a":)"},
          {R"("version":)", R"("version":"1","x-a":)"},
          {R"("version":)", R"("version":1,"version":)"},
          {R"("version":)", R"("version":1,"\u0076ersion":)"},
          {R"("expires":"2)", R"("expires":"x)"},
          {R"("expires":"2)", R"("expires":"\u00002)"},
          {R"("expires":)", R"("expires":1,"x-a":)"},
          {R"({"schema")", R"({"more":1,"schema")"},
          {R"({"schema")", R"({"x-deep":)" + std::string(100, '[') + std::string(100, ']') + R"(,"schema")"},
          {R"({"schema")", R"({"x-zero":")"s + '\0' + R"(","schema")"},
          {R"({"schema")", "{\"x-utf\":\"\xff\",\"schema\""},
          {R"({"schema")", R"({"x-surrogate":"\ud800","schema")"},
          {R"({"schema")", R"({/**/"schema")"},
          {R"({"schema")", R"({'schema':1,"schema")"}};
}

TEST(MetadataFormat, HostileTimestamps) {
  const SimulatedRegistry registry;
  auto edits = head_edits();
  for (const auto &edit :
       std::vector<std::pair<std::string, std::string>>{{R"("snapshot":{)", R"("snapshot":[{)"},
                                                        {R"("snapshot":{"version":1)", R"("snapshot":{"version":0)"},
                                                        {R"("sha256":")", R"("sha256":"A)"},
                                                        {R"("sha256":")", R"("sha256":"","x-a":")"},
                                                        {R"("size":)", R"("size":-)"},
                                                        {R"("size":)", R"("size":2097153,"x-a":)"},
                                                        {R"("size":)", R"("more":1,"size":)"}}) {
    edits.push_back(edit);
  }
  expect_refused(parse_timestamp, write_timestamp(registry.timestamp), edits);
}

TEST(MetadataFormat, HostileSnapshots) {
  const SimulatedRegistry registry;
  auto edits = head_edits();
  for (const char *id :
       {"acme", "../x", "a/../b", "/etc/passwd", "a/b/c", ".a/b", "a\\\\b/c", "", "a/b\\u0000", "a/b\\n"}) {
    edits.push_back({"acme/gemm", id});
  }
  edits.push_back({R"("acme/gemm":{)", R"("acme/gemm":{},"acme/gemm":{)"});
  edits.push_back({R"("size":)", R"("size":1048577,"x-a":)"});
  edits.push_back({R"("packages":{)", R"("packages":[],"x-a":{)"});
  expect_refused(parse_snapshot, write_snapshot(registry.snapshot), edits);
}

TEST(MetadataFormat, HostileRoots) {
  const SimulatedRegistry registry;
  const std::string id = registry.root.root.keys.begin()->first, key = registry.root.root.keys.begin()->second.text();
  auto edits = head_edits();
  for (const auto &edit : std::vector<std::pair<std::string, std::string>>{
           {R"("threshold":1)", R"("threshold":0)"},
           {R"("threshold":1)", R"("threshold":2)"},
           {R"("threshold":1)", R"("threshold":-1)"},
           {R"("threshold":1)", R"("threshold":4294967297)"},
           {R"("keys":[")" + id + "\"]", R"("keys":[])"},
           {R"("keys":[")" + id + "\"]", R"("keys":[")" + id + R"(",")" + id + "\"]"},
           {R"("keys":[")" + id + "\"]", R"("keys":[")" + kDigest + "\"]"},
           {R"("keys":[")" + id + "\"]", R"("keys":")" + id + "\""},
           {R"("roles":{"root":)", R"("roles":{"mirror":)"},
           {R"("roles":{)", R"("roles":{"mirror":{"keys":[],"threshold":1},)"},
           {key, test_key(9).public_key().text()},
           {key, key.substr(1)},
           {id, kDigest},
           {R"("keys":{)",
            R"("keys":{")" + test_digest(std::string(32, '\0')) + R"(":")" + std::string(64, '0') + R"(",)"}}) {
    edits.push_back(edit);
  }
  expect_refused(parse_root, write_root(registry.root), edits);
}

TEST(MetadataFormat, KeysOfTheFutureBeginWithX) {
  const SimulatedRegistry registry;
  std::string file = write_timestamp(registry.timestamp);
  file.insert(1, R"("x-note":{"any":[1.5,null]},)");
  EXPECT_EQ(parse_timestamp(file, "t").version, registry.timestamp.version);
}

}  // namespace
}  // namespace quern
