// Compile unit to code: from the cache on disk, else compiled, once per unit among all threads and all processes that
// share the cache. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "registry/cache.hpp"
#include "runtime/base/log.hpp"
#include "runtime/compile_unit.hpp"
#include "runtime/nvrtc_api.hpp"

namespace quern {

struct StoreStats {
  std::atomic<int64_t> disk_hits{0}, compiles{0}, compile_ms{0}, writes{0};
};

class KernelStore {
 public:
  KernelStore(Cache &cache, Nvrtc &nvrtc, bool jit_allowed, const Log &log)
      : cache_(cache), nvrtc_(nvrtc), jit_allowed_(jit_allowed), log_(log) {}

  struct Code {
    CacheEntry entry;
    bool from_cache;
    std::string warnings;  // of a compile
    bool kept;             // on disk, now or before
    std::string problem;   // why it could not be kept
  };

  // Throws QUERN_NVRTC_UNAVAILABLE, QUERN_JIT_FORBIDDEN, QUERN_COMPILE_FAILED, QUERN_BAD_MANIFEST, or QUERN_UNSUPPORTED
  // where this NVRTC does not know the target.
  Code get(const CompileUnit &unit);

  // Without looking at or writing the cache.
  Code compile_afresh(const CompileUnit &unit);

  const StoreStats &stats() const { return stats_; }
  Nvrtc &nvrtc() { return nvrtc_; }
  std::string build();  // of NVRTC; opens it only where it is not remembered

 private:
  std::optional<Code> find(const CompileUnit &unit, const std::string &request);
  void require_compiler(const CompileUnit &unit);

  Cache &cache_;
  Nvrtc &nvrtc_;
  const bool jit_allowed_;
  const Log &log_;
  StoreStats stats_;
  std::mutex build_mutex_;  // guards build_
  std::string build_;
  std::mutex mutex_;  // guards in_flight_
  std::condition_variable landed_;
  std::set<std::string> in_flight_;  // requests that a thread of this process is working on
};

}  // namespace quern
