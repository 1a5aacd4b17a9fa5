#include "runtime/compile/compile_log.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <optional>
#include <string_view>

namespace quern {
namespace {

constexpr size_t kLongestReason = 400;

template <typename Visit>
void for_each_line(std::string_view log, Visit visit) {
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    visit(log.substr(begin, end - begin));
    begin = end + 1;
  }
}

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// The number that ends where `text` ends, "Used 24" for example; nothing if there is none or it is absurd.
std::optional<int> last_number(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0 && is_digit(text[begin - 1])) --begin;
  const std::string_view digits = text.substr(begin);
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  int number = 0;
  for (const char c : digits) number = number * 10 + (c - '0');
  return number;
}

// Adds the numbers that stand before `words`.
void add_numbers(std::string_view log, std::string_view words, int &total) {
  for (size_t at = log.find(words); at != std::string_view::npos; at = log.find(words, at + 1)) {
    const std::optional<int> number = last_number(log.substr(0, at));
    if (!number) continue;
    if (std::max(total, 0) > std::numeric_limits<int>::max() - *number) return;
    total = std::max(total, 0) + *number;
  }
}

bool is_report(std::string_view line) {
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.remove_suffix(1);
  if (line.rfind("ptxas", 0) == 0) line.remove_prefix(5);
  line.remove_prefix(std::min(line.find_first_not_of(" .:"), line.size()));
  if (line.empty()) return true;
  if (line.rfind("info", 0) == 0) {
    const std::string_view rest = line.substr(std::min(line.find_first_not_of(' ', 4), line.size()));
    if (line.size() > 4 && line[4] == ' ' && rest.rfind(": ", 0) == 0) return true;
  }
  const size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  if (digits > 0 && line.substr(digits).rfind(" bytes stack frame", 0) == 0) return true;
  return line.find("Compiling entry function") != std::string_view::npos ||
         line.find("Function properties for") != std::string_view::npos;
}

}  // namespace

std::string first_error(const std::string &log) {
  std::string_view found = std::string_view(log).substr(0, log.find('\n'));
  bool done = false;
  for_each_line(log, [&](std::string_view line) {
    if (done || line.find("error") == std::string_view::npos) return;
    found = line;
    done = true;
  });
  if (found.size() <= kLongestReason) return std::string(found);
  return std::string(found.substr(0, kLongestReason)) + "...";
}

ResourceReport resources_in(const std::string &log) {
  ResourceReport report;
  int shared = -1;
  add_numbers(log, " registers", report.registers);
  add_numbers(log, " bytes spill stores", report.spill_bytes);
  add_numbers(log, " bytes spill loads", report.spill_bytes);
  add_numbers(log, " bytes smem", shared);
  report.shared_bytes = std::max(0, shared);
  return report;
}

std::string warnings_in(const std::string &log) {
  std::string kept;
  for_each_line(log, [&](std::string_view line) {
    if (!is_report(line)) (kept += kept.empty() ? "" : "\n") += line;
  });
  return kept;
}

std::string sanitized_log(std::string log, const std::string &directory, size_t limit) {
  if (log.size() > limit) {
    log.resize(limit);
    log += "\n(cut here)";
  }
  if (directory.size() > 1) {
    for (size_t at = log.find(directory); at != std::string::npos; at = log.find(directory, at)) {
      log.erase(at, directory.size());
    }
  }
  for (char &c : log) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) c = '?';
  }
  return log;
}

}  // namespace quern
