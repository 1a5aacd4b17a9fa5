#include "runtime/base/log.hpp"

#include <cstdio>
#include <ctime>

namespace quern {

void Log::emit(quern_log_level level, const char *component, const std::string &line) const {
  const std::lock_guard lock(mutex_);
  if (callback_ != nullptr) {
    callback_(user_, level, component, line.c_str());
    return;
  }
  char stamp[32];
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
  std::fprintf(stderr, "quern,v1,%s,%s,%s\n", stamp, component, line.c_str());
}

quern_log_level parse_log_level(const std::string &text) {
  if (text.empty() || text == "off") return static_cast<quern_log_level>(0);
  if (text == "error") return QUERN_LOG_ERROR;
  if (text == "warn") return QUERN_LOG_WARN;
  if (text == "info") return QUERN_LOG_INFO;
  if (text == "debug") return QUERN_LOG_DEBUG;
  fail(QUERN_INVALID_ARGUMENT, "QUERN_LOG is \"", text, "\"; set it to off, error, warn, info or debug");
}

}  // namespace quern
