// The command line: what may be said, which verb it means, and how every failure ends.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <new>
#include <string>

#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/printable.hpp"
#include "cli/publisher_verbs.hpp"
#include "cli/verb_parsing.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

const CLI::IsMember kFloats({"bf16", "f16", "f32"});
const CLI::IsMember kHalves({"bf16", "f16"});
const CLI::IsMember kAccumulations({"promoted", "fast"});
const char *const kDevice = "cpu, cuda:N, or auto for the first GPU and else the CPU";

// Everything the parser writes to. The verbs' options live as long as the program, so actions may refer to them.
struct CommandLine : ParsedLine {
  InfoOptions info;
  KernelsShowOptions kernels_show;
  KernelsCheckOptions kernels_check;
  ExplainOptions explain;
  FetchOptions fetch;
  LockOptions lock;
  PrefetchOptions prefetch;
  CacheSelection cache_scan, cache_list;
  CacheRemoveOptions cache_remove;
  CachePruneOptions cache_prune;
  CacheClearOptions cache_clear;
  CacheDoctorOptions cache_doctor;
  CacheStatsOptions cache_stats;
  CacheExportOptions cache_export;
  DequantizeOptions dequantize;
  GemmOptions gemm;
  InspectOptions inspect;
  SelftestOptions selftest;
  BenchGemmOptions bench_gemm;
  BenchDequantizeOptions bench_dequantize;
  BenchQuantizeOptions bench_quantize;
  TuneOptions tune;
  PublisherOptions publisher;
};

void add_global_options(CLI::App &app, GlobalOptions &global) {
  app.add_option("--cache-dir", global.cache_dir, "where compiled kernels are kept (QUERN_CACHE_DIR)");
  app.add_option("--kernel-path", global.kernel_path,
                 "directories of kernel packages, ':' between (QUERN_KERNEL_PATH)");
  app.add_option("--lock", global.lock_file, "run exactly the packages that this lock file names (QUERN_LOCK)");
  app.add_flag("--offline", global.offline, "never touch the network");
  app.add_option("--jit", global.jit, "allow or forbid compiling (QUERN_JIT)")
      ->check(CLI::IsMember({"allow", "forbid"}));
  app.add_flag("--json", global.json, "print one JSON object");
  app.add_flag("-q,--quiet", global.quiet, "no progress, no summary");
  app.add_flag("-v,--verbose", global.verbose, "log to stderr what is decided; twice: everything");
}

void add_explain(CLI::App &kernels, CommandLine &line) {
  ExplainOptions &options = line.explain;
  CLI::App *explain = kernels.add_subcommand("explain", "which kernel a problem gets, and why not the others");
  explain->require_subcommand(1);
  CLI::App *gemm = add_verb(*explain, line, "gemm", "Y[m, n] = X[m, k] W[n, k]", run_explain_gemm, options);
  CLI::App *dequantize = add_verb(*explain, line, "dequantize", "dst[rows, k]", run_explain_dequantize, options);
  CLI::App *quantize = add_verb(*explain, line, "quantize", "rows to E4M3", run_explain_quantize, options);
  for (CLI::App *verb : {gemm, dequantize, quantize}) {
    CLI::Option *device = verb->add_option("--device", options.device, kDevice);
    verb->add_option("--arch", options.arch, "an architecture without hardware, as sm_90a")->excludes(device);
    verb->add_option("--k", options.k, "elements in a row")->required()->check(CLI::PositiveNumber);
  }
  for (CLI::App *verb : {gemm, dequantize}) {
    verb->add_option("--policy", options.policy, "how scale bytes 0 and 255 are read (default ocp)");
  }
  for (CLI::App *verb : {dequantize, quantize}) {
    verb->add_option("--rows", options.rows, "rows (default 1)")->check(CLI::PositiveNumber);
  }
  gemm->add_option("--m", options.m, "largest M (default 1)")->check(CLI::PositiveNumber);
  gemm->add_option("--n", options.n, "rows of W")->required()->check(CLI::PositiveNumber);
  gemm->add_option("--x-dtype", options.x_dtype, "bf16 (default), f16, or e4m3 with --layout mma16_e5m2")
      ->check(CLI::IsMember({"bf16", "f16", "e4m3"}));
  gemm->add_option("--layout", options.layout, "of W: canonical (default), mma16_bf16, mma16_f16 or mma16_e5m2")
      ->check(CLI::IsMember({"canonical", "mma16_bf16", "mma16_f16", "mma16_e5m2"}));
  gemm->add_option("--accumulation", options.accumulation, "promoted (default), or fast with --layout mma16_e5m2")
      ->check(kAccumulations);
  gemm->add_option("--y-dtype", options.y_dtype, "bf16 (default) or f16")->check(kHalves);
  gemm->add_option("--bias-dtype", options.bias_dtype, "none (default), bf16, f16 or f32")
      ->check(CLI::IsMember({"none", "bf16", "f16", "f32"}));
  quantize->add_option("--src-dtype", options.src_dtype, "bf16 (default), f16 or f32")->check(kFloats);
  dequantize->add_option("--dst-dtype", options.dst_dtype, "bf16 (default), f16 or f32")->check(kFloats);
}

void add_kernels(CLI::App &app, CommandLine &line) {
  CLI::App *kernels =
      app.add_subcommand("kernels", "list, show, check and explain kernel packages")->require_subcommand(1);
  add_verb(*kernels, line, "list", "every variant of every package", run_kernels_list);
  CLI::App *show =
      add_verb(*kernels, line, "show", "one package with its manifest", run_kernels_show, line.kernels_show);
  show->add_option("ID", line.kernels_show.id, "package or package:variant")->required();
  CLI::App *check = add_verb(*kernels, line, "check", "compile the package in a directory, as its author would want",
                             run_kernels_check, line.kernels_check);
  check->add_option("DIR", line.kernels_check.directory, "directory of kernel.json")->required();
  check->add_option("--arch", line.kernels_check.archs, "sm_80,sm_90a, native, or all (default)");
  add_explain(*kernels, line);
}

void add_package_verbs(CLI::App &app, CommandLine &line) {
  FetchOptions &f = line.fetch;
  CLI::App *fetch = add_verb(app, line, "fetch", "bring packages from registries into the cache", run_fetch, f);
  fetch->add_option("ID@V", f.packages, "as acme/gemm@1 or acme/gemm@sha256:... (default: what --lock names)");
  fetch->add_flag("--locked", f.locked, "only what the lock file names");
  fetch->add_flag("--frozen", f.frozen, "the same, and only what the cache has");
  LockOptions &l = line.lock;
  CLI::App *lock = add_verb(app, line, "lock", "write which bytes of which packages a deployment runs", run_lock, l);
  lock->add_option("ID@V", l.packages, "to add or bring up to date (default: bring all up to date)");
  lock->add_option("-o,--output", l.output, "the file to write (default: --lock, else quern.lock)");
  lock->add_option("--from", l.from,
                   "begin with what this file locks, as it is: a kernels.lock, or another quern.lock");
  lock->add_flag("--keep", l.keep, "leave what is locked already as it is");
  lock->add_flag("--check", l.check, "write nothing; fail if the file would change");
  lock->add_flag("--allow-unsigned", l.allow_unsigned, "also packages that nobody trusted signed");
  PrefetchOptions &p = line.prefetch;
  CLI::App *prefetch =
      add_verb(app, line, "prefetch", "fetch and compile what plans will need, for a deployment", run_prefetch, p);
  prefetch->add_option("ID@V", p.requests, "packages beside the built-in ones and those that --lock names");
  prefetch->add_option("--arch", p.archs, "sm_80,sm_90a, all, or native (default)");
  prefetch->add_option("--package", p.packages, "compile only these packages (default: all)");
  prefetch->add_option("--jobs", p.jobs, "compiles at once (default: QUERN_JOBS, else one per core)")
      ->check(CLI::NonNegativeNumber);
  prefetch->add_flag("--compile,!--no-compile", p.compile, "compile (default), or fetch only");
  prefetch->add_option("--into", p.into, "fill this directory in place of the cache");
  prefetch->add_option("--root", p.root, "keep all of it from being pruned, under this name (default: prefetch)")
      ->expected(0, 1)
      ->default_str("prefetch");
  CLI::Option *check =
      prefetch->add_flag("--check", p.check, "do nothing; fail if an offline process lacked something");
  prefetch->add_option("--seal", p.seal_key, "sign what is there with this key: then nothing else is loaded from it")
      ->excludes(check);
  prefetch->add_option("--seal-days", p.seal_days, "how long the seal holds (default: for ever)")
      ->check(CLI::NonNegativeNumber);
}

void add_cache(CLI::App &app, CommandLine &line) {
  CLI::App *cache = app.add_subcommand("cache", "see and clean the cache of compiled kernels")->require_subcommand(1);
  const auto add_selection = [](CLI::App *verb, CacheSelection &selection) {
    verb->add_option("-f,--filter", selection.filters,
                     "a word, or 'size>1MB', 'used>30d', 'target=sm_90a', 'state=stale', 'kernel=...'; all must hold");
    verb->add_option("--sort", selection.sort, "size, used (default), created, hits or name, with :asc or :desc");
    verb->add_option("--limit", selection.limit, "so many at most")->check(CLI::PositiveNumber);
  };
  add_selection(
      add_verb(*cache, line, "scan", "packages, compiled entries, and what a Hugging Face cache has of kernels",
               run_cache_scan, line.cache_scan),
      line.cache_scan);
  add_selection(
      add_verb(*cache, line, "ls", "compiled entries; with -q their keys alone", run_cache_list, line.cache_list),
      line.cache_list);
  CacheRemoveOptions &r = line.cache_remove;
  CLI::App *remove = add_verb(*cache, line, "rm", "remove entries by key or filter", run_cache_remove, r);
  remove->add_option("KEY", r.keys, "the key's digits, 6 at least");
  remove->add_option("-f,--filter", r.filters, "as in ls");
  remove->add_flag("--rooted", r.rooted, "also what a root keeps");
  remove->add_flag("--dry-run", r.dry_run, "remove nothing, say what would go");
  remove->add_flag("-y,--yes", r.yes, "do not ask");
  CachePruneOptions &options = line.cache_prune;
  CLI::App *prune =
      add_verb(*cache, line, "prune", "remove stale, damaged and, if told to, other entries", run_cache_prune, options);
  prune->add_option("--older-than", options.older_than, "not used for so long: 30d, 12h");
  prune->add_option("--max-size", options.max_size, "keep the last used up to so much: 5GiB, 500MB");
  prune->add_option("--arch", options.arch, "only entries for this architecture");
  prune->add_option("--kernel", options.kernel, "only entries of this package");
  prune->add_flag("--all", options.all, "every entry selected");
  prune->add_flag("--dry-run", options.dry_run, "remove nothing, say what would go");
  prune->add_flag("-y,--yes", options.yes, "do not ask at a terminal");
  CLI::App *clear =
      add_verb(*cache, line, "clear", "remove everything but what roots keep", run_cache_clear, line.cache_clear);
  clear->add_flag("--dry-run", line.cache_clear.dry_run, "remove nothing, say what would go");
  clear->add_flag("-y,--yes", line.cache_clear.yes, "do not ask");
  add_verb(*cache, line, "verify", "read and hash every entry and file", run_cache_verify);
  add_verb(*cache, line, "doctor", "say what is wrong, and set it right", run_cache_doctor, line.cache_doctor)
      ->add_flag("--repair", line.cache_doctor.repair, "set right what can be");
  add_verb(*cache, line, "stats", "hits, misses, compiles and the time saved", run_cache_stats, line.cache_stats)
      ->add_flag("--zero", line.cache_stats.zero, "and set them to zero");
  CLI::App *export_code =
      add_verb(*cache, line, "export", "the machine code of an entry", run_cache_export, line.cache_export);
  export_code->add_option("KEY", line.cache_export.key, "the key's first digits")->required();
  export_code->add_option("-o,--output", line.cache_export.output, "the file to write")->required();
  add_verb(*cache, line, "path", "print the directory", run_cache_path);
}

// --w4a8 alone is promoted; --w4a8=fast.
void add_w4a8(CLI::App *verb, std::string &accumulation, const char *description) {
  verb->add_flag("--w4a8{promoted}", accumulation, text(description, "; promoted (default) or fast"))
      ->check(kAccumulations);
}

void add_tensor_verbs(CLI::App &app, CommandLine &line) {
  DequantizeOptions &d = line.dequantize;
  CLI::App *dequantize =
      add_verb(app, line, "dequantize", "a checkpoint with MXFP4 tensors to one without", run_dequantize, d);
  dequantize->add_option("IN", d.input, "a .safetensors file, or a directory of them with its index")->required();
  dequantize->add_option("-o,--output", d.output, "the file or directory to write")->required();
  dequantize->add_option("--dtype", d.dtype, "bf16 (default), f16 or f32")->check(kFloats);
  dequantize->add_option("--device", d.device, kDevice);
  dequantize->add_option("--policy", d.policy, "how scale bytes 0 and 255 are read (default ocp)");
  dequantize->add_flag("--keep-rows", d.keep_rows, "experts as [E, R, K], not as [E, K, R] as transformers holds them");

  GemmOptions &g = line.gemm;
  CLI::App *gemm = add_verb(app, line, "gemm", "y = x W^T + bias from files to a file", run_gemm, g);
  gemm->add_option("--weights", g.weights, "FILE:TENSOR, with @e for expert e of a stack")->required();
  gemm->add_option("--x", g.x, "FILE:TENSOR, [M, K] in BF16 or F16")->required();
  gemm->add_option("--bias", g.bias, "FILE:TENSOR, [N]");
  gemm->add_option("-o,--output", g.output, "FILE or FILE:TENSOR (default y)")->required();
  gemm->add_option("--dtype", g.dtype, "of y: bf16 or f16 (default: as x)")->check(kHalves);
  add_w4a8(gemm, g.w4a8, "quantize x to E4M3 and multiply in FP8, where W allows it");
  gemm->add_option("--device", g.device, kDevice);

  CLI::App *inspect =
      add_verb(app, line, "inspect", "the tensors of a checkpoint, and which are MXFP4", run_inspect, line.inspect);
  inspect->add_option("FILE", line.inspect.input, "a .safetensors file, or a directory of them")->required();
}

void add_bench(CLI::App &app, CommandLine &line) {
  CLI::App *bench = app.add_subcommand("bench", "time kernels against what this machine allows")->require_subcommand(1);
  BenchGemmOptions &g = line.bench_gemm;
  CLI::App *gemm = add_verb(*bench, line, "gemm", "Y[m, n] = X[m, k] W[n, k], and cuBLAS beside it", run_bench_gemm, g);
  gemm->add_option("--model", g.models, "the layers of these models, ',' between (default gpt-oss-20b)")
      ->delimiter(',');
  gemm->add_option("--shape", g.shapes, "NxK, ',' between")->delimiter(',');
  gemm->add_option("--m", g.m, "values of M, ',' between (default 1 to 8192, on the CPU to 128)")->delimiter(',');
  gemm->add_option("--dtype", g.dtype, "of X and Y: bf16 (default) or f16")->check(kHalves);
  gemm->add_option("--layout", g.layout, "of W: auto (default: the device's best), canonical or packed")
      ->check(CLI::IsMember({"auto", "canonical", "packed"}));
  add_w4a8(gemm, g.w4a8, "X in E4M3, W packed for it");
  gemm->add_flag("--with-quantize", g.with_quantize, "with --w4a8: X of --dtype, and its quantization in the time");
  gemm->add_option("--cublas", g.cublas, "auto (default: where it is found), on or off")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  gemm->add_option("--svg", g.svg, "write a roofline plot to this file");
  BenchDequantizeOptions &d = line.bench_dequantize;
  CLI::App *dequantize = add_verb(*bench, line, "dequantize", "MXFP4 to bf16, f16 and f32", run_bench_dequantize, d);
  dequantize->add_option("--shape", d.shapes, "ROWSxK, ',' between (default 184320x2880, on the CPU 8192x2880)")
      ->delimiter(',');
  dequantize->add_option("--dtype", d.dtypes, "bf16, f16, f32, ',' between (default all)")
      ->delimiter(',')
      ->check(kFloats);
  BenchQuantizeOptions &q = line.bench_quantize;
  CLI::App *quantize = add_verb(*bench, line, "quantize", "bf16, f16 or f32 to E4M3 rows", run_bench_quantize, q);
  quantize->add_option("--model", q.models, "the row lengths of these models, ',' between (default gpt-oss-20b)")
      ->delimiter(',');
  quantize->add_option("--m", q.m, "rows, for --model, ',' between (default 1 to 8192, on the CPU to 128)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  quantize->add_option("--shape", q.shapes, "ROWSxK, ',' between")->delimiter(',');
  quantize->add_option("--dtype", q.dtypes, "bf16 (default), f16, f32, ',' between")->delimiter(',')->check(kFloats);
  const auto add_common = [](CLI::App *verb, std::string &kernel, std::string &device, int &repeat) {
    verb->add_option("--kernel", kernel, "use this package or package:variant");
    verb->add_option("--device", device, kDevice);
    verb->add_option("--repeat", repeat, "samples of each time (default 9)")->check(CLI::Range(1, 1000));
  };
  add_common(gemm, g.kernel, g.device, g.repeat);
  add_common(dequantize, d.kernel, d.device, d.repeat);
  add_common(quantize, q.kernel, q.device, q.repeat);
}

void add_verbs(CLI::App &app, CommandLine &line) {
  add_verb(app, line, "info", "this machine: device, driver, compiler, cache, packages", run_info, line.info)
      ->add_option("--device", line.info.device, kDevice);
  add_kernels(app, line);
  add_package_verbs(app, line);
  add_cache(app, line);
  add_tensor_verbs(app, line);
  SelftestOptions &s = line.selftest;
  CLI::App *selftest =
      add_verb(app, line, "selftest", "hold every kernel to its contract on this machine", run_selftest, s);
  selftest->add_option("--device", s.device, kDevice);
  selftest->add_option("--kernel", s.kernel, "only this package or package:variant");
  selftest->add_flag("--quick", s.quick, "fewer types, small shapes only");
  add_bench(app, line);
  TuneOptions &t = line.tune;
  CLI::App *tune =
      add_verb(app, line, "tune", "measure which kernel is fastest for a shape, and remember it", run_tune, t);
  tune->add_option("--model", t.models, "the layers of these models, ',' between (default gpt-oss-20b)")
      ->delimiter(',');
  tune->add_option("--shape", t.shapes, "NxK, ',' between")->delimiter(',');
  tune->add_option("--dtype", t.dtype, "of X: bf16 (default) or f16")->check(kHalves);
  add_w4a8(tune, t.w4a8, "X in E4M3, W packed for it");
  tune->add_option("--m-max", t.m_max, "the largest M to measure (default 8192)")->check(CLI::Range(1, 1 << 20));
  tune->add_option("--device", t.device, kDevice);
  add_publisher_verbs(app, line, line.publisher);
  add_verb(app, line, "version", "print the version", run_version);
}

std::string exit_code_help() {
  std::string help = "Exit codes:\n";
  for (const ExitCodeMeaning &row : kExitCodes)
    help += text("  ", row.code, row.code < 10 ? "    " : "  ", row.meaning, "\n");
  return help;
}

ExitCode report(ExitCode code, std::string message) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fprintf(stderr, "quern: %s\n", message.c_str());
  return code;
}

ExitCode run(const CommandLine &line) {
  try {
    return line.action();
  } catch (const Failure &failure) {
    return report(failure.code(), failure.what());
  } catch (const host::StatusError &error) {
    if (line.global.verbose > 0 && !error.log().empty()) std::fprintf(stderr, "%s\n", error.log().c_str());
    return report(exit_code(error.status()), error.what());
  } catch (const Interrupted &) {
    return kInterrupted;
  } catch (const std::bad_alloc &) {
    return report(kFailed, "out of memory");
  } catch (const std::filesystem::filesystem_error &error) {
    return report(kFailed, printable(error.path1().string()) + ": " + error.code().message());
  } catch (const std::exception &error) {
    return report(kFailed, error.what());
  }
}

ExitCode parse_and_run(int argc, const char *const *argv) {
  CLI::App app("quern: kernels for microscaling FP4, found, compiled and launched at run time", "quern");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(exit_code_help());
  CommandLine line;
  add_global_options(app, line.global);
  add_verbs(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    line.action = [&app] {
      print(app.help());
      return kDone;
    };
  } catch (const CLI::ParseError &error) {
    return report(kUsage, text(error.what(), "; 'quern --help' tells what can be said"));
  }
  return run(line);
}

}  // namespace
}  // namespace quern::cli

int main(int argc, char **argv) {
  quern::cli::install_interrupt_handler();
  return quern::cli::parse_and_run(argc, argv);
}
