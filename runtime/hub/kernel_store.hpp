// Compile unit to code: from the cache on disk, else compiled, once per unit among all threads and all processes that
// share the cache. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "registry/cache/cache.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/process_local.hpp"
#include "runtime/compile/compile_unit.hpp"
#include "runtime/compile/compiler.hpp"
#include "runtime/compile/nvrtc_api.hpp"
#include "runtime/hub/limit_memory.hpp"

namespace quern {

struct StoreStats {
  std::atomic<int64_t> disk_hits{0}, compiles{0}, compile_ms{0}, writes{0};
};

class KernelStore {
 public:
  KernelStore(Cache &cache, Nvrtc &nvrtc, bool jit_allowed, const Log &log,
              CompileChild child = CompileChild(Environment()))
      : cache_(cache), nvrtc_(nvrtc), jit_allowed_(jit_allowed), log_(log), child_(std::move(child)) {}

  struct Code {
    CacheEntry entry;
    bool from_cache;
    std::string warnings;  // of a compile
    bool kept;             // on disk, now or before
    std::string problem;   // why it could not be kept
  };

  // From disk only, as the NVRTC at hand compiled it; as any did where there is none or nothing may be compiled.
  std::optional<Code> find(const CompileUnit &unit);

  // Found or made. Throws QUERN_NVRTC_UNAVAILABLE, QUERN_JIT_FORBIDDEN, QUERN_COMPILE_FAILED, QUERN_BAD_MANIFEST,
  // QUERN_UNSUPPORTED where this NVRTC does not know the target, or QUERN_LIMIT_EXCEEDED: then again without a try for
  // a minute.
  Code get(const CompileUnit &unit);

  // What a process that may not compile would find; else QUERN_JIT_FORBIDDEN.
  Code get_kept(const CompileUnit &unit);

  // Without looking at or writing the cache.
  Code compile_afresh(const CompileUnit &unit);

  const StoreStats &stats() const { return stats_; }
  Nvrtc &nvrtc() { return nvrtc_; }
  std::string build();  // of NVRTC; opens it only where it is not remembered

 private:
  void require_compiler(const CompileUnit &unit);
  [[noreturn]] void fail_forbidden(const CompileUnit &unit) const;
  Compiled compile_where_it_belongs(const CompileUnit &unit);

  Cache &cache_;
  Nvrtc &nvrtc_;
  const bool jit_allowed_;
  const Log &log_;
  StoreStats stats_;
  const CompileChild child_;
  std::atomic<bool> warned_{false};  // that children are not confined
  struct Toolchain {
    std::mutex mutex;  // guards build
    std::string build;
  };
  struct Flights {
    std::mutex mutex;  // guards the rest
    std::condition_variable landed;
    std::set<std::string> in_flight;  // requests that a thread of this process is working on
    LimitMemory failed;
  };
  ProcessLocal<Toolchain> toolchain_;
  ProcessLocal<Flights> flights_;
};

}  // namespace quern
