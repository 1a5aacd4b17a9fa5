// The verbs: what main.cpp parses for each, and the function that does it. A function prints to stdout only once all
// has gone well, returns the exit code, and throws Failure or quern::host::StatusError otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/cache_entries.hpp"
#include "cli/exit_code.hpp"
#include "cli/global_options.hpp"

namespace quern::cli {

ExitCode run_version(const GlobalOptions &global);

struct InfoOptions {
  std::string device;
};
ExitCode run_info(const GlobalOptions &global, const InfoOptions &options);

ExitCode run_kernels_list(const GlobalOptions &global);

struct KernelsShowOptions {
  std::string id;  // "package" or "package:variant"
};
ExitCode run_kernels_show(const GlobalOptions &global, const KernelsShowOptions &options);

struct KernelsCheckOptions {
  std::string directory;
  std::string archs;
};
ExitCode run_kernels_check(const GlobalOptions &global, const KernelsCheckOptions &options);

struct ExplainOptions {
  std::string device, arch;
  int64_t m = 1, n = 0, k = 0, rows = 1;
  std::string x_dtype = "bf16", y_dtype = "bf16", bias_dtype = "none", dst_dtype = "bf16", src_dtype = "bf16";
  std::string policy = "ocp";
  std::string layout = "canonical", accumulation = "promoted";
};
ExitCode run_explain_gemm(const GlobalOptions &global, const ExplainOptions &options);
ExitCode run_explain_quantize(const GlobalOptions &global, const ExplainOptions &options);
ExitCode run_explain_dequantize(const GlobalOptions &global, const ExplainOptions &options);

struct FetchOptions {
  std::vector<std::string> packages;  // "acme/gemm@1"; none: those of the lock file
  bool locked = false, frozen = false;
};
ExitCode run_fetch(const GlobalOptions &global, const FetchOptions &options);

struct LockOptions {
  std::vector<std::string> packages;
  std::string output, from;  // "": the global lock file, else quern.lock; the output
  bool check = false, keep = false, allow_unsigned = false;
};
ExitCode run_lock(const GlobalOptions &global, const LockOptions &options);

struct PrefetchOptions {
  std::string archs = "native";
  std::vector<std::string> requests;  // "acme/gemm@1", beside the lock file's
  std::vector<std::string> packages;  // of those known, only these; none: all
  int32_t jobs = 0;
  bool compile = true, check = false;
  std::string into, root, seal_key;
  int64_t seal_days = 0;
};
ExitCode run_prefetch(const GlobalOptions &global, const PrefetchOptions &options);

ExitCode run_cache_scan(const GlobalOptions &global, const CacheSelection &selection);
ExitCode run_cache_list(const GlobalOptions &global, const CacheSelection &selection);

struct CacheRemoveOptions {
  std::vector<std::string> keys, filters;
  bool dry_run = false, yes = false, rooted = false;
};
ExitCode run_cache_remove(const GlobalOptions &global, const CacheRemoveOptions &options);

struct CachePruneOptions {
  std::string older_than, max_size, arch, kernel;
  bool all = false, dry_run = false, yes = false;
};
ExitCode run_cache_prune(const GlobalOptions &global, const CachePruneOptions &options);

struct CacheClearOptions {
  bool dry_run = false, yes = false;
};
ExitCode run_cache_clear(const GlobalOptions &global, const CacheClearOptions &options);

ExitCode run_cache_verify(const GlobalOptions &global);

struct CacheDoctorOptions {
  bool repair = false;
};
ExitCode run_cache_doctor(const GlobalOptions &global, const CacheDoctorOptions &options);

struct CacheStatsOptions {
  bool zero = false;
};
ExitCode run_cache_stats(const GlobalOptions &global, const CacheStatsOptions &options);

struct CacheExportOptions {
  std::string key, output;
};
ExitCode run_cache_export(const GlobalOptions &global, const CacheExportOptions &options);
ExitCode run_cache_path(const GlobalOptions &global);

struct DequantizeOptions {
  std::string input, output;
  std::string dtype = "bf16";
  std::string device;
  std::string policy = "ocp";
  bool keep_rows = false;
};
ExitCode run_dequantize(const GlobalOptions &global, const DequantizeOptions &options);

struct GemmOptions {
  std::string weights, x, output, bias;
  std::string dtype;  // "": as x
  std::string w4a8;   // "promoted" or "fast": X quantized to E4M3
  std::string device;
};
ExitCode run_gemm(const GlobalOptions &global, const GemmOptions &options);

struct InspectOptions {
  std::string input;
};
ExitCode run_inspect(const GlobalOptions &global, const InspectOptions &options);

struct SelftestOptions {
  std::string device, kernel;
  bool quick = false;
};
ExitCode run_selftest(const GlobalOptions &global, const SelftestOptions &options);

struct BenchGemmOptions {
  std::vector<std::string> models, shapes;  // neither: gpt-oss-20b
  std::vector<int64_t> m;                   // empty: powers of two
  std::string dtype = "bf16";
  std::string layout = "auto";  // "auto", "canonical" or "packed"
  std::string w4a8;             // "promoted" or "fast": X in E4M3
  bool with_quantize = false;   // and what makes it of `dtype` in the time
  std::string kernel, device;
  std::string cublas = "auto";  // "auto", "on" or "off"
  std::string svg;              // a file, or ""
  int repeat = 9;
};
ExitCode run_bench_gemm(const GlobalOptions &global, const BenchGemmOptions &options);

struct BenchDequantizeOptions {
  std::vector<std::string> shapes;  // empty: one tensor of gpt-oss-20b
  std::vector<std::string> dtypes = {"bf16", "f16", "f32"};
  std::string kernel, device;
  int repeat = 9;
};
ExitCode run_bench_dequantize(const GlobalOptions &global, const BenchDequantizeOptions &options);

struct BenchQuantizeOptions {
  std::vector<std::string> models, shapes;  // neither: the row lengths of gpt-oss-20b
  std::vector<int64_t> m;                   // rows, for the row lengths of models; empty: some
  std::vector<std::string> dtypes = {"bf16"};
  std::string kernel, device;
  int repeat = 9;
};
ExitCode run_bench_quantize(const GlobalOptions &global, const BenchQuantizeOptions &options);

struct TuneOptions {
  std::vector<std::string> models, shapes;  // neither: gpt-oss-20b
  std::string dtype = "bf16";
  std::string w4a8;  // "promoted" or "fast": E4M3 X
  std::string device;
  int64_t m_max = 8192;
};
ExitCode run_tune(const GlobalOptions &global, const TuneOptions &options);

}  // namespace quern::cli
