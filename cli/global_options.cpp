#include "cli/global_options.hpp"

#include <cstdio>

#include "cli/failure.hpp"

namespace quern::cli {
namespace {

void log_to_stderr(void *, quern_log_level level, const char *component, const char *line) {
  static constexpr const char *kNames[] = {"", "error", "warn", "info", "debug"};
  std::fprintf(stderr, "quern: [%s] %s: %s\n", level >= 1 && level <= 4 ? kNames[level] : "", component, line);
}

}  // namespace

host::Hub open_hub(const GlobalOptions &global) {
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  if (!global.cache_dir.empty()) options.cache_dir = global.cache_dir.c_str();
  if (!global.kernel_path.empty()) options.kernel_path = global.kernel_path.c_str();
  if (!global.lock_file.empty()) options.lock_file = global.lock_file.c_str();
  if (global.jit == "allow") options.jit = QUERN_JIT_ALLOW;
  if (global.jit == "forbid") options.jit = QUERN_JIT_FORBID;
  options.offline = global.offline ? 1 : 0;
  if (global.verbose > 0) {
    options.log_level = global.verbose > 1 ? QUERN_LOG_DEBUG : QUERN_LOG_INFO;
    options.log = log_to_stderr;
  }
  return host::Hub(options);
}

host::Device open_device(const host::Hub &hub, const std::string &name) {
  return host::Device(hub, name.empty() ? nullptr : name.c_str());
}

quern_decode_policy decode_policy(const std::string &preset) {
  try {
    return host::decode_policy(preset.c_str());
  } catch (const host::StatusError &error) {
    throw Failure(kUsage, error.what());
  }
}

quern_dtype dtype(const std::string &name) {
  if (name == "bf16") return QUERN_DTYPE_BF16;
  if (name == "f16") return QUERN_DTYPE_F16;
  if (name == "f32") return QUERN_DTYPE_F32;
  if (name == "e4m3") return QUERN_DTYPE_E4M3;
  if (name == "none" || name.empty()) return static_cast<quern_dtype>(0);
  fail(kUsage, "no type is called '", name, "'; use bf16, f16 or f32");
}

quern_accumulation accumulation(const std::string &name) {
  return name == "fast" ? QUERN_ACCUMULATION_FAST : QUERN_ACCUMULATION_PROMOTED;
}

quern_layout layout(const std::string &name) {
  for (int value = QUERN_LAYOUT_CANONICAL; value <= QUERN_LAYOUT_MMA16_E5M2; ++value) {
    if (name == layout_name(static_cast<quern_layout>(value))) return static_cast<quern_layout>(value);
  }
  fail(kUsage, "no layout is called '", name, "'; use canonical, mma16_bf16, mma16_f16 or mma16_e5m2");
}

const char *layout_name(quern_layout layout) {
  switch (layout) {
    case QUERN_LAYOUT_MMA16_BF16:
      return "mma16_bf16";
    case QUERN_LAYOUT_MMA16_F16:
      return "mma16_f16";
    case QUERN_LAYOUT_MMA16_E5M2:
      return "mma16_e5m2";
    default:
      return "canonical";
  }
}

const char *dtype_name(quern_dtype dtype) {
  switch (dtype) {
    case QUERN_DTYPE_BF16:
      return "bf16";
    case QUERN_DTYPE_F16:
      return "f16";
    case QUERN_DTYPE_F32:
      return "f32";
    case QUERN_DTYPE_E4M3:
      return "e4m3";
    default:
      return "none";
  }
}

}  // namespace quern::cli
