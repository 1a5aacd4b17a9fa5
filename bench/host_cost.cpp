// What a warm run and a plan cost the host. Run on a machine with a GPU, or, for the library's own part alone, against
// the stand-in driver: QUERN_DRIVER_PATH=build/lib/libfake_cuda.so build/bin/quern_bench_host
//
//   bare_launch   cuLaunchKernelEx of a kernel with one parameter block, in the primary context
//   warm_run      quern_gemm_run; its excess over bare_launch is the dispatcher's cost
//   plan_from_disk, plan_from_memory   quern_gemm_plan when the kernels are in the cache, and when they are loaded
//   first_plan    quern_gemm_plan of n / k / m_max with nothing cached, X in bf16 or in E4M3; QUERN_JOBS kernels
//   compile
//                 at once
//   hub_open      quern_hub_open and quern_hub_close, in a process that has read the built-in packages before
#include <benchmark/benchmark.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include <quern/quern.h>

#include "runtime/cuda/driver_api.hpp"

namespace {

void check(quern_status status) {
  if (status == QUERN_OK) return;
  std::fprintf(stderr, "%s: %s\n", quern_status_name(status), quern_last_error());
  std::exit(1);
}

void check_driver(int result, const char *what) {
  if (result == 0) return;
  std::fprintf(stderr, "%s fails with CUDA error %d\n", what, result);
  std::exit(1);
}

template <typename Function>
Function driver_function(const char *symbol) {
  const char *chosen = std::getenv("QUERN_DRIVER_PATH");
  static void *const library = dlopen(chosen == nullptr ? "libcuda.so.1" : chosen, RTLD_NOW);
  auto *function = library == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(library, symbol));
  if (function == nullptr) {
    std::fprintf(stderr, "the driver has no %s; run where there is a driver, or with the stand-in\n", symbol);
    std::exit(1);
  }
  return function;
}

quern_gemm_desc small_gemm() {
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = 64;
  desc.n = 64;
  desc.k = 32;
  return desc;
}

// A hub, a device and the smallest GEMM's operands, for the whole program.
struct Fixture {
  quern_hub *hub = nullptr;
  quern_device *device = nullptr;
  quern_plan *plan = nullptr;
  quern_gemm_args args = QUERN_GEMM_ARGS_INIT;

  Fixture() {
    check(quern_hub_open(nullptr, &hub));
    check(quern_device_open(hub, "cuda:0", &device));
    const quern_gemm_desc desc = small_gemm();
    check(quern_gemm_plan(device, &desc, &plan));
    void *memory = nullptr;
    check(quern_device_allocate(device, 1 << 20, &memory));
    args.m = 1;
    args.x = args.blocks = args.scales = memory;
    args.y = static_cast<char *>(memory) + (1 << 19);
  }
};

Fixture &fixture() {
  static Fixture instance;
  return instance;
}

constexpr int kBatch = 64;  // launches between two synchronisations, so that the queue never fills

void run_batches(benchmark::State &state, const quern_plan *plan, const quern_gemm_args &args) {
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) check(quern_gemm_run(plan, &args, nullptr));
    state.PauseTiming();
    check(quern_device_synchronize(fixture().device, nullptr));
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void warm_run(benchmark::State &state) { run_batches(state, fixture().plan, fixture().args); }

// Packed weights, M = 1 without tensor maps, M = 100 with two of them to describe.
void warm_run_packed(benchmark::State &state) {
  Fixture &f = fixture();
  quern_gemm_desc desc = small_gemm();
  desc.layout = QUERN_LAYOUT_MMA16_BF16;
  desc.m_max = 128;
  quern_plan *plan = nullptr;
  check(quern_gemm_plan(f.device, &desc, &plan));
  quern_gemm_args args = f.args;
  args.m = state.range(0);
  args.scales = nullptr;
  run_batches(state, plan, args);
  quern_plan_close(plan);
}

// PTX of a kernel that takes the GEMM's parameter block and does nothing.
constexpr char kEmptyKernel[] =
    ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".visible .entry empty(.param .align 8 .b8 p[120])\n{\n ret;\n}\n";

void bare_launch(benchmark::State &state) {
  using namespace quern::cu;
  Fixture &f = fixture();
  Context context = nullptr;
  Library library = nullptr;
  Kernel kernel = nullptr;
  check_driver(driver_function<Result (*)(Context *, Device)>("cuDevicePrimaryCtxRetain")(&context, 0), "retain");
  check_driver(driver_function<Result (*)(Context)>("cuCtxPushCurrent_v2")(context), "push");
  check_driver(driver_function<Result (*)(Library *, const void *, int *, void **, unsigned, int *, void **, unsigned)>(
                   "cuLibraryLoadData")(&library, kEmptyKernel, nullptr, nullptr, 0, nullptr, nullptr, 0),
               "load");
  check_driver(
      driver_function<Result (*)(Kernel *, Library, const char *)>("cuLibraryGetKernel")(&kernel, library, "empty"),
      "find the kernel");
  const auto launch = driver_function<Result (*)(const LaunchConfig *, Function, void **, void **)>("cuLaunchKernelEx");
  char block[120] = {};
  void *parameters[] = {block};
  LaunchConfig config{1, 1, 1, 128, 1, 1, 0, nullptr, nullptr, 0};
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      check_driver(launch(&config, reinterpret_cast<Function>(kernel), parameters, nullptr), "launch");
    }
    state.PauseTiming();
    check(quern_device_synchronize(f.device, nullptr));
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
  Context popped = nullptr;
  driver_function<Result (*)(Context *)>("cuCtxPopCurrent_v2")(&popped);
}

// The same in a context that the caller has made current, which most hosts have.
void warm_run_in_context(benchmark::State &state) {
  using namespace quern::cu;
  fixture();
  Context context = nullptr, popped = nullptr;
  check_driver(driver_function<Result (*)(Context *, Device)>("cuDevicePrimaryCtxRetain")(&context, 0), "retain");
  check_driver(driver_function<Result (*)(Context)>("cuCtxPushCurrent_v2")(context), "push");
  warm_run(state);
  driver_function<Result (*)(Context *)>("cuCtxPopCurrent_v2")(&popped);
}

void plan_from_memory(benchmark::State &state) {
  Fixture &f = fixture();
  const quern_gemm_desc desc = small_gemm();
  for (auto _ : state) {
    quern_plan *plan = nullptr;
    check(quern_gemm_plan(f.device, &desc, &plan));
    quern_plan_close(plan);
  }
}

// Of one plan in a hub of its own, only the planning.
void time_plan(benchmark::State &state, const quern_hub_options *options, const char *device_name,
               const quern_gemm_desc &desc) {
  quern_hub *hub = nullptr;
  quern_device *device = nullptr;
  quern_plan *plan = nullptr;
  check(quern_hub_open(options, &hub));
  check(quern_device_open(hub, device_name, &device));
  state.ResumeTiming();
  check(quern_gemm_plan(device, &desc, &plan));
  state.PauseTiming();
  quern_plan_close(plan);
  quern_device_close(device);
  quern_hub_close(hub);
}

// Nothing is loaded: entries are found, verified and, on a GPU, loaded by the driver. An architecture without hardware
// shows what is left without the driver.
void plan_from_disk(benchmark::State &state, const char *device_name) {
  fixture();
  for (auto _ : state) {
    state.PauseTiming();
    time_plan(state, nullptr, device_name, small_gemm());
    state.ResumeTiming();
  }
}

// All that the shape needs is compiled. In a cache of its own, so that it is also written.
void first_plan(benchmark::State &state, quern_dtype x_dtype, quern_layout layout) {
  fixture();
  quern_gemm_desc desc = small_gemm();
  desc.x_dtype = x_dtype;
  desc.layout = layout;
  desc.n = state.range(0);
  desc.k = state.range(1);
  desc.m_max = state.range(2);
  for (auto _ : state) {
    state.PauseTiming();
    std::string cache = (std::filesystem::temp_directory_path() / "quern_first_plan_XXXXXX").string();
    if (mkdtemp(cache.data()) == nullptr) return state.SkipWithError("cannot make a cache");
    quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
    options.cache_dir = cache.c_str();
    time_plan(state, &options, "cuda:0", desc);
    std::filesystem::remove_all(cache);
    state.ResumeTiming();
  }
}

void hub_open(benchmark::State &state) {
  for (auto _ : state) {
    quern_hub *hub = nullptr;
    check(quern_hub_open(nullptr, &hub));
    quern_hub_close(hub);
  }
}

BENCHMARK(bare_launch);
BENCHMARK(warm_run);
BENCHMARK(warm_run_in_context);
BENCHMARK(warm_run_packed)->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(first_plan, w4a16, QUERN_DTYPE_BF16, QUERN_LAYOUT_MMA16_BF16)
    ->Args({5760, 2880, 64})
    ->Args({5760, 2880, 8192})
    ->Args({28672, 4096, 64})
    ->Args({28672, 4096, 8192})
    ->Args({2880, 4096, 8192})
    ->Args({8192, 8192, 8192})
    ->Args({10240, 8192, 8192})
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(first_plan, w4a8, QUERN_DTYPE_E4M3, QUERN_LAYOUT_MMA16_E5M2)
    ->Args({4096, 4096, 8192})
    ->Args({28672, 4096, 8192})
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kSecond);
BENCHMARK(hub_open)->Unit(benchmark::kMicrosecond);
BENCHMARK(plan_from_memory)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan_from_disk, cuda, "cuda:0")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan_from_disk, without_driver, "sm_90a")->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
