#include "registry/trust/lock_file.hpp"

#include <gtest/gtest.h>

#include "simulated_registry.hpp"

namespace quern {
namespace {

const std::string kA(64, 'a'), kB(64, 'b');

LockedKernel kernel(const std::string &id, int version) {
  LockedKernel locked;
  locked.id = id;
  locked.version = version;
  locked.registry = "main";
  locked.build = 7;
  locked.manifest = kA;
  locked.size = 5123;
  locked.files = {{"kernel.json", kA}, {"gemm.cu", kB}};
  return locked;
}

const std::string kOne = R"({
  "schema": 1,
  "kernels": [
    {
      "dependency": {
        "repo-id": "acme/mxfp4-gemm",
        "version": 1
      },
      "lock": {
        "registry": "main",
        "build": 7,
        "manifest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "size": 5123,
        "files": {
          "gemm.cu": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          "kernel.json": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        }
      }
    }
  ]
}
)";

TEST(LockFile, BytesArePinned) {
  EXPECT_EQ(write_lock_file({kernel("acme/mxfp4-gemm", 1)}), kOne);
  EXPECT_EQ(write_lock_file({}), "{\n  \"schema\": 1,\n  \"kernels\": []\n}\n");
}

TEST(LockFile, ReadsBackWhatItWritesInWhateverOrder) {
  const std::string file = write_lock_file({kernel("b/b", 1), kernel("a/b", 10), kernel("a/b", 2), kernel("a/a", 1)});
  const LockFile read = parse_lock_file(file, "quern.lock");
  ASSERT_EQ(read.kernels.size(), 4u);
  EXPECT_EQ(read.kernels[1].version, 2);
  EXPECT_EQ(read.kernels[2].version, 10);
  EXPECT_EQ(write_lock_file(read.kernels), file);
  EXPECT_TRUE(read.notes.empty());
  ASSERT_NE(read.find("a/b", 10), nullptr);
  EXPECT_EQ(read.find("a/b", 10)->files.at("gemm.cu"), kB);
  EXPECT_TRUE(read.find("a/b", 10)->pins_bytes());
  EXPECT_EQ(read.find("a/b", 3), nullptr);
  EXPECT_EQ(read.find("a/c", 1), nullptr);
}

TEST(LockFile, KeepsTheCommitOfAHuggingFaceRepository) {
  LockedKernel locked = kernel("acme/mxfp4-gemm", 1);
  locked.registry = "hf";
  locked.commit = std::string(40, 'c');
  const std::string file = write_lock_file({locked});
  EXPECT_NE(file.find("\"registry\": \"hf\",\n        \"commit\": \"cccc"), std::string::npos) << file;
  EXPECT_EQ(parse_lock_file(file, "l").kernels[0].commit, locked.commit);
}

TEST(LockFile, OnlyWhatIsResolvedIsWritten) {
  EXPECT_EQ(status_of([&] { write_lock_file({kernel("a/b", 1), kernel("a/b", 1)}); }), QUERN_INVALID_ARGUMENT);
  LockedKernel open;
  open.id = "a/b";
  open.version = 1;
  EXPECT_EQ(status_of([&] { write_lock_file({open}); }), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([&] { write_lock_file({kernel("a/b", 0)}); }), QUERN_INVALID_ARGUMENT);
}

TEST(LockFile, ReadsHuggingFacesOldForm) {
  const LockFile read = parse_lock_file(
      R"([{"repo_id":"kernels-community/activation","sha":"0123456789012345678901234567890123456789","variants":
          {"torch25-cxx11-cu121-x86_64-linux":{"hash":"sha256-00","hash_type":"git_lfs_concat"}}},
         {"repo_id":"a/b","sha":"0123456789012345678901234567890123456789"}])",
      "kernels.lock");
  ASSERT_EQ(read.kernels.size(), 2u);
  EXPECT_EQ(read.kernels[1].id, "kernels-community/activation");
  EXPECT_EQ(read.kernels[1].version, 0);
  EXPECT_EQ(read.kernels[1].commit, "0123456789012345678901234567890123456789");
  EXPECT_EQ(read.kernels[1].revision, read.kernels[1].commit);
  EXPECT_FALSE(read.kernels[1].pins_bytes());
  EXPECT_EQ(read.notes,
            (std::vector<std::string>{
                "kernels-community/activation: hashes of built variants are passed over: sources are compiled here",
                "kernels.lock names commits and no bytes: run `quern lock` to pin them"}));
}

TEST(LockFile, ReadsHuggingFacesNewForm) {
  const LockFile read = parse_lock_file(
      R"([{"dependency":{"repo-id":"a/c","revision":"main"},"lock":{"commit":"0123456789012345678901234567890123456789"}},
         {"dependency":{"repo-id":"a/b","version":2},"lock":{"hash":"sha256-x","commit":
           "0123456789012345678901234567890123456789012345678901234567890123"}}])",
      "kernels.lock");
  ASSERT_EQ(read.kernels.size(), 2u);
  EXPECT_EQ(read.kernels[0].version, 2);
  EXPECT_EQ(read.kernels[0].commit.size(), 64u);
  EXPECT_EQ(read.kernels[1].version, 0);
  EXPECT_EQ(read.kernels[1].revision, "main");
  EXPECT_EQ(read.notes.size(), 2u);
  EXPECT_EQ(parse_lock_file("[]", "kernels.lock").kernels.size(), 0u);
}

TEST(LockFile, HostileFilesOfHuggingFacesForms) {
  const std::string commit = R"("0123456789012345678901234567890123456789")";
  const std::string old_one = R"({"repo_id":"a/b","sha":)" + commit + "}";
  const std::string new_one = R"({"dependency":{"repo-id":"a/b","version":1},"lock":{"commit":)" + commit + "}}";
  EXPECT_EQ(status_of([&] { parse_lock_file("[" + old_one + "," + new_one + "]", "l"); }), QUERN_OK);
  for (const std::string &bad :
       {old_one, new_one, "[" + old_one + "," + old_one + "]", "[" + new_one + "," + new_one + "]", std::string("[1]"),
        std::string("[{}]"), std::string(R"([{"repo_id":"a/b"}])"),
        std::string(R"([{"repo_id":"a","sha":)") + commit + "}]",
        std::string(R"([{"repo_id":"../b","sha":)") + commit + "}]", std::string(R"([{"repo_id":"a/b","sha":"main"}])"),
        std::string(R"([{"repo_id":"a/b","sha":"../../../../../../../../../../etc/pass"}])"),
        std::string(R"([{"repo_id":"a/b","more":1,"sha":)") + commit + "}]",
        std::string(R"([{"dependency":{"repo-id":"a/b","version":1,"revision":"x"},"lock":{"commit":)") + commit +
            "}}]",
        std::string(R"([{"dependency":{"repo-id":"a/b"},"lock":{"commit":)") + commit + "}}]",
        std::string(R"([{"dependency":{"repo-id":"a/b","version":1},"lock":{}}])"),
        std::string(R"([{"dependency":{"repo-id":"a/b","version":"1"},"lock":{"commit":)") + commit + "}}]"}) {
    EXPECT_EQ(status_of([&] { parse_lock_file(bad, "l"); }), QUERN_INVALID_ARGUMENT) << bad;
  }
}

TEST(LockFile, HostileFiles) {
  using namespace std::string_literals;
  const std::pair<const char *, std::string> edits[] = {
      {R"("schema": 1)", R"("schema": 2)"},
      {R"("schema": 1)", R"("schema": 1, "schema": 1)"},
      {R"("schema": 1)", R"("schema": 1e400)"},
      {R"("schema": 1)", R"("schema": 1, "more": 1)"},
      {R"("schema": 1)", R"("schema": 1, "x-deep": )" + std::string(100, '[') + std::string(100, ']')},
      {R"("kernels": [)", R"("kernels": {}, "x-a": [)"},
      {R"(acme/mxfp4-gemm)", "../mxfp4-gemm"},
      {R"(acme/mxfp4-gemm)", "acme/mxfp4-gemm\\u0000"},
      {R"(acme/mxfp4-gemm)", "acme/mxfp4\0gemm"s},
      {R"("version": 1)", R"("revision": "main")"},
      {R"("version": 1)", R"("version": 0)"},
      {R"("registry": "main")", R"("registry": "")"},
      {R"("registry": "main")", R"("registry": 1)"},
      {R"("registry": "main",)", ""},
      {R"("build": 7)", R"("build": 0)"},
      {R"("build": 7)", R"("build": 7, "commit": "main")"},
      {R"("size": 5123)", R"("size": 0)"},
      {R"("size": 5123)", R"("size": 262145)"},
      {R"("manifest": "a)", R"("manifest": "A)"},
      {R"("manifest": "a)", R"("manifest": "b)"},  // kernel.json is another
      {R"("kernel.json": "a)", R"("kernel.json": "b)"},
      {R"("kernel.json")", R"("kernel.jsom")"},
      {R"("gemm.cu": "b)", R"("gemm.cu": "g)"},
      {R"("gemm.cu")", R"("../gemm.cu")"},
      {R"("gemm.cu")", R"("/etc/passwd")"},
      {R"("gemm.cu")", R"("a\\b.cu")"},
      {R"("gemm.cu")", R"("Kernel.JSON")"},
      {R"("gemm.cu")", R"("gemm.cu/x": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "gemm.cu")"},
      {R"("files": {)", R"("files": [], "x-a": {)"}};
  for (const auto &[from, to] : edits) {
    std::string bad = kOne;
    ASSERT_NE(bad.find(from), std::string::npos) << from;
    bad.replace(bad.find(from), std::string(from).size(), to);
    EXPECT_EQ(status_of([&] { parse_lock_file(bad, "quern.lock"); }), QUERN_INVALID_ARGUMENT) << bad;
  }
  for (size_t size = 0; size + 1 < kOne.size(); ++size) {  // the last byte is the end of the last line
    EXPECT_EQ(status_of([&] { parse_lock_file(kOne.substr(0, size), "l"); }), QUERN_INVALID_ARGUMENT) << size;
  }
}

TEST(RequireLocked, NamesTheFile) {
  const LockedKernel locked = kernel("a/b", 1);
  std::map<std::string, std::string> digests = locked.files;
  EXPECT_EQ(status_of([&] { require_locked(locked, digests); }), QUERN_OK);
  digests["gemm.cu"] = kA;
  EXPECT_EQ(status_of([&] { require_locked(locked, digests); }), QUERN_LOCK_MISMATCH);
  EXPECT_EQ(message_of([&] { require_locked(locked, digests); }),
            "a/b: gemm.cu has sha256 " + kA + " and " + kB + " is locked; lock again if the change is meant");
  digests.erase("gemm.cu");
  EXPECT_EQ(message_of([&] { require_locked(locked, digests); }),
            "a/b: gemm.cu is locked and missing; lock again if that is meant");
  digests = locked.files;
  digests["more.cuh"] = kA;
  EXPECT_EQ(message_of([&] { require_locked(locked, digests); }),
            "a/b: more.cuh is not locked; lock again if it is meant");
  digests = locked.files;
  digests["kernel.json"] = kB;
  EXPECT_EQ(status_of([&] { require_locked(locked, digests); }), QUERN_LOCK_MISMATCH);
}

}  // namespace
}  // namespace quern
