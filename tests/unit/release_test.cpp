#include "registry/trust/release.hpp"

#include <gtest/gtest.h>

#include "simulated_registry.hpp"

namespace quern {
namespace {

Release sound() {
  Release release;
  release.id = "acme/mxfp4-gemm";
  release.version = 1;
  release.build = 7;
  release.manifest = std::string(64, 'a');
  release.size = 5123;
  release.signatures = {std::string(64, 'b'), 194};
  release.published = kEarliestNow;
  release.min_client = {0, 1};
  return release;
}

constexpr const char *kLine =
    R"({"schema":1,"id":"acme/mxfp4-gemm","version":1,"build":7,)"
    R"("manifest":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":5123,)"
    R"("signatures":{"sha256":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":194},)"
    R"("published":"2026-11-22T08:00:00Z","min_client":"0.1","yanked":false,"revoked":""})";

TEST(Release, BytesArePinned) {
  EXPECT_EQ(write_release(sound()), kLine + std::string("\n"));
  EXPECT_EQ(parse_release(kLine, "l"), sound());
  Release other = sound();
  other.signatures = {};
  other.yanked = true;
  other.revoked = "wrong \"results\" on sm_90a";
  std::string line = write_release(other);
  line.pop_back();
  EXPECT_EQ(parse_release(line, "l"), other);
  EXPECT_EQ(line.find("signatures"), std::string::npos);
}

TEST(Release, HostileLines) {
  const std::string good = kLine;
  const std::pair<const char *, const char *> edits[] = {{R"("id":"acme)", R"("id":"..)"},
                                                         {R"("id":"acme/)", R"("id":"acme)"},
                                                         {R"("version":1)", R"("version":0)"},
                                                         {R"("version":1)", R"("version":2147483648)"},
                                                         {R"("build":7)", R"("build":1.5)"},
                                                         {R"("build":7)", R"("build":7,"build":8)"},
                                                         {R"("build":7)", R"("build":1e400)"},
                                                         {R"("manifest":"a)", R"("manifest":"A)"},
                                                         {R"("manifest":"a)", R"("manifest":")"},
                                                         {R"("size":5123)", R"("size":0)"},
                                                         {R"("size":5123)", R"("size":262145)"},
                                                         {R"("size":194)", R"("size":0)"},
                                                         {R"("size":194)", R"("size":1000000)"},
                                                         {R"("signatures":{)", R"("signatures":{"more":1,)"},
                                                         {"2026-11-22T08:00:00Z", "2026-11-22"},
                                                         {R"("min_client":"0.1")", R"("min_client":"")"},
                                                         {R"("min_client":"0.1")", R"("min_client":"1")"},
                                                         {R"("min_client":"0.1")", R"("min_client":"0.1.2")"},
                                                         {R"("min_client":"0.1")", R"("min_client":"-1.0")"},
                                                         {R"("min_client":"0.1")", R"("min_client":"0.99999999999")"},
                                                         {R"("min_client":"0.1")", R"("min_client":0.1)"},
                                                         {R"("yanked":false)", R"("yanked":0)"},
                                                         {R"("yanked":false)", R"("yanked":"false")"},
                                                         {R"("revoked":"")", R"("revoked":null)"},
                                                         {R"("revoked":"")", R"("revoked":"a\nb")"},
                                                         {R"("revoked":"")", R"("revoked":"\u001b[2J")"},
                                                         {R"("revoked":"")", R"("revoked":"a\u0000b")"},
                                                         {R"("revoked":"")", R"("rewoked":"")"},
                                                         {R"({"schema":1)", R"({"schema":"1")"},
                                                         {R"({"schema":1)", R"({"schema":1.0)"},
                                                         {R"({"schema":1,)", R"({)"},
                                                         {R"({"schema":1)", R"({"schema":2,"schema":1)"}};
  for (const auto &[from, to] : edits) {
    std::string bad = good;
    ASSERT_NE(bad.find(from), std::string::npos) << from;
    bad.replace(bad.find(from), std::string(from).size(), to);
    EXPECT_EQ(status_of([&] { parse_release(bad, "l"); }), QUERN_CORRUPT) << bad;
  }
  for (const std::string &bad : {std::string(), std::string("[]"), std::string("null"), good + good,
                                 std::string(100000, '['), good + std::string(1, '\0')}) {
    EXPECT_EQ(status_of([&] { parse_release(bad, "l"); }), QUERN_CORRUPT) << bad.substr(0, 80);
  }
}

TEST(Release, AReasonIsALineOfText) {
  for (const std::string &good :
       {std::string(), std::string("wrong for n > 65535"), std::string("fals\u00e8"), std::string(500, 'x')}) {
    EXPECT_TRUE(is_revocation_reason(good)) << good;
  }
  for (const std::string &bad : {std::string("a\nb"), std::string("\t"), std::string("\x7f"), std::string(1, '\0'),
                                 std::string("\xff"), std::string("\xc3"), std::string(501, 'x')}) {
    EXPECT_FALSE(is_revocation_reason(bad)) << bad;
  }
}

TEST(PackageIndex, ReadsLinesOfOnePackage) {
  Release second = sound();
  second.build = 8;
  const std::string one = write_release(sound()), two = write_release(second);
  EXPECT_EQ(parse_index(one + two, sound().id, "i").releases.size(), 2u);
  EXPECT_TRUE(parse_index("", sound().id, "i").releases.empty());
  const PackageIndex later = parse_index(one + "{\"schema\":2,\"id\":{}}\n" + two, sound().id, "i");
  EXPECT_EQ(later.releases.size(), 2u);
  EXPECT_EQ(later.passed_over, 1);
  for (const std::string &bad : {one + one, one + two.substr(0, two.size() - 1), one + "\n" + two, "\n" + one,
                                 one + "{}\n", one + "{\"schema\":2\n"}) {
    EXPECT_EQ(status_of([&] { parse_index(bad, sound().id, "i"); }), QUERN_CORRUPT) << bad;
  }
  EXPECT_EQ(status_of([&] { parse_index(one, "acme/other", "i"); }), QUERN_CORRUPT);
  EXPECT_EQ(message_of([&] { parse_index(one + one, sound().id, "i"); }), "i, line 2: version 1 build 7 appears twice");
}

TEST(ChooseVersion, TheNewestBuildThatMayServe) {
  std::vector<Release> releases;
  for (int build = 1; build <= 5; ++build) releases.push_back(test_release("a/b", 1, build));
  releases.push_back(test_release("a/b", 2, 1));
  std::swap(releases[0], releases[4]);
  EXPECT_EQ(choose_version(releases, 1).release->build, 5);
  releases[0].yanked = true;
  EXPECT_EQ(choose_version(releases, 1).release->build, 4);
  releases[3].revoked = "wrong";
  EXPECT_EQ(choose_version(releases, 1).release->build, 3);
  releases[2].min_client = {QUERN_VERSION_MAJOR, QUERN_VERSION_MINOR + 1};
  EXPECT_EQ(choose_version(releases, 1).release->build, 2);
  EXPECT_EQ(choose_version(releases, 1, {9, 0}).release->build, 3);
  EXPECT_EQ(choose_version(releases, 2).release->build, 1);
  EXPECT_EQ(choose_version(releases, 3).reason, "there is no version 3; the newest is 2");
  EXPECT_EQ(choose_version({}, 1).reason, "there is no release");
  releases = {releases[0], releases[3], releases[2]};
  EXPECT_EQ(
      choose_version(releases, 1).reason,
      "version 1 has no build to use; build 5 was withdrawn; build 4 was revoked: wrong; build 3 needs Quern 0.2");
}

TEST(ChooseManifest, ExactlyOneYankedOrNotButNotRevoked) {
  std::vector<Release> releases = {test_release("a/b", 1, 1), test_release("a/b", 1, 2)};
  releases[0].yanked = true;
  EXPECT_EQ(choose_manifest(releases, releases[0].manifest).release->build, 1);
  releases[1].revoked = "wrong";
  EXPECT_FALSE(choose_manifest(releases, releases[1].manifest).release);
  EXPECT_EQ(choose_manifest(releases, releases[1].manifest).reason, "version 1 build 2 was revoked: wrong");
  EXPECT_FALSE(choose_manifest(releases, std::string(64, '0')).release);
}

}  // namespace
}  // namespace quern
