// One line per event, to the host's callback or, if QUERN_LOG asks for it, to standard error. Never on a hot path.
#pragma once

#include <mutex>
#include <string>

#include <quern/quern.h>

#include "runtime/base/error.hpp"

namespace quern {

class Log {
 public:
  // Without a callback lines go to standard error. Level 0 is silent.
  Log(quern_log_level level, quern_log_callback callback, void *user)
      : level_(level), callback_(callback), user_(user) {}

  bool enabled(quern_log_level level) const { return level <= level_; }

  template <typename... Parts>
  void write(quern_log_level level, const char *component, const Parts &...parts) const {
    if (enabled(level)) emit(level, component, text(parts...));
  }

 private:
  void emit(quern_log_level level, const char *component, const std::string &line) const;

  quern_log_level level_;
  quern_log_callback callback_;
  void *user_;
  mutable std::mutex mutex_;  // one callback at a time
};

// "off", "error", "warn", "info", "debug"; empty is off.
quern_log_level parse_log_level(const std::string &text);

}  // namespace quern
