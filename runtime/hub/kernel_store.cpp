#include "runtime/hub/kernel_store.hpp"

#include <ctime>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

// Longer than any compile; when it passes, the caller compiles for itself, which is only a waste.
constexpr std::chrono::milliseconds kLockPatience{120000};

std::string described(const CompileUnit &unit) {
  return text(unit->kernel, " for ", unit->target.name(), unit->types.empty() ? "" : " (" + unit->types + ")");
}

}  // namespace

std::string KernelStore::build() {
  Toolchain &toolchain = toolchain_.get();
  const std::lock_guard lock(toolchain.mutex);
  std::string &build = toolchain.build;
  if (!build.empty()) return build;
  const std::optional<std::string> identity = nvrtc_.file_identity();
  if (identity && cache_.index() != nullptr) build = cache_.index()->toolchain(*identity).value_or("");
  if (build.empty()) {
    build = nvrtc_build(nvrtc_);
    if (identity && cache_.index() != nullptr) cache_.index()->put_toolchain(*identity, build);
  }
  return build;
}

std::optional<KernelStore::Code> KernelStore::find(const CompileUnit &unit) {
  const std::string &request = unit.request();
  std::string wanted;  // "": whichever build made it, since nothing better can be had
  if (jit_allowed_) {
    try {
      wanted = build();
    } catch (const Error &error) {
      if (error.status() != QUERN_NVRTC_UNAVAILABLE) throw;
    }
  }
  const int64_t corrupt_before = cache_.corrupt_seen();
  std::optional<CacheEntry> entry = cache_.load(request, wanted);
  if (cache_.corrupt_seen() != corrupt_before) {
    log_.write(QUERN_LOG_WARN, "cache", "damaged entry ", request, " of ", unit->kernel, " is ignored");
  }
  if (!entry) return std::nullopt;
  ++stats_.disk_hits;
  log_.write(QUERN_LOG_DEBUG, "cache", "hit ", request, " ", unit->kernel, " ", unit->target.name());
  return Code{std::move(*entry), true, "", true, ""};
}

void KernelStore::fail_forbidden(const CompileUnit &unit) const {
  const std::string problem = cache_.seal_problem(unit.request());
  fail(QUERN_JIT_FORBIDDEN, described(unit), " is not in the cache",
       problem.empty() ? "" : " as it was sealed (" + problem + ")",
       " and compiling is forbidden; run quern prefetch --arch ", unit->target.name(),
       " into this cache: ", cache_.state());
}

KernelStore::Code KernelStore::get_kept(const CompileUnit &unit) {
  std::optional<CacheEntry> entry = cache_.load(unit.request(), "");
  if (!entry) fail_forbidden(unit);
  return Code{std::move(*entry), true, "", true, ""};
}

void KernelStore::require_compiler(const CompileUnit &unit) {
  if (!jit_allowed_) fail_forbidden(unit);
  try {
    nvrtc_.need();
  } catch (const Error &error) {
    fail(QUERN_NVRTC_UNAVAILABLE, described(unit), " is not in the cache and cannot be compiled: ", error.what());
  }
  if (!nvrtc_supports(nvrtc_, unit->target)) {
    fail(QUERN_UNSUPPORTED, "NVRTC ", build(), " cannot compile for ", unit->target.name(), "; install a newer one");
  }
}

Compiled KernelStore::compile_where_it_belongs(const CompileUnit &unit) {
  if (unit->built_in || child_.in_process()) return compile(nvrtc_, unit);
  Compiled compiled = compile_apart(nvrtc_, unit, child_);
  if ((compiled.confinement & kFullyConfined) != kFullyConfined && !warned_.exchange(true)) {
    log_.write(QUERN_LOG_WARN, "compile", "this kernel has no ",
               (compiled.confinement & kLandlock) == 0 ? "Landlock" : "system call filter",
               ", so sources that are not built in compile under less confinement; see docs/architecture.md");
  }
  return compiled;
}

KernelStore::Code KernelStore::compile_afresh(const CompileUnit &unit) {
  require_compiler(unit);
  Compiled compiled = compile_where_it_belongs(unit);
  ++stats_.compiles;
  cache_.count("compiles");
  cache_.count("compile_ms", compiled.milliseconds);
  stats_.compile_ms += compiled.milliseconds;
  log_.write(QUERN_LOG_INFO, "compile", unit->kernel, " ", unit->target.name(), " ", unit->types, " in ",
             compiled.milliseconds, " ms");
  CacheEntry entry;
  entry.request = unit.request();
  entry.nvrtc = build();
  entry.kernel = unit->kernel;
  entry.digest = unit->digest;
  entry.target = unit->target.name();
  entry.types = unit->types;
  entry.entry = unit->entry;
  entry.created = std::time(nullptr);
  entry.compile_ms = compiled.milliseconds;
  entry.registers = compiled.resources.registers;
  entry.spill_bytes = compiled.resources.spill_bytes;
  entry.shared_bytes = compiled.resources.shared_bytes;
  entry.code = std::move(compiled.code);
  return {std::move(entry), false, std::move(compiled.warnings), false, ""};
}

KernelStore::Code KernelStore::get(const CompileUnit &unit) {
  const std::string &request = unit.request();
  // One thread of this process works on a request; the others wait and then find it on disk or, without a cache,
  // compile one after the other.
  Flights &flights = flights_.get();
  std::unique_lock guard(flights.mutex);
  flights.landed.wait(guard, [&] { return flights.in_flight.count(request) == 0; });
  flights.in_flight.insert(request);
  guard.unlock();
  struct Landing {
    Flights &flights;
    const std::string &request;
    ~Landing() {
      const std::lock_guard lock(flights.mutex);
      flights.in_flight.erase(request);
      flights.landed.notify_all();
    }
  } landing{flights, request};

  if (auto found = find(unit)) return std::move(*found);
  const std::string problem = cache_.seal_problem(request);
  if (!problem.empty()) log_.write(QUERN_LOG_WARN, "cache", unit->kernel, ": ", problem);
  {
    const std::lock_guard lock(flights.mutex);
    flights.failed.throw_if_known(request);
  }
  require_compiler(unit);
  const std::optional<FileLock> lock = cache_.lock(request, kLockPatience);
  if (lock) {
    if (auto found = find(unit)) return std::move(*found);  // another process was faster
  }
  cache_.count("misses");
  Code code;
  try {
    code = compile_afresh(unit);
  } catch (const Error &error) {
    const std::lock_guard limits(flights.mutex);
    if (error.status() == QUERN_LIMIT_EXCEEDED) flights.failed.add(request, error.what());
    throw;
  }
  code.kept = cache_.publish(code.entry, code.problem);
  if (code.kept) {
    ++stats_.writes;
  } else if (cache_.mode() == CacheMode::kReadWrite) {
    log_.write(QUERN_LOG_WARN, "cache", "cannot keep ", unit->kernel, ": ", code.problem);
  }
  return code;
}

}  // namespace quern
