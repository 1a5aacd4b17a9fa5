#include "registry/fetch/url.hpp"

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

std::string refusal_of(const char *from, const char *to, bool allow_http = false) {
  return redirect_refusal(parse_url(from), parse_url(to), allow_http);
}

TEST(ParseUrl, RefusesAddressesInDisguise) {
  for (const char *text : {"https://0x7f.1/",
                           "https://2130706433/",
                           "https://127.1/",
                           "https://0177.0.0.1/",
                           "https://1.2.3.4.5/",
                           "https://256.1.1.1/",
                           "https://[::1%25lo]/",
                           "https://[1.2.3.4]/",
                           "https://a:1:2/",
                           "https://user@a/",
                           "https://a/b#c",
                           "https://a/ b",
                           "https://a\\b/",
                           "https:a",
                           "//a/b",
                           "https://a/%4",
                           "https://a/\xc3\xa9",
                           "file:/x",
                           "file:///a%0ab",
                           "file:///50%"}) {
    EXPECT_THROW(parse_url(text), Error) << text;
  }
}

TEST(ParseUrl, TellsHowFarAnAddressReaches) {
  const std::pair<const char *, Reach> cases[] = {{"https://example.org", Reach::kName},
                                                  {"https://localhost", Reach::kLoopback},
                                                  {"https://a.localhost", Reach::kLoopback},
                                                  {"https://127.255.0.1", Reach::kLoopback},
                                                  {"https://0.0.0.0", Reach::kLoopback},
                                                  {"https://[::1]", Reach::kLoopback},
                                                  {"https://[::ffff:127.0.0.1]", Reach::kLoopback},
                                                  {"https://[::ffff:10.0.0.1]", Reach::kPrivate},
                                                  {"https://10.255.255.255", Reach::kPrivate},
                                                  {"https://11.0.0.0", Reach::kPublic},
                                                  {"https://172.16.0.1", Reach::kPrivate},
                                                  {"https://172.32.0.1", Reach::kPublic},
                                                  {"https://192.168.1.1", Reach::kPrivate},
                                                  {"https://169.254.169.254", Reach::kPrivate},
                                                  {"https://100.64.0.1", Reach::kPrivate},
                                                  {"https://[fd00::1]", Reach::kPrivate},
                                                  {"https://[fe80::1]", Reach::kPrivate},
                                                  {"https://[2001:db8::1]", Reach::kPublic},
                                                  {"https://8.8.8.8", Reach::kPublic},
                                                  {"https://127.example.org", Reach::kName}};
  for (const auto &[text, reach] : cases) EXPECT_EQ(parse_url(text).reach, reach) << text;
}

TEST(ParseUrl, TellsOriginsApartAndKeepsQueriesOutOfMessages) {
  EXPECT_EQ(parse_url("HTTPS://Example.ORG:443/A?b=C").origin(), "https://example.org");
  EXPECT_EQ(parse_url("https://example.org:80/").origin(), "https://example.org:80");
  EXPECT_EQ(parse_url("http://example.org:80/").origin(), "http://example.org");
  EXPECT_EQ(parse_url("https://example.org?q").text(), "https://example.org/?q");
  EXPECT_EQ(parse_url("https://example.org/a?secret").shown(), "https://example.org/a");
  EXPECT_EQ(parse_url("file:///a%20b/c d").path, "/a b/c d");
}

TEST(Below, EscapesSegmentsAndRefusesToLeaveTheBase) {
  const Url base = parse_url("https://a/base//");
  EXPECT_EQ(below(base, "x/y z?#%.cu").text(), "https://a/base/x/y%20z%3F%23%25.cu");
  EXPECT_EQ(below(parse_url("file:///d"), "x/y z").text(), "file:///d/x/y z");
  for (const char *path : {"", "/x", "x/", "x//y", ".", "..", "x/../y", "./x"})
    EXPECT_THROW(below(base, path), Error) << path;
  EXPECT_THROW(below(parse_url("https://a/?token=x"), "y"), Error);
}

TEST(RedirectRefusal, KeepsSchemeAndDoesNotLeadInside) {
  EXPECT_EQ(refusal_of("https://a.org", "https://cdn.example/x?sig"), "");
  EXPECT_EQ(refusal_of("https://a.org", "https://8.8.8.8"), "");
  EXPECT_EQ(refusal_of("https://10.0.0.1", "https://10.0.0.2"), "");
  EXPECT_EQ(refusal_of("http://127.0.0.1:1", "http://localhost:2"), "");
  EXPECT_EQ(refusal_of("https://10.0.0.1", "https://a.org"), "");
  EXPECT_EQ(refusal_of("https://a.org", "http://a.org", true), "redirects from https to http");
  EXPECT_EQ(refusal_of("http://a.org", "https://a.org", true), "redirects from http to https");
  EXPECT_EQ(refusal_of("https://a.org", "file:///etc/passwd", true), "redirects from https to file");
  EXPECT_EQ(refusal_of("http://127.0.0.1", "http://a.org"), "redirects to plain http");
  for (const char *inside : {"https://127.0.0.1", "https://localhost", "https://169.254.169.254", "https://10.0.0.1",
                             "https://[::1]", "https://[fd00::1]"}) {
    EXPECT_NE(refusal_of("https://a.org", inside), "") << inside;
    EXPECT_NE(refusal_of("https://8.8.8.8", inside), "") << inside;
  }
  EXPECT_NE(refusal_of("https://127.0.0.1", "https://169.254.169.254"), "");
}

TEST(MayBeAsked, PlainHttpOnlyOnThisMachine) {
  EXPECT_TRUE(may_be_asked(parse_url("https://a.org"), false));
  EXPECT_TRUE(may_be_asked(parse_url("http://127.0.0.1:8080"), false));
  EXPECT_TRUE(may_be_asked(parse_url("http://[::1]"), false));
  EXPECT_FALSE(may_be_asked(parse_url("http://a.org"), false));
  EXPECT_FALSE(may_be_asked(parse_url("http://10.0.0.1"), false));
  EXPECT_TRUE(may_be_asked(parse_url("http://a.org"), true));
  EXPECT_FALSE(may_be_asked(parse_url("file:///x"), true));
  EXPECT_FALSE(may_be_asked(parse_url("hf://a/b"), true));
}

}  // namespace
}  // namespace quern
