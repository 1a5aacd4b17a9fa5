#include "registry/include_scan.hpp"

#include <cctype>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

[[noreturn]] void refuse(const std::string &what, const char *found, const char *fix) {
  fail(QUERN_BAD_MANIFEST, what, ": ", found, " is not allowed in kernel sources; ", fix);
}

// Translation phase 2: lines joined at backslashes. Compilers differ in whether blanks may stand between the backslash
// and the line's end, so these are refused.
std::string joined_lines(std::string_view source, const std::string &what) {
  std::string joined;
  joined.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\\') {
      const size_t end = source.find_first_not_of(" \t\v\f\r", i + 1);
      if (end != std::string_view::npos && source[end] == '\n') {
        if (end != i + 1 && source.substr(i + 1, end - i - 1) != "\r") {
          refuse(what, "a backslash with blanks behind it at the end of a line", "remove the blanks");
        }
        i = end;
        continue;
      }
    }
    joined += source[i];
  }
  return joined;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$'; }

// Phase 3 as far as directives need it: comments turned into blanks. Strings and characters keep their text, so that
// "//" in one is no comment. What could make this reader see a string or a comment where the compiler sees none is
// refused, or an #include could hide in it.
std::string without_comments(const std::string &joined, const std::string &what) {
  std::string out;
  out.reserve(joined.size());
  for (size_t i = 0; i < joined.size(); ++i) {
    const char c = joined[i];
    const size_t start = i;
    if (c == '"' || c == '\'') {
      ++i;
      while (i < joined.size() && joined[i] != c && joined[i] != '\n') i += joined[i] == '\\' ? 2 : 1;
      out.append(joined, start, i - start + 1);
    } else if (joined.compare(i, 2, "//") == 0) {
      i = joined.find('\n', i);
      if (i == std::string::npos) break;
      out += '\n';
    } else if (joined.compare(i, 2, "/*") == 0) {
      const size_t end = joined.find("*/", i + 2);
      if (end == std::string::npos) break;
      out += ' ';
      i = end + 1;
    } else if (is_word(c)) {
      // A whole word: a quote inside a number, 1'000, begins no character.
      const bool is_number = std::isdigit(static_cast<unsigned char>(c)) != 0;
      for (++i; i < joined.size(); ++i) {
        const bool separates = is_number && joined[i] == '\'' && i + 1 < joined.size() && is_word(joined[i + 1]);
        if (!is_word(joined[i]) && !separates) break;
      }
      if (joined[i - 1] == 'R' && i < joined.size() && joined[i] == '"')
        refuse(what, "a raw string", "write a plain one");
      out.append(joined, start, i - start);
      --i;
    } else {
      if (static_cast<unsigned char>(c) >= 0x80) {
        refuse(what, "a character beyond ASCII outside of strings and comments", "remove it");
      }
      out += c;
    }
  }
  return out;
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())) != 0) line.remove_prefix(1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.remove_suffix(1);
  return line;
}

}  // namespace

std::vector<std::string> included_names(std::string_view source, const std::string &what) {
  const std::string code = without_comments(joined_lines(source, what), what);
  for (const char *forbidden : {"__has_include", "%:", "?\?=", "__DATE__", "__TIME__", "__TIMESTAMP__"}) {
    if (code.find(forbidden) != std::string::npos) refuse(what, forbidden, "remove it");
  }
  std::vector<std::string> names;
  for (size_t begin = 0; begin < code.size();) {
    const size_t end = std::min(code.find('\n', begin), code.size());
    std::string_view line = trimmed(std::string_view(code).substr(begin, end - begin));
    begin = end + 1;
    if (line.empty() || line.front() != '#') continue;
    line = trimmed(line.substr(1));
    if (line.rfind("include", 0) != 0 && line.rfind("import", 0) != 0) continue;
    const std::string_view operand = trimmed(line.substr(line[1] == 'n' ? 7 : 6));
    const char close = operand.empty() ? '\0' : operand.front() == '<' ? '>' : operand.front() == '"' ? '"' : '\0';
    const size_t stop = close == '\0' ? std::string_view::npos : operand.find(close, 1);
    if (line.rfind("import", 0) == 0 || stop == std::string_view::npos || stop == 1) {
      fail(QUERN_BAD_MANIFEST, what, ": \"#", line, "\" is not a plain #include <name>; write one");
    }
    names.emplace_back(operand.substr(1, stop - 1));
  }
  return names;
}

}  // namespace quern
