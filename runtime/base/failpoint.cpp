#include "runtime/base/failpoint.hpp"

#ifdef QUERN_FAILPOINTS

#include <atomic>
#include <cstdlib>
#include <cstring>

#include <time.h>
#include <unistd.h>
#include <csignal>

namespace quern {
namespace {

constexpr int kMaxRules = 8;
constexpr int kKill = -10, kDelay = -11;

struct Rule {
  char name[32];
  int64_t nth;
  bool lasts;
  int what;
  std::atomic<int64_t> seen{0};
};

Rule rules[kMaxRules];
int rule_count = 0;
std::atomic<int64_t> passed{0};
std::atomic<bool> was_hit{false};

int action(const char *text) {
  if (std::strncmp(text, "kill", 4) == 0) return kKill;
  if (std::strncmp(text, "short", 5) == 0) return kComesUpShort;
  if (std::strncmp(text, "skip", 4) == 0) return kSkipped;
  if (std::strncmp(text, "delay", 5) == 0) return kDelay;
  return std::atoi(text);
}

// A rule that cannot be read stops the test at once: a fault that silently never comes would prove nothing.
void read_rules(const char *text) {
  rule_count = 0;
  was_hit = false;
  while (text != nullptr && *text != '\0') {
    const char *nth = std::strchr(text, ':');
    const char *what = nth == nullptr ? nullptr : std::strchr(nth + 1, ':');
    if (what == nullptr || nth - text >= 32 || rule_count == kMaxRules || action(what + 1) == 0) std::abort();
    Rule &rule = rules[rule_count++];
    std::memcpy(rule.name, text, static_cast<size_t>(nth - text));
    rule.name[nth - text] = '\0';
    rule.seen = 0;
    char *end = nullptr;
    rule.nth = std::strtoll(nth + 1, &end, 10);
    rule.lasts = *end == '+';
    rule.what = action(what + 1);
    text = std::strchr(what, ',');
    if (text != nullptr) ++text;
  }
}

std::atomic<bool> armed{false};

}  // namespace

int failpoint(const char *name) noexcept {
  if (!armed.exchange(true)) read_rules(std::getenv("QUERN_FAIL"));
  const bool counted = std::strcmp(name, "alloc") != 0;
  if (counted) ++passed;
  for (int i = 0; i < rule_count; ++i) {
    Rule &rule = rules[i];
    const bool meant = std::strcmp(rule.name, "*") == 0 ? counted : std::strcmp(rule.name, name) == 0;
    if (!meant) continue;
    if (const int64_t seen = ++rule.seen; rule.lasts ? seen < rule.nth : rule.nth != 0 && seen != rule.nth) continue;
    if (rule.what != kSkipped) was_hit = true;
    if (rule.what == kKill) ::kill(::getpid(), SIGKILL);
    if (rule.what == kDelay) {
      const struct timespec pause { 0, 50'000'000 };
      ::nanosleep(&pause, nullptr);
      continue;
    }
    return rule.what;
  }
  return 0;
}

void failpoint_arm(const char *text) noexcept {
  armed = true;
  read_rules(text);
}
bool failpoint_was_hit() noexcept { return was_hit; }
int64_t failpoints_passed() noexcept { return passed; }

}  // namespace quern

#endif
