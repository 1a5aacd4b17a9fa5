/* The C ABI as a C host sees it, linked with libquern.so only: every way to pass a bad argument ends in the status that
 * quern.h promises, with one line of text, and leaves the outputs alone. On the CPU, without compiler. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quern/quern.h>

#include "checks.h"


enum { N = 64, K = 96, M = 5 };
static uint8_t blocks[N * K / 2], scales[N * K / 32];
static uint16_t x[M * K], y[M * N];
static float w[N * K + 1];

/* A marker that no call may overwrite when it fails. */
static char marker;
#define UNTOUCHED(handle) (CHECK((void *)(handle) == (void *)&marker))

static quern_hub *open_hub(void) {
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  quern_hub *hub = NULL;
  options.cache_mode = QUERN_CACHE_OFF;
  options.jit = QUERN_JIT_FORBID; /* so that no machine's NVRTC decides what this test sees */
  EXPECT(QUERN_OK, quern_hub_open(&options, &hub));
  return hub;
}

static void *other_thread(void *unused) {
  (void)unused;
  CHECK(strcmp(quern_last_error(), "") == 0);
  CHECK(strcmp(quern_last_error_log(), "") == 0);
  return NULL;
}

static void test_errors(void) {
  pthread_t thread;
  CHECK(strcmp(quern_last_error(), "") == 0);
  CHECK(strcmp(quern_status_name(QUERN_OK), "QUERN_OK") == 0);
  CHECK(strcmp(quern_status_name(QUERN_INTERNAL), "QUERN_INTERNAL") == 0);
  CHECK(strcmp(quern_status_name((quern_status)12345), "QUERN_UNKNOWN") == 0);
  CHECK(strncmp(quern_version(), "0.1.0", 5) == 0);
  INVALID(quern_hub_open(NULL, NULL));
  CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void test_struct_sizes(void) {
  struct {
    quern_hub_options options;
    unsigned char tail[24];
  } newer;
  quern_hub *hub = (quern_hub *)(void *)&marker;
  memset(&newer, 0, sizeof newer);
  newer.options.cache_mode = QUERN_CACHE_OFF;

  newer.options.struct_size = 0;
  INVALID(quern_hub_open(&newer.options, &hub));
  newer.options.struct_size = sizeof(size_t) - 1;
  INVALID(quern_hub_open(&newer.options, &hub));
  newer.options.struct_size = sizeof newer; /* a host built against a later header */
  newer.tail[20] = 1;
  INVALID(quern_hub_open(&newer.options, &hub));
  UNTOUCHED(hub);
  newer.tail[20] = 0;
  EXPECT(QUERN_OK, quern_hub_open(&newer.options, &hub));
  quern_hub_close(hub);
  newer.options.struct_size = offsetof(quern_hub_options, offline); /* one built against an earlier header */
  memset(&newer.options.offline, 0xff, sizeof newer - offsetof(quern_hub_options, offline));
  EXPECT(QUERN_OK, quern_hub_open(&newer.options, &hub));

  { /* Results are written within struct_size, no further. */
    union {
      quern_hub_stats stats;
      unsigned char bytes[sizeof(quern_hub_stats) + 16];
    } out;
    size_t i;
    memset(&out, 0xee, sizeof out);
    out.stats.struct_size = offsetof(quern_hub_stats, compiles);
    EXPECT(QUERN_OK, quern_hub_get_stats(hub, &out.stats));
    CHECK(out.stats.struct_size == offsetof(quern_hub_stats, compiles) && out.stats.memory_hits == 0);
    for (i = offsetof(quern_hub_stats, compiles); i < sizeof out; ++i) CHECK(out.bytes[i] == 0xee);
  }
  quern_hub_close(hub);
}

static void test_hub(quern_hub *hub) {
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  quern_hub_info info = QUERN_HUB_INFO_INIT;
  quern_hub_stats stats = QUERN_HUB_STATS_INIT;
  quern_hub *other = (quern_hub *)(void *)&marker;
  options.jit = (quern_jit)7;
  INVALID(quern_hub_open(&options, &other));
  options.jit = QUERN_JIT_DEFAULT;
  options.cache_mode = (quern_cache_mode)9;
  INVALID(quern_hub_open(&options, &other));
  UNTOUCHED(other);
  quern_hub_close(NULL);

  INVALID(quern_hub_get_info(NULL, &info));
  INVALID(quern_hub_get_info(hub, NULL));
  EXPECT(QUERN_OK, quern_hub_get_info(hub, &info));
  CHECK(strncmp(info.cache_state, "off", 3) == 0 && info.jit_allowed == 0 && info.packages > 0);
  CHECK(info.version != NULL && info.cache_dir != NULL && info.kernel_path != NULL && info.nvrtc_missing != NULL);
  INVALID(quern_hub_get_stats(NULL, &stats));
  INVALID(quern_hub_get_stats(hub, NULL));
}

static void test_packages(quern_hub *hub) {
  quern_resolve_options options = QUERN_RESOLVE_OPTIONS_INIT;
  quern_lock_options lock = QUERN_LOCK_OPTIONS_INIT;
  INVALID(quern_resolve(NULL, "acme/gemm@1", NULL, NULL, NULL));
  INVALID(quern_resolve(hub, "acme", NULL, NULL, NULL));
  INVALID(quern_resolve(hub, "acme/gemm@1,", NULL, NULL, NULL));
  INVALID(quern_resolve(hub, "acme/gemm@sha256:12", NULL, NULL, NULL));
  EXPECT(QUERN_NOT_FOUND, quern_resolve(hub, NULL, NULL, NULL, NULL)); /* no lock file */
  EXPECT(QUERN_IO_ERROR, quern_resolve(hub, "acme/gemm@1", NULL, NULL, NULL)); /* no cache */
  options.locked = 2;
  INVALID(quern_resolve(hub, "acme/gemm@1", &options, NULL, NULL));
  options.struct_size = 3;
  INVALID(quern_resolve(hub, "acme/gemm@1", &options, NULL, NULL));
  INVALID(quern_lock(NULL, NULL, "quern.lock", NULL, NULL, NULL));
  INVALID(quern_lock(hub, NULL, NULL, NULL, NULL, NULL));
  INVALID(quern_lock(hub, NULL, "", NULL, NULL, NULL));
  EXPECT(QUERN_NOT_FOUND, quern_lock(hub, NULL, "/nonexistent/quern.lock", NULL, NULL, NULL));
  lock.source = "/nonexistent/kernels.lock";
  EXPECT(QUERN_NOT_FOUND, quern_lock(hub, "acme/gemm@1", "/nonexistent/quern.lock", &lock, NULL, NULL));
  lock.check = -1;
  INVALID(quern_lock(hub, "acme/gemm@1", "/nonexistent/quern.lock", &lock, NULL, NULL));
}

static void test_devices(quern_hub *hub) {
  static const char *const kUnknown[] = {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x",
                                         "CPU", "cpu:1", "sm_12",  "sm_90b",  "90a"};
  quern_device *device = (quern_device *)(void *)&marker;
  quern_device_info info = QUERN_DEVICE_INFO_INIT;
  void *memory = &marker;
  uint8_t from[64], to[64];
  size_t i;

  for (i = 0; i < sizeof kUnknown / sizeof *kUnknown; ++i) {
    if (quern_device_open(hub, kUnknown[i], &device) != QUERN_INVALID_ARGUMENT) fail_at(__LINE__, kUnknown[i]);
  }
  EXPECT(QUERN_CUDA_UNAVAILABLE, quern_device_open(hub, "cuda:977", &device));
  INVALID(quern_device_open(NULL, "cpu", &device));
  INVALID(quern_device_open(hub, "cpu", NULL));
  UNTOUCHED(device);
  EXPECT(QUERN_OK, quern_device_open(hub, "cpu", &device));
  EXPECT(QUERN_OK, quern_device_get_info(device, &info));
  CHECK(info.kind == QUERN_DEVICE_CPU && strcmp(info.name, "cpu") == 0 && strcmp(info.arch, "") == 0 &&
        info.sm_count > 0);
  INVALID(quern_device_get_info(NULL, &info));
  INVALID(quern_device_get_info(device, NULL));

  INVALID(quern_device_allocate(NULL, 64, &memory));
  INVALID(quern_device_allocate(device, 64, NULL));
  EXPECT(QUERN_OUT_OF_MEMORY, quern_device_allocate(device, SIZE_MAX / 2, &memory));
  EXPECT(QUERN_OUT_OF_MEMORY, quern_device_allocate(device, SIZE_MAX, &memory));
  UNTOUCHED(memory);
  EXPECT(QUERN_OK, quern_device_allocate(device, 0, &memory));
  CHECK(memory == NULL);
  EXPECT(QUERN_OK, quern_device_allocate(device, sizeof from, &memory));
  CHECK(memory != NULL && (uintptr_t)memory % 256 == 0);
  memset(from, 7, sizeof from);
  EXPECT(QUERN_OK, quern_device_copy(device, memory, from, sizeof from, NULL));
  EXPECT(QUERN_OK, quern_device_copy(device, to, memory, sizeof to, NULL));
  CHECK(memcmp(from, to, sizeof to) == 0);
  EXPECT(QUERN_OK, quern_device_copy(device, NULL, NULL, 0, NULL));
  INVALID(quern_device_copy(NULL, to, from, 1, NULL));
  INVALID(quern_device_copy(device, NULL, from, 1, NULL));
  INVALID(quern_device_copy(device, to, NULL, 1, NULL));
  INVALID(quern_device_synchronize(NULL, NULL));
  EXPECT(QUERN_OK, quern_device_synchronize(device, NULL));
  INVALID(quern_device_release(NULL, memory));
  EXPECT(QUERN_OK, quern_device_release(device, memory));
  EXPECT(QUERN_OK, quern_device_release(device, NULL));
  quern_device_close(device);
  quern_device_close(NULL);
}

static void test_weights_infer(void) {
  const int64_t gpt_oss_blocks[] = {2, 5760, 90, 16}, gpt_oss_scales[] = {2, 5760, 90};
  const int64_t fused_blocks[] = {7, 512, 1440}, fused_scales[] = {7, 512, 90};
  const int64_t wrong_scales[] = {2, 5760, 91}, negative[] = {2, -1, 90, 16};
  quern_weights_shape shape = QUERN_WEIGHTS_SHAPE_INIT;
  EXPECT(QUERN_OK, quern_weights_infer(gpt_oss_blocks, 4, gpt_oss_scales, 3, &shape));
  CHECK(shape.convention == QUERN_CONVENTION_GPT_OSS && shape.rows == 11520 && shape.k == 2880);
  EXPECT(QUERN_OK, quern_weights_infer(fused_blocks, 3, fused_scales, 3, &shape));
  CHECK(shape.convention == QUERN_CONVENTION_FUSED && shape.rows == 3584 && shape.k == 2880);
  INVALID(quern_weights_infer(gpt_oss_blocks, 4, wrong_scales, 3, &shape));
  INVALID(quern_weights_infer(negative, 4, gpt_oss_scales, 3, &shape));
  INVALID(quern_weights_infer(gpt_oss_blocks, 0, gpt_oss_scales, 0, &shape));
  INVALID(quern_weights_infer(gpt_oss_blocks, -1, gpt_oss_scales, 3, &shape));
  INVALID(quern_weights_infer(NULL, 4, gpt_oss_scales, 3, &shape));
  INVALID(quern_weights_infer(gpt_oss_blocks, 4, NULL, 3, &shape));
  INVALID(quern_weights_infer(gpt_oss_blocks, 4, gpt_oss_scales, 3, NULL));
  CHECK(shape.rows == 3584 && shape.k == 2880);
}

static void test_presets(void) {
  static const char *const kNames[] = {"ocp",          "transformers",       "triton",
                                       "triton_torch", "modelopt",           "modelopt_packed",
                                       "torchao",      "compressed_tensors", "deepgemm"};
  quern_decode_policy policy = QUERN_DECODE_POLICY_INIT;
  size_t i;
  for (i = 0; i < sizeof kNames / sizeof *kNames; ++i) EXPECT(QUERN_OK, quern_decode_policy_preset(kNames[i], &policy));
  EXPECT(QUERN_NOT_FOUND, quern_decode_policy_preset("no such system", &policy));
  CHECK(strstr(quern_last_error(), "transformers") != NULL);
  INVALID(quern_decode_policy_preset(NULL, &policy));
  INVALID(quern_decode_policy_preset("ocp", NULL));
  EXPECT(QUERN_OK, quern_decode_policy_preset("ocp", &policy));
  CHECK(policy.scale_zero == QUERN_SCALE_ZERO_EXACT && policy.scale_nan == QUERN_SCALE_NAN_PROPAGATE);
}

static int stop(void *user, const quern_candidate *candidate) {
  (void)candidate;
  ++*(int *)user;
  return 1;
}

/* With one member of a good descriptor changed, no plan comes. */
#define NO_PLAN(make, good, member, value) \
  do {                                     \
    bad = (good);                          \
    bad.member = (value);                  \
    INVALID(make(device, &bad, &refused)); \
  } while (0)
#define NO_POLICY(member, value)                           \
  do {                                                     \
    quern_decode_policy policy = QUERN_DECODE_POLICY_INIT; \
    policy.member = (value);                               \
    NO_PLAN(quern_dequantize_plan, desc, policy, &policy); \
  } while (0)
#define NO_RUN(run, plan, good, member, value) \
  do {                                         \
    bad = (good);                              \
    bad.member = (value);                      \
    INVALID(run(plan, &bad, NULL));            \
  } while (0)

static void test_dequantize_plans(quern_device *device) {
  quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT, bad;
  quern_plan *refused = (quern_plan *)(void *)&marker;
  int visits = 0;
  desc.dst_dtype = QUERN_DTYPE_F32;
  desc.k = K;
  desc.rows_max = N;
  INVALID(quern_dequantize_plan(NULL, &desc, &refused));
  INVALID(quern_dequantize_plan(device, NULL, &refused));
  INVALID(quern_dequantize_plan(device, &desc, NULL));
  NO_PLAN(quern_dequantize_plan, desc, struct_size, 0);
  NO_PLAN(quern_dequantize_plan, desc, format, (quern_format)9);
  NO_PLAN(quern_dequantize_plan, desc, dst_dtype, (quern_dtype)0);
  NO_PLAN(quern_dequantize_plan, desc, dst_dtype, (quern_dtype)99);
  NO_PLAN(quern_dequantize_plan, desc, k, 0);
  NO_PLAN(quern_dequantize_plan, desc, k, -32);
  NO_PLAN(quern_dequantize_plan, desc, k, K + 1);
  NO_PLAN(quern_dequantize_plan, desc, k, K + 16);
  NO_PLAN(quern_dequantize_plan, desc, k, INT64_MAX - 31);
  NO_PLAN(quern_dequantize_plan, desc, rows_max, 0);
  NO_PLAN(quern_dequantize_plan, desc, rows_max, -1);
  NO_PLAN(quern_dequantize_plan, desc, rows_max, INT64_MAX);
  NO_PLAN(quern_dequantize_plan, desc, blocks_stride, K / 2 - 1);
  NO_PLAN(quern_dequantize_plan, desc, blocks_stride, -1);
  NO_PLAN(quern_dequantize_plan, desc, scales_stride, K / 32 - 1);
  NO_PLAN(quern_dequantize_plan, desc, dst_stride, K - 1);
  NO_PLAN(quern_dequantize_plan, desc, dst_stride, INT64_MAX);
  NO_POLICY(struct_size, 3);
  NO_POLICY(scale_zero, (quern_scale_zero)5);
  NO_POLICY(scale_nan, (quern_scale_nan)5);
  NO_POLICY(scale_in_dst, 2);
  NO_POLICY(canonical_zero, -1);
  UNTOUCHED(refused);

  bad = desc;
  bad.kernel = "quern/mxfp4-dequantize"; /* a kernel for GPUs */
  EXPECT(QUERN_UNSUPPORTED, quern_dequantize_plan(device, &bad, &refused));
  UNTOUCHED(refused);
  INVALID(quern_dequantize_explain(device, &desc, NULL, NULL));
  INVALID(quern_dequantize_explain(device, NULL, stop, &visits));
  EXPECT(QUERN_CANCELLED, quern_dequantize_explain(device, &desc, stop, &visits));
  CHECK(visits == 1);
}

static void test_dequantize_runs(quern_device *device) {
  quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT;
  quern_dequantize_args args = QUERN_DEQUANTIZE_ARGS_INIT, bad;
  quern_gemm_args gemm = QUERN_GEMM_ARGS_INIT;
  quern_plan *plan = NULL;
  size_t bytes = 99;
  int visits = 0;
  desc.dst_dtype = QUERN_DTYPE_F32;
  desc.k = K;
  desc.rows_max = N;
  EXPECT(QUERN_OK, quern_dequantize_plan(device, &desc, &plan));
  EXPECT(QUERN_OK, quern_plan_workspace_size(plan, N, &bytes));
  CHECK(bytes == 0); /* so this test may pass none */
  args.rows = N;
  args.blocks = blocks;
  args.scales = scales;
  args.dst = w;
  memset(blocks, 0x42, sizeof blocks);
  memset(scales, 127, sizeof scales);
  EXPECT(QUERN_OK, quern_dequantize_run(plan, &args, NULL));
  CHECK(w[0] == 1.0f && w[1] == 2.0f && w[N * K - 1] == 2.0f && w[N * K] == 0.0f);

  w[0] = 77.0f;
  INVALID(quern_dequantize_run(NULL, &args, NULL));
  INVALID(quern_dequantize_run(plan, NULL, NULL));
  NO_RUN(quern_dequantize_run, plan, args, struct_size, 1);
  NO_RUN(quern_dequantize_run, plan, args, rows, 0);
  NO_RUN(quern_dequantize_run, plan, args, rows, -1);
  NO_RUN(quern_dequantize_run, plan, args, rows, N + 1);
  NO_RUN(quern_dequantize_run, plan, args, blocks, NULL);
  NO_RUN(quern_dequantize_run, plan, args, scales, NULL);
  NO_RUN(quern_dequantize_run, plan, args, dst, NULL);
  NO_RUN(quern_dequantize_run, plan, args, dst, (char *)w + 2);
  INVALID(quern_gemm_run(plan, &gemm, NULL)); /* a plan of another operation */
  CHECK(w[0] == 77.0f);

  INVALID(quern_plan_workspace_size(NULL, N, &bytes));
  INVALID(quern_plan_workspace_size(plan, N, NULL));
  INVALID(quern_plan_explain(NULL, stop, &visits));
  INVALID(quern_plan_explain(plan, NULL, NULL));
  EXPECT(QUERN_CANCELLED, quern_plan_explain(plan, stop, &visits));
  CHECK(visits == 1);
  quern_plan_close(plan);
  quern_plan_close(NULL);
}

static void test_gemm_plans(quern_device *device) {
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT, bad;
  quern_plan *refused = (quern_plan *)(void *)&marker;
  int visits = 0;
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = M;
  desc.n = N;
  desc.k = K;
  INVALID(quern_gemm_plan(NULL, &desc, &refused));
  INVALID(quern_gemm_plan(device, NULL, &refused));
  INVALID(quern_gemm_plan(device, &desc, NULL));
  NO_PLAN(quern_gemm_plan, desc, struct_size, 4);
  NO_PLAN(quern_gemm_plan, desc, format, QUERN_FORMAT_E4M3_ROW);
  NO_PLAN(quern_gemm_plan, desc, x_dtype, (quern_dtype)0);
  NO_PLAN(quern_gemm_plan, desc, x_dtype, QUERN_DTYPE_F32);
  NO_PLAN(quern_gemm_plan, desc, y_dtype, (quern_dtype)0);
  NO_PLAN(quern_gemm_plan, desc, y_dtype, (quern_dtype)50);
  NO_PLAN(quern_gemm_plan, desc, bias_dtype, (quern_dtype)50);
  NO_PLAN(quern_gemm_plan, desc, m_max, 0);
  NO_PLAN(quern_gemm_plan, desc, m_max, INT64_MAX);
  NO_PLAN(quern_gemm_plan, desc, n, 0);
  NO_PLAN(quern_gemm_plan, desc, n, -5);
  NO_PLAN(quern_gemm_plan, desc, n, INT64_MAX);
  NO_PLAN(quern_gemm_plan, desc, k, 0);
  NO_PLAN(quern_gemm_plan, desc, k, K + 8);
  NO_PLAN(quern_gemm_plan, desc, x_stride, K - 1);
  NO_PLAN(quern_gemm_plan, desc, y_stride, N - 1);
  NO_PLAN(quern_gemm_plan, desc, blocks_stride, K / 2 - 16);
  NO_PLAN(quern_gemm_plan, desc, scales_stride, -3);
  NO_PLAN(quern_gemm_plan, desc, scale_zero, (quern_scale_zero)2);
  NO_PLAN(quern_gemm_plan, desc, layout, (quern_layout)4);
  NO_PLAN(quern_gemm_plan, desc, x_dtype, QUERN_DTYPE_E4M3); /* canonical weights */
  NO_PLAN(quern_gemm_plan, desc, x_dtype, (quern_dtype)5);
  NO_PLAN(quern_gemm_plan, desc, y_dtype, QUERN_DTYPE_E4M3);
  NO_PLAN(quern_gemm_plan, desc, bias_dtype, QUERN_DTYPE_E4M3);
  NO_PLAN(quern_gemm_plan, desc, accumulation, QUERN_ACCUMULATION_FAST); /* canonical weights */
  NO_PLAN(quern_gemm_plan, desc, accumulation, (quern_accumulation)2);
  NO_PLAN(quern_gemm_plan, desc, activation, (quern_activation)5);
  NO_PLAN(quern_gemm_plan, desc, residual, 2);
  NO_PLAN(quern_gemm_plan, desc, residual_stride, N - 1);
  NO_PLAN(quern_gemm_plan, desc, batch_invariant, -1);
  NO_PLAN(quern_gemm_plan, desc, overlap, 2);
  UNTOUCHED(refused);
  INVALID(quern_gemm_explain(device, &desc, NULL, NULL));
  INVALID(quern_gemm_explain(NULL, &desc, stop, &visits));
  EXPECT(QUERN_CANCELLED, quern_gemm_explain(device, &desc, stop, &visits));
}

static void test_gemm_runs(quern_device *device) {
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  quern_gemm_args args = QUERN_GEMM_ARGS_INIT, bad;
  quern_plan *plan = NULL, *biased = NULL;
  static uint16_t bias[N];
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = M;
  desc.n = N;
  desc.k = K;
  EXPECT(QUERN_OK, quern_gemm_plan(device, &desc, &plan));
  desc.bias_dtype = QUERN_DTYPE_BF16;
  EXPECT(QUERN_OK, quern_gemm_plan(device, &desc, &biased));
  args.m = M;
  args.x = x;
  args.blocks = blocks;
  args.scales = scales;
  args.y = y;
  x[0] = 0x3f80; /* 1 at [0, 0]; so Y[0, n] = W[n, 0] = 1 */
  EXPECT(QUERN_OK, quern_gemm_run(plan, &args, NULL));
  CHECK(y[0] == 0x3f80 && y[N - 1] == 0x3f80 && y[N] == 0);
  INVALID(quern_gemm_run(biased, &args, NULL)); /* a bias was promised */
  args.bias = bias;
  EXPECT(QUERN_OK, quern_gemm_run(biased, &args, NULL));
  INVALID(quern_gemm_run(plan, &args, NULL)); /* none was promised */
  args.bias = NULL;

  y[0] = 0x7777;
  INVALID(quern_gemm_run(NULL, &args, NULL));
  INVALID(quern_gemm_run(plan, NULL, NULL));
  NO_RUN(quern_gemm_run, plan, args, struct_size, 0);
  NO_RUN(quern_gemm_run, plan, args, m, 0);
  NO_RUN(quern_gemm_run, plan, args, m, -1);
  NO_RUN(quern_gemm_run, plan, args, m, M + 1);
  NO_RUN(quern_gemm_run, plan, args, x, NULL);
  NO_RUN(quern_gemm_run, plan, args, x, (char *)x + 1);
  NO_RUN(quern_gemm_run, plan, args, blocks, NULL);
  NO_RUN(quern_gemm_run, plan, args, scales, NULL);
  NO_RUN(quern_gemm_run, plan, args, y, NULL);
  NO_RUN(quern_gemm_run, plan, args, y, (char *)y + 1);
  CHECK(y[0] == 0x7777);
  quern_plan_close(plan);
  quern_plan_close(biased);
}

/* Weights packed, looked at, unpacked and multiplied with, on the CPU. */
static void test_packed_weights(quern_device *device) {
  quern_weights_desc weights = QUERN_WEIGHTS_DESC_INIT, found = QUERN_WEIGHTS_DESC_INIT, other;
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
  quern_plan *plan = NULL;
  quern_layout layout = (quern_layout)77;
  static uint8_t back[N * K / 2], scales_back[N * K / 32];
  static uint64_t packed[4096];
  static uint16_t residual[M * N];
  size_t bytes = 0, found_bytes = 0, workspace_bytes = 0;
  void *workspace;
  weights.layout = QUERN_LAYOUT_MMA16_BF16;
  weights.n = N;
  weights.k = K;
  EXPECT(QUERN_OK, quern_weights_packed_bytes(&weights, &bytes));
  CHECK(bytes > 256 && bytes % 256 == 0 && bytes <= sizeof packed);
  EXPECT(QUERN_OK, quern_weights_pack(device, &weights, blocks, scales, packed, NULL));
  EXPECT(QUERN_OK, quern_weights_inspect(packed, 256, &found, &found_bytes));
  CHECK(found.layout == QUERN_LAYOUT_MMA16_BF16 && found.n == N && found.k == K && found_bytes == bytes);
  EXPECT(QUERN_OK, quern_weights_inspect(packed, 256, &found, NULL));
  EXPECT(QUERN_OK, quern_weights_unpack(device, &weights, packed, back, scales_back, NULL));
  CHECK(memcmp(back, blocks, sizeof back) == 0 && memcmp(scales_back, scales, sizeof scales_back) == 0);

  bytes = 0x7777;
  INVALID(quern_weights_packed_bytes(NULL, &bytes));
  INVALID(quern_weights_packed_bytes(&weights, NULL));
  other = weights;
  other.layout = QUERN_LAYOUT_CANONICAL;
  INVALID(quern_weights_packed_bytes(&other, &bytes));
  other = weights;
  other.k = K + 1;
  INVALID(quern_weights_packed_bytes(&other, &bytes));
  other = weights;
  other.n = 0;
  INVALID(quern_weights_packed_bytes(&other, &bytes));
  CHECK(bytes == 0x7777);
  INVALID(quern_weights_pack(NULL, &weights, blocks, scales, packed, NULL));
  INVALID(quern_weights_pack(device, NULL, blocks, scales, packed, NULL));
  INVALID(quern_weights_pack(device, &weights, NULL, scales, packed, NULL));
  INVALID(quern_weights_pack(device, &weights, blocks, NULL, packed, NULL));
  INVALID(quern_weights_pack(device, &weights, blocks, scales, NULL, NULL));
  INVALID(quern_weights_pack(device, &weights, blocks, scales, (char *)packed + 1, NULL));
  other = weights;
  other.n = N + 1;
  INVALID(quern_weights_unpack(device, &other, packed, back, scales_back, NULL));
  other = weights;
  other.layout = QUERN_LAYOUT_MMA16_F16;
  INVALID(quern_weights_unpack(device, &other, packed, back, scales_back, NULL));
  INVALID(quern_weights_inspect(packed, 255, &found, NULL));
  INVALID(quern_weights_inspect(NULL, 256, &found, NULL));
  INVALID(quern_weights_inspect(packed, 256, NULL, NULL));
  memcpy(back, packed, 256);
  back[0] ^= 1; /* the magic number */
  EXPECT(QUERN_CORRUPT, quern_weights_inspect(back, 256, &found, NULL));
  back[0] ^= 1;
  back[4] = 2; /* the version */
  EXPECT(QUERN_UNSUPPORTED, quern_weights_inspect(back, 256, &found, NULL));
  back[4] = 1;
  back[12] = 99; /* the layout */
  EXPECT(QUERN_UNSUPPORTED, quern_weights_inspect(back, 256, &found, NULL));
  back[12] = 1;
  back[24] = 1; /* k */
  EXPECT(QUERN_CORRUPT, quern_weights_inspect(back, 256, &found, NULL));

  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = M;
  desc.n = N;
  desc.k = K;
  EXPECT(QUERN_OK, quern_gemm_best_layout(device, &desc, &layout));
  CHECK(layout == QUERN_LAYOUT_CANONICAL); /* of the CPU */
  INVALID(quern_gemm_best_layout(device, &desc, NULL));
  INVALID(quern_gemm_best_layout(NULL, &desc, &layout));
  desc.layout = QUERN_LAYOUT_MMA16_F16;
  INVALID(quern_gemm_plan(device, &desc, &plan)); /* packed for the other type */
  desc.layout = QUERN_LAYOUT_MMA16_BF16;
  desc.residual = 1;
  EXPECT(QUERN_OK, quern_gemm_plan(device, &desc, &plan));
  EXPECT(QUERN_OK, quern_plan_workspace_size(plan, M, &workspace_bytes));
  workspace = NULL;
  EXPECT(QUERN_OK, quern_device_allocate(device, workspace_bytes, &workspace));
  args.m = M;
  args.x = x;
  args.blocks = packed;
  args.y = y;
  args.workspace = workspace;
  args.workspace_bytes = workspace_bytes;
  args.alpha = -2.0f;
  INVALID(quern_gemm_run(plan, &args, NULL)); /* a residual was promised */
  args.residual = residual;
  residual[0] = 0x3f80;
  x[0] = 0x3f80;
  EXPECT(QUERN_OK, quern_gemm_run(plan, &args, NULL));
  CHECK(y[0] == 0xbf80 && y[1] == 0xc000); /* -2 * 1 + 1 and -2 * 1 */
  args.scales = scales;
  INVALID(quern_gemm_run(plan, &args, NULL));
  EXPECT(QUERN_UNSUPPORTED, quern_gemm_tune(device, &desc, NULL, NULL)); /* the CPU has nothing to choose from */
  INVALID(quern_gemm_tune(NULL, &desc, NULL, NULL));
  quern_plan_close(plan);
  EXPECT(QUERN_OK, quern_device_release(device, workspace));
}

/* Rows to E4M3, on the CPU. */
static void test_quantize(quern_device *device) {
  quern_quantize_desc desc = QUERN_QUANTIZE_DESC_INIT;
  quern_quantize_args args = QUERN_QUANTIZE_ARGS_INIT;
  quern_gemm_args gemm = QUERN_GEMM_ARGS_INIT;
  quern_plan *plan = NULL;
  static uint16_t src[M * K];
  static uint8_t dst[M * K + 1];
  static float row_scales[M + 1];
  size_t bytes = 77;
  int visits = 0;
  desc.src_dtype = QUERN_DTYPE_BF16;
  desc.rows_max = M;
  desc.k = K;
  INVALID(quern_quantize_plan(NULL, &desc, &plan));
  INVALID(quern_quantize_plan(device, NULL, &plan));
  INVALID(quern_quantize_plan(device, &desc, NULL));
  {
    quern_plan *refused = (quern_plan *)(void *)&marker;
    quern_quantize_desc bad;
    NO_PLAN(quern_quantize_plan, desc, struct_size, 4);
    NO_PLAN(quern_quantize_plan, desc, format, QUERN_FORMAT_MXFP4);
    NO_PLAN(quern_quantize_plan, desc, format, (quern_format)3);
    NO_PLAN(quern_quantize_plan, desc, src_dtype, (quern_dtype)0);
    NO_PLAN(quern_quantize_plan, desc, src_dtype, QUERN_DTYPE_E4M3);
    NO_PLAN(quern_quantize_plan, desc, rows_max, 0);
    NO_PLAN(quern_quantize_plan, desc, rows_max, INT64_MAX);
    NO_PLAN(quern_quantize_plan, desc, k, 0);
    NO_PLAN(quern_quantize_plan, desc, k, K + 16);
    NO_PLAN(quern_quantize_plan, desc, k, INT64_MAX);
    NO_PLAN(quern_quantize_plan, desc, src_stride, K - 1);
    NO_PLAN(quern_quantize_plan, desc, dst_stride, -K);
    NO_PLAN(quern_quantize_plan, desc, overlap, 2);
    NO_PLAN(quern_quantize_plan, desc, target, "compute_90"); /* of CUDA */
    UNTOUCHED(refused);
  }
  EXPECT(QUERN_CANCELLED, quern_quantize_explain(device, &desc, stop, &visits));
  CHECK(visits == 1);
  INVALID(quern_quantize_explain(device, &desc, NULL, NULL));
  INVALID(quern_quantize_explain(NULL, &desc, stop, &visits));
  INVALID(quern_quantize_explain(device, NULL, stop, &visits));

  desc.format = (quern_format)0; /* the default */
  EXPECT(QUERN_OK, quern_quantize_plan(device, &desc, &plan));
  EXPECT(QUERN_OK, quern_plan_workspace_size(plan, M, &bytes));
  CHECK(bytes == 0);
  INVALID(quern_plan_workspace_size(plan, M + 1, &bytes));
  src[0] = 0x4380; /* 256 */
  src[1] = 0xc3e0; /* -448 */
  src[K] = 0x7f80; /* infinity, in the second row */
  args.rows = 2;
  args.src = src;
  args.dst = dst;
  args.scales = row_scales;
  row_scales[2] = 5.0f;
  EXPECT(QUERN_OK, quern_quantize_run(plan, &args, NULL));
  CHECK(row_scales[0] == 1.0f && row_scales[1] > 3e38f && row_scales[2] == 5.0f);
  CHECK(dst[0] == 0x78 && dst[1] == 0xfe && dst[2] == 0 && dst[K] == 0x7f && dst[K + 1] == 0 && dst[2 * K] == 0);
  INVALID(quern_quantize_run(NULL, &args, NULL));
  INVALID(quern_quantize_run(plan, NULL, NULL));
  {
    quern_quantize_args bad;
    NO_RUN(quern_quantize_run, plan, args, struct_size, 0);
    NO_RUN(quern_quantize_run, plan, args, rows, 0);
    NO_RUN(quern_quantize_run, plan, args, rows, M + 1);
    NO_RUN(quern_quantize_run, plan, args, src, NULL);
    NO_RUN(quern_quantize_run, plan, args, src, (char *)src + 1);
    NO_RUN(quern_quantize_run, plan, args, dst, NULL);
    NO_RUN(quern_quantize_run, plan, args, scales, NULL);
    NO_RUN(quern_quantize_run, plan, args, scales, (float *)(void *)((char *)row_scales + 2));
  }
  gemm.m = 1;
  INVALID(quern_gemm_run(plan, &gemm, NULL)); /* a plan of another operation */
  quern_plan_close(plan);
}

static quern_plan *w4a8_plan(quern_device *device, quern_dtype x_dtype, quern_accumulation accumulation) {
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  quern_plan *plan = NULL;
  desc.x_dtype = x_dtype;
  desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = M;
  desc.n = N;
  desc.k = K;
  desc.layout = QUERN_LAYOUT_MMA16_E5M2;
  desc.accumulation = accumulation;
  EXPECT(QUERN_OK, quern_gemm_plan(device, &desc, &plan));
  return plan;
}

/* The layout that X of E4M3 goes with: what is refused, what falls back, and that a plan which quantizes X gives the
 * bits of quantizing it and multiplying. */
static void test_w4a8(quern_device *device) {
  quern_weights_desc weights = QUERN_WEIGHTS_DESC_INIT, found = QUERN_WEIGHTS_DESC_INIT;
  quern_quantize_desc quantize = QUERN_QUANTIZE_DESC_INIT;
  quern_quantize_args rows = QUERN_QUANTIZE_ARGS_INIT;
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
  quern_layout layout = (quern_layout)77;
  quern_plan *plan, *quantizer = NULL;
  static uint64_t packed[4096];
  static uint8_t my_blocks[N * K / 2], my_scales[N * K / 32], back[N * K / 2], scales_back[N * K / 32], x8[M * K];
  static uint16_t from_x8[M * N], from_bf16[M * N];
  static float row_scales[M];
  size_t own = 0, needed = 0, bytes = 0;
  void *workspace = NULL;
  int i;
  for (i = 0; i < N * K / 2; ++i) my_blocks[i] = (uint8_t)(i * 37 + 1);
  for (i = 0; i < N * K / 32; ++i) my_scales[i] = (uint8_t)(100 + i % 27);
  for (i = 0; i < M * K; ++i) x[i] = (uint16_t)(0x3f00 + i * 7 % 256 + (i % 3 == 0 ? 0x8000 : 0));

  weights.layout = QUERN_LAYOUT_MMA16_E5M2;
  weights.n = N;
  weights.k = K;
  EXPECT(QUERN_OK, quern_weights_packed_bytes(&weights, &bytes));
  CHECK(bytes <= sizeof packed);
  EXPECT(QUERN_OK, quern_weights_pack(device, &weights, my_blocks, my_scales, packed, NULL));
  EXPECT(QUERN_OK, quern_weights_inspect(packed, 256, &found, NULL));
  CHECK(found.layout == QUERN_LAYOUT_MMA16_E5M2 && found.fallback == QUERN_LAYOUT_CANONICAL);
  EXPECT(QUERN_OK, quern_weights_unpack(device, &weights, packed, back, scales_back, NULL));
  CHECK(memcmp(back, my_blocks, sizeof back) == 0 && memcmp(scales_back, my_scales, sizeof scales_back) == 0);

  /* A row that spans 27 */
  my_scales[3] = 99;
  my_scales[4] = 126;
  EXPECT(QUERN_UNSUPPORTED, quern_weights_pack(device, &weights, my_blocks, my_scales, packed, NULL));
  CHECK(strstr(quern_last_error(), "26") != NULL && strstr(quern_last_error(), "fallback") != NULL);
  weights.fallback = QUERN_LAYOUT_MMA16_F16; /* holds 24 */
  EXPECT(QUERN_UNSUPPORTED, quern_weights_pack(device, &weights, my_blocks, my_scales, packed, NULL));
  weights.fallback = QUERN_LAYOUT_MMA16_E5M2;
  INVALID(quern_weights_pack(device, &weights, my_blocks, my_scales, packed, NULL));
  weights.fallback = (quern_layout)4;
  INVALID(quern_weights_pack(device, &weights, my_blocks, my_scales, packed, NULL));
  weights.fallback = QUERN_LAYOUT_MMA16_BF16;
  EXPECT(QUERN_OK, quern_weights_pack(device, &weights, my_blocks, my_scales, packed, NULL));
  EXPECT(QUERN_OK, quern_weights_inspect(packed, 256, &found, NULL));
  CHECK(found.layout == QUERN_LAYOUT_MMA16_BF16);
  EXPECT(QUERN_OK, quern_weights_unpack(device, &weights, packed, back, scales_back, NULL));
  CHECK(memcmp(back, my_blocks, sizeof back) == 0 && memcmp(scales_back, my_scales, sizeof scales_back) == 0);
  weights.fallback = QUERN_LAYOUT_MMA16_F16;
  INVALID(quern_weights_unpack(device, &weights, packed, back, scales_back, NULL)); /* it became another */
  my_scales[3] = 103;
  my_scales[4] = 104;
  weights.fallback = QUERN_LAYOUT_MMA16_BF16;
  EXPECT(QUERN_OK, quern_weights_pack(device, &weights, my_blocks, my_scales, packed, NULL));
  EXPECT(QUERN_OK, quern_weights_inspect(packed, 256, &found, NULL));
  CHECK(found.layout == QUERN_LAYOUT_MMA16_E5M2);

  desc.x_dtype = QUERN_DTYPE_E4M3;
  desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = M;
  desc.n = N;
  desc.k = K;
  EXPECT(QUERN_OK, quern_gemm_best_layout(device, &desc, &layout));
  CHECK(layout == QUERN_LAYOUT_MMA16_E5M2);
  plan = NULL;
  desc.layout = QUERN_LAYOUT_MMA16_BF16;
  INVALID(quern_gemm_plan(device, &desc, &plan));
  desc.x_dtype = QUERN_DTYPE_F32;
  desc.layout = QUERN_LAYOUT_MMA16_E5M2;
  INVALID(quern_gemm_plan(device, &desc, &plan));
  desc.x_dtype = QUERN_DTYPE_BF16;
  desc.layout = QUERN_LAYOUT_MMA16_BF16;
  desc.accumulation = QUERN_ACCUMULATION_FAST;
  INVALID(quern_gemm_plan(device, &desc, &plan));
  desc.layout = QUERN_LAYOUT_MMA16_E5M2;
  EXPECT(QUERN_UNSUPPORTED, quern_gemm_tune(device, &desc, NULL, NULL)); /* the CPU has nothing to choose from */

  quantize.src_dtype = QUERN_DTYPE_BF16;
  quantize.rows_max = M;
  quantize.k = K;
  EXPECT(QUERN_OK, quern_quantize_plan(device, &quantize, &quantizer));
  rows.rows = M;
  rows.src = x;
  rows.dst = x8;
  rows.scales = row_scales;
  EXPECT(QUERN_OK, quern_quantize_run(quantizer, &rows, NULL));
  quern_plan_close(quantizer);

  plan = w4a8_plan(device, QUERN_DTYPE_E4M3, QUERN_ACCUMULATION_PROMOTED);
  EXPECT(QUERN_OK, quern_plan_workspace_size(plan, M, &own));
  EXPECT(QUERN_OK, quern_device_allocate(device, own + 4096, &workspace));
  args.m = M;
  args.x = x8;
  args.blocks = packed;
  args.y = from_x8;
  args.workspace = workspace;
  args.workspace_bytes = own;
  INVALID(quern_gemm_run(plan, &args, NULL)); /* x_scales are needed */
  args.x_scales = (const float *)(const void *)((char *)row_scales + 1);
  INVALID(quern_gemm_run(plan, &args, NULL));
  args.x_scales = row_scales;
  EXPECT(QUERN_OK, quern_gemm_run(plan, &args, NULL));
  quern_plan_close(plan);

  plan = w4a8_plan(device, QUERN_DTYPE_BF16, QUERN_ACCUMULATION_FAST);
  EXPECT(QUERN_OK, quern_plan_workspace_size(plan, M, &needed));
  CHECK(needed == own + (M * K + 255) / 256 * 256 + 256);
  args.x = x;
  args.y = from_bf16;
  args.workspace_bytes = needed;
  INVALID(quern_gemm_run(plan, &args, NULL)); /* x_scales are the plan's own */
  args.x_scales = NULL;
  args.workspace_bytes = needed - 1;
  EXPECT(QUERN_BUFFER_TOO_SMALL, quern_gemm_run(plan, &args, NULL));
  args.workspace_bytes = needed;
  EXPECT(QUERN_OK, quern_gemm_run(plan, &args, NULL));
  CHECK(memcmp(from_x8, from_bf16, sizeof from_x8) == 0);
  CHECK(from_x8[0] != 0 || from_x8[1] != 0);
  quern_plan_close(plan);
  EXPECT(QUERN_OK, quern_device_release(device, workspace));
}

static int stop_kernels(void *user, const quern_kernel_info *info) {
  CHECK(info->struct_size >= sizeof *info && info->package[0] != '\0');
  ++*(int *)user;
  return 1;
}

static int count_kernels(void *user, const quern_kernel_info *info) {
  CHECK(info->refused[0] != '\0' || strlen(info->digest) == 64);
  ++*(int *)user;
  return 0;
}

static int no_entry(void *user, const quern_cache_entry *entry) {
  (void)user, (void)entry;
  fail_at(__LINE__, "an entry of a cache that is off");
  return 0;
}

/* With a cache to write to, the directory of QUERN_CACHE_DIR. */
static void test_prefetch(void) {
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  quern_prefetch_options prefetch = QUERN_PREFETCH_OPTIONS_INIT;
  quern_prefetch_result result = QUERN_PREFETCH_RESULT_INIT;
  quern_hub *hub = NULL;
  options.jit = QUERN_JIT_FORBID;
  EXPECT(QUERN_OK, quern_hub_open(&options, &hub));
  prefetch.archs = "sm_1";
  INVALID(quern_prefetch(hub, &prefetch, &result));
  prefetch.archs = "sm_90a";
  prefetch.jobs = -1;
  INVALID(quern_prefetch(hub, &prefetch, &result));
  prefetch.jobs = 0;
  prefetch.packages = "nobody/nothing";
  EXPECT(QUERN_NOT_FOUND, quern_prefetch(hub, &prefetch, &result));
  prefetch.packages = NULL;
  EXPECT(QUERN_JIT_FORBIDDEN, quern_prefetch(hub, &prefetch, &result));
  CHECK(result.failed > 0 && result.compiled == 0);
  quern_hub_close(hub);
}

static void test_kernels_and_cache(quern_hub *hub) {
  quern_prefetch_options prefetch = QUERN_PREFETCH_OPTIONS_INIT;
  quern_prefetch_result result = QUERN_PREFETCH_RESULT_INIT;
  quern_cache_prune_options prune = QUERN_CACHE_PRUNE_OPTIONS_INIT;
  quern_cache_prune_result pruned = QUERN_CACHE_PRUNE_RESULT_INIT;
  int kernels = 0;
  INVALID(quern_kernels_visit(NULL, count_kernels, &kernels));
  INVALID(quern_kernels_visit(hub, NULL, NULL));
  EXPECT(QUERN_CANCELLED, quern_kernels_visit(hub, stop_kernels, &kernels));
  CHECK(kernels == 1);
  EXPECT(QUERN_OK, quern_kernels_visit(hub, count_kernels, &kernels));
  CHECK(kernels > 2);

  prefetch.archs = "sm_90a";
  INVALID(quern_prefetch(NULL, &prefetch, &result));
  EXPECT(QUERN_IO_ERROR, quern_prefetch(hub, &prefetch, &result)); /* nowhere to keep them */
  test_prefetch();
  INVALID(quern_package_check(NULL, "/nonexistent", NULL, NULL, NULL));
  INVALID(quern_package_check(hub, NULL, NULL, NULL, NULL));
  EXPECT(QUERN_NOT_FOUND, quern_package_check(hub, "/nonexistent", NULL, NULL, NULL));

  INVALID(quern_cache_scan(NULL, no_entry, NULL));
  INVALID(quern_cache_scan(hub, NULL, NULL));
  EXPECT(QUERN_NOT_FOUND, quern_cache_scan(hub, no_entry, NULL));
  INVALID(quern_cache_prune(NULL, &prune, &pruned));
  EXPECT(QUERN_NOT_FOUND, quern_cache_prune(hub, &prune, &pruned));
  prune.max_bytes = -1;
  INVALID(quern_cache_prune(hub, &prune, &pruned));
}

/* An architecture without hardware: it can be asked, and nothing runs on it. */
static void test_target(quern_hub *hub) {
  quern_device *target = NULL;
  quern_device_info info = QUERN_DEVICE_INFO_INIT;
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  quern_plan *plan = (quern_plan *)(void *)&marker;
  void *memory = &marker;
  int visits = 0;
  EXPECT(QUERN_OK, quern_device_open(hub, "sm_90a", &target));
  EXPECT(QUERN_OK, quern_device_get_info(target, &info));
  CHECK(info.kind == QUERN_DEVICE_TARGET && strcmp(info.arch, "sm_90a") == 0 && info.capability_major == 9);
  EXPECT(QUERN_CUDA_UNAVAILABLE, quern_device_allocate(target, 64, &memory));
  EXPECT(QUERN_CUDA_UNAVAILABLE, quern_device_synchronize(target, NULL));
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = M;
  desc.n = N;
  desc.k = K;
  EXPECT(QUERN_CANCELLED, quern_gemm_explain(target, &desc, stop, &visits));
  EXPECT(QUERN_JIT_FORBIDDEN, quern_gemm_plan(target, &desc, &plan));
  desc.kernel = "nobody/nothing";
  EXPECT(QUERN_NOT_FOUND, quern_gemm_plan(target, &desc, &plan));
  UNTOUCHED(plan);
  quern_device_close(target);
}

static void test_kernel(quern_hub *hub) {
  quern_device *target = NULL, *cpu = NULL;
  quern_kernel *kernel = (quern_kernel *)(void *)&marker;
  quern_kernel_desc desc = QUERN_KERNEL_DESC_INIT;
  quern_loaded_kernel_info info = QUERN_LOADED_KERNEL_INFO_INIT;
  quern_launch launch = QUERN_LAUNCH_INIT;
  EXPECT(QUERN_OK, quern_device_open(hub, "sm_90a", &target));
  EXPECT(QUERN_OK, quern_device_open(hub, "cpu", &cpu));
  INVALID(quern_kernel_load(NULL, &desc, &kernel));
  INVALID(quern_kernel_load(target, NULL, &kernel));
  INVALID(quern_kernel_load(target, &desc, NULL));
  INVALID(quern_kernel_load(target, &desc, &kernel)); /* no name */
  desc.kernel = "nobody/nothing";
  EXPECT(QUERN_NOT_FOUND, quern_kernel_load(target, &desc, &kernel));
  desc.kernel = "quern/mxfp4-repack:pack";
  INVALID(quern_kernel_load(target, &desc, &kernel));
  desc.options = "layout=mma16_bf16";
  EXPECT(QUERN_UNSUPPORTED, quern_kernel_load(cpu, &desc, &kernel));
  EXPECT(QUERN_JIT_FORBIDDEN, quern_kernel_load(target, &desc, &kernel));
  desc.target = "sm_1";
  INVALID(quern_kernel_load(target, &desc, &kernel));
  UNTOUCHED(kernel);
  INVALID(quern_kernel_get_info(NULL, &info));
  INVALID(quern_kernel_launch(NULL, &launch, NULL));
  quern_kernel_close(NULL);
  quern_device_close(target);
  quern_device_close(cpu);
}

/* Handles may be closed in any order: a plan outlives what it was made from. */
static void test_lifetimes(void) {
  quern_hub *hub = open_hub();
  quern_device *device = NULL;
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
  quern_plan *plan = NULL;
  EXPECT(QUERN_OK, quern_device_open(hub, "cpu", &device));
  quern_hub_close(hub);
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_F16;
  desc.m_max = 1;
  desc.n = N;
  desc.k = K;
  EXPECT(QUERN_OK, quern_gemm_plan(device, &desc, &plan));
  quern_device_close(device);
  args.m = 1;
  args.x = x;
  args.blocks = blocks;
  args.scales = scales;
  args.y = y;
  EXPECT(QUERN_OK, quern_gemm_run(plan, &args, NULL));
  quern_plan_close(plan);
}

int main(void) {
  quern_hub *hub;
  quern_device *device = NULL;
  test_errors();
  test_struct_sizes();
  hub = open_hub();
  test_hub(hub);
  test_packages(hub);
  test_devices(hub);
  test_weights_infer();
  test_presets();
  EXPECT(QUERN_OK, quern_device_open(hub, "cpu", &device));
  test_dequantize_plans(device);
  test_dequantize_runs(device);
  test_gemm_plans(device);
  test_gemm_runs(device);
  test_packed_weights(device);
  test_quantize(device);
  test_w4a8(device);
  test_target(hub);
  test_kernel(hub);
  test_kernels_and_cache(hub);
  quern_device_close(device);
  quern_hub_close(hub);
  test_lifetimes();
  if (failures == 0) printf("every bad argument was refused as documented\n");
  return failures == 0 ? 0 : 1;
}
