#include "registry/package/include_scan.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>

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
  size_t kept = 0;  // what lies before it is in `joined` already
  for (size_t i = source.find('\\'); i != std::string_view::npos; i = source.find('\\', i + 1)) {
    const size_t end = source.find_first_not_of(" \t\v\f\r", i + 1);
    if (end == std::string_view::npos || source[end] != '\n') continue;
    if (end != i + 1 && source.substr(i + 1, end - i - 1) != "\r") {
      refuse(what, "a backslash with blanks behind it at the end of a line", "remove the blanks");
    }
    joined.append(source, kept, i - kept);
    kept = end + 1;
  }
  return joined.append(source, kept);
}

// What a character may begin. A table, since every character of every source is looked at.
enum class Kind : uint8_t { kPlain, kLetter, kDigit, kQuote, kSlash, kBeyondAscii };

constexpr std::array<Kind, 256> kKinds = [] {
  std::array<Kind, 256> kinds{};
  for (size_t c = 'a'; c <= 'z'; ++c) kinds[c] = kinds[c - 'a' + 'A'] = Kind::kLetter;
  for (size_t c = '0'; c <= '9'; ++c) kinds[c] = Kind::kDigit;
  for (size_t c = 0x80; c <= 0xff; ++c) kinds[c] = Kind::kBeyondAscii;
  kinds['_'] = kinds['$'] = Kind::kLetter;
  kinds['"'] = kinds['\''] = Kind::kQuote;
  kinds['/'] = Kind::kSlash;
  return kinds;
}();

Kind kind_of(char c) { return kKinds[static_cast<unsigned char>(c)]; }

bool is_word(char c) { return kind_of(c) == Kind::kLetter || kind_of(c) == Kind::kDigit; }

// Behind the word that begins at `i`. A quote inside a number, 1'000, belongs to it and begins no character.
size_t end_of_word(const std::string &joined, size_t i) {
  const bool is_number = kind_of(joined[i]) == Kind::kDigit;
  for (++i; i < joined.size(); ++i) {
    const bool separates = is_number && joined[i] == '\'' && i + 1 < joined.size() && is_word(joined[i + 1]);
    if (!is_word(joined[i]) && !separates) break;
  }
  return i;
}

// Behind the string or the character that begins at `i`, or at the end of the line where it is not closed.
size_t end_of_quoted(const std::string &joined, size_t i) {
  const char quote = joined[i];
  for (++i; i < joined.size() && joined[i] != quote && joined[i] != '\n';) i += joined[i] == '\\' ? 2 : 1;
  return std::min(i + 1, joined.size());
}

// Phase 3 as far as directives need it: comments turned into blanks. Strings and characters keep their text, so that
// "//" in one is no comment. What could make this reader see a string or a comment where the compiler sees none is
// refused, or an #include could hide in it.
std::string without_comments(const std::string &joined, const std::string &what) {
  std::string out;
  out.reserve(joined.size());
  size_t kept = 0;  // what lies before it is in `out` already
  for (size_t i = 0; i < joined.size();) {
    switch (kind_of(joined[i])) {
      case Kind::kPlain:
        ++i;
        break;
      case Kind::kLetter:
      case Kind::kDigit:
        i = end_of_word(joined, i);
        if (joined[i - 1] == 'R' && i < joined.size() && joined[i] == '"') {
          refuse(what, "a raw string", "write a plain one");
        }
        break;
      case Kind::kQuote:
        i = end_of_quoted(joined, i);
        break;
      case Kind::kSlash: {
        const char next = i + 1 < joined.size() ? joined[i + 1] : '\0';
        if (next != '/' && next != '*') {
          ++i;
          break;
        }
        out.append(joined, kept, i - kept);
        const size_t end = next == '/' ? joined.find('\n', i) : joined.find("*/", i + 2);
        if (end == std::string::npos) return out;
        if (next == '*') out += ' ';
        kept = next == '/' ? end : end + 2;  // the line's end stays
        i = kept;
        break;
      }
      case Kind::kBeyondAscii:
        refuse(what, "a character beyond ASCII outside of strings and comments", "remove it");
    }
  }
  return out.append(joined, kept);
}

void refuse_other_spellings(const std::string &code, const std::string &what) {
  for (const char *forbidden : {"%:", "?\?="}) {
    if (code.find(forbidden) != std::string::npos) refuse(what, forbidden, "remove it");
  }
  for (size_t i = code.find("__"); i != std::string::npos; i = code.find("__", i + 1)) {
    for (const char *forbidden : {"__has_include", "__DATE__", "__TIME__", "__TIMESTAMP__"}) {
      if (std::string_view(code).substr(i).starts_with(forbidden)) refuse(what, forbidden, "remove it");
    }
  }
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())) != 0) line.remove_prefix(1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.remove_suffix(1);
  return line;
}

}  // namespace

std::vector<std::string> included_names(std::string_view source, const std::string &what) {
  const std::string code = without_comments(joined_lines(source, what), what);
  refuse_other_spellings(code, what);
  std::vector<std::string> names;
  // From one '#' to the next: few lines have any.
  for (size_t hash = code.find('#'); hash != std::string::npos;) {
    const size_t begin = code.rfind('\n', hash) + 1;  // 0 in the first line
    const size_t end = std::min(code.find('\n', hash), code.size());
    std::string_view line = trimmed(std::string_view(code).substr(begin, end - begin));
    hash = code.find('#', end);
    if (line.front() != '#') continue;
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
