#include "registry/package/include_scan.hpp"

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

using Names = std::vector<std::string>;

void expect_refused(const std::string &source, const std::string &reason) {
  try {
    included_names(source, "where.cu");
    ADD_FAILURE() << source << " was accepted";
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_BAD_MANIFEST);
    EXPECT_EQ(std::string(error.what()).rfind("where.cu: ", 0), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << source << ": " << error.what();
  }
}

TEST(IncludedNames, RefusesWhatItCannotSeeThrough) {
  for (const char *source : {"#include HEADER\n", "#include\n", "#include <>\n", "#include \"\"\n", "#include <a.h\n",
                             "#include \"a.h\n", "#include_next <a.h>\n", "#import <a.h>\n", "#import \"a.h\"\n",
                             "#include a.h\n", "#include (\"a.h\")\n", "#include", "#include <a//b.h>\n"}) {
    expect_refused(source, "is not a plain #include");
  }
}

TEST(IncludedNames, RefusesOtherSpellings) {
  expect_refused("%:include \"a.h\"\n", "%:");
  expect_refused("?\?=include \"a.h\"\n", "?\?=");
  expect_refused("#if __has_include(<a.h>)\n#endif\n", "__has_include");
  expect_refused("#if __has_\\\ninclude(<a.h>)\n#endif\n", "__has_include");
  expect_refused("#if __has_include_next(<a.h>)\n#endif\n", "__has_include");
}

TEST(IncludedNames, RefusesWhatMakesEqualSourcesDifferent) {
  for (const char *macro : {"__DATE__", "__TIME__", "__TIMESTAMP__"}) {
    expect_refused(std::string("const char *s = ") + macro + ";\n", macro);
    EXPECT_EQ(included_names(std::string("// ") + macro + "\n", ""), Names{});
  }
}

// Each of these hides the include from a reader that believes it is in a string or comment, where the compiler is not.
TEST(IncludedNames, RefusesTextInWhichAnIncludeCouldHide) {
  const std::string include = "\n#include \"/etc/passwd\"\n";
  for (const char *raw : {"R\"x(\"/*)x\"", "u8R\"(\"/*)\"", "LR\"(\"/*)\"", "FOO_R\"(\"/*)\""}) {
    expect_refused("auto s = " + std::string(raw) + ";" + include, "a raw string");
  }
  expect_refused("// comment \\ " + include, "a backslash with blanks behind it");
  expect_refused("// comment \\\t" + include, "a backslash with blanks behind it");
  expect_refused("// comment \\ \r" + include, "a backslash with blanks behind it");
  expect_refused("\302\2401'0" + include, "a character beyond ASCII");
  const Names hidden{"/etc/passwd"};
  EXPECT_EQ(included_names("int a = 1'0; char s[] = \"'/*\";" + include, ""), hidden);
  EXPECT_EQ(included_names("int a = 0xA'B'C; char s[] = \"'/*\";" + include, ""), hidden);
  EXPECT_EQ(included_names("float a = 1.5'0e+1'0f; char s[] = \"'/*\";" + include, ""), hidden);
  EXPECT_EQ(included_names("char a = u8'\"'; char b = '\\''; /**/" + include, ""), hidden);
  EXPECT_EQ(included_names("#if 0\ndon't /*\n#endif" + include, ""), hidden);
  EXPECT_EQ(included_names("#define A \"unterminated /*" + include, ""), hidden);
}

TEST(IncludedNames, FindsEverySpelling) {
  const struct {
    const char *source;
    Names names;
  } cases[] = {
      {"#include <a.h>", {"a.h"}},
      {"#include \"b/c.h\"\n#include<d.h>\n", {"b/c.h", "d.h"}},
      {"  \t#  include   <a.h>  // why\n", {"a.h"}},
      {"\f\v#include <a.h>\n", {"a.h"}},
      {"#include <a.h>\r\n#include <b.h>\r\n", {"a.h", "b.h"}},
      {"#inc\\\nlude <a\\\n.h>\n", {"a.h"}},
      {"#inc\\\r\nlude <a.h>\r\n", {"a.h"}},
      {"#\\\n\\\ninclude <a.h>\n", {"a.h"}},
      {"# /* one\n two */ include /**/ <a.h>\n", {"a.h"}},
      {"/**/ #include <a.h>\n", {"a.h"}},
      {"/* one */ /* two\n*/#include <a.h>\n", {"a.h"}},
      {"#if 0\n#include <a.h>\n#endif\n", {"a.h"}},  // strict: what is skipped counts too
      {"#include <a.h>\n#include <a.h>\n", {"a.h", "a.h"}},
      {"int x = '\"'; \n#include <a.h>\n", {"a.h"}},
      {"const char *s = \"\\\\\";\n#include <a.h>\n", {"a.h"}},
      {"const char *s = \"\\\"/*\";\n#include <a.h>\n", {"a.h"}},
  };
  for (const auto &item : cases) EXPECT_EQ(included_names(item.source, ""), item.names) << item.source;
}

TEST(IncludedNames, PassesOverStringsAndComments) {
  for (const char *source : {"",
                             "\n",
                             "#",
                             "#\n",
                             "# 1\n",
                             "#define include <a.h>\n",
                             "// #include <a.h>\n",
                             "/*\n#include <a.h>\n*/\n",
                             "/*\n#include <a.h>\n",
                             "// comment \\\n#include <a.h>\n",
                             "const char *s = \"#include <a.h>\";\n",
                             "const char *s = \"\\\n#include <a.h>\";\n",
                             "x = a #include <b.h>\n",
                             "#pragma once\n#endif\n",
                             "// don't \"stop\n",
                             "// caf\xc3\xa9\nconst char *s = \"caf\xc3\xa9\";\n",
                             "'",
                             "\"",
                             "\"\\",
                             "\\",
                             "1'"}) {
    EXPECT_EQ(included_names(source, "where.cu"), Names{}) << source;
  }
}

}  // namespace
}  // namespace quern
