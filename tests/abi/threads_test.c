/* One hub, one device and one plan used by many threads at once, as quern.h allows. Its results are checked; that no two
 * threads touch the same memory unguarded is what a build with -fsanitize=thread adds. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <quern/quern.h>

enum { THREADS = 8, ROUNDS = 25, M = 3, N = 96, K = 64 };

static quern_hub *hub;
static quern_device *device;
static quern_plan *shared_plan;
static uint8_t blocks[N * K / 2], scales[N * K / 32];
static uint16_t x[M * K];

static int seen(void *user, const quern_candidate *candidate) {
  *(int *)user += candidate->chosen;
  return 0;
}

static int count(void *user, const quern_kernel_info *info) {
  (void)info;
  ++*(int *)user;
  return 0;
}

/* Y[m, n] = sum over k of 1 * 1 = K. */
static int run(const quern_plan *plan) {
  uint16_t y[M * N];
  quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
  int i;
  memset(y, 0, sizeof y);
  args.m = M;
  args.x = x;
  args.blocks = blocks;
  args.scales = scales;
  args.y = y;
  if (quern_gemm_run(plan, &args, NULL) != QUERN_OK) return 0;
  for (i = 0; i < M * N; ++i) {
    if (y[i] != 0x4280) return 0; /* 64 in bf16 */
  }
  return 1;
}

/* What went wrong first, or NULL. */
static const char *work(int thread) {
  char wanted[32];
  int round;
  snprintf(wanted, sizeof wanted, "nonsense-%d", thread);
  for (round = 0; round < ROUNDS; ++round) {
    quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
    quern_hub_info info = QUERN_HUB_INFO_INIT;
    quern_hub_stats stats = QUERN_HUB_STATS_INIT;
    quern_device *own = NULL;
    quern_plan *plan = NULL;
    int chosen = 0, kernels = 0;
    if (quern_device_open(hub, wanted, &own) != QUERN_INVALID_ARGUMENT) return "a device without sense opens";
    if (strstr(quern_last_error(), wanted) == NULL) return "the last error is another thread's";
    if (!run(shared_plan)) return "the shared plan gives something else";
    if (quern_device_open(hub, "cpu", &own) != QUERN_OK) return "no device";
    desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
    desc.m_max = M + thread;
    desc.n = N;
    desc.k = K;
    if (quern_gemm_plan(round % 2 == 0 ? own : device, &desc, &plan) != QUERN_OK) return "no plan";
    quern_device_close(own);
    if (!run(plan)) return "its own plan gives something else";
    if (quern_plan_explain(plan, seen, &chosen) != QUERN_OK || chosen == 0) return "the plan explains nothing";
    quern_plan_close(plan);
    if (quern_kernels_visit(hub, count, &kernels) != QUERN_OK || kernels == 0) return "no kernels";
    if (quern_hub_get_info(hub, &info) != QUERN_OK || info.packages == 0) return "no facts";
    if (quern_hub_get_stats(hub, &stats) != QUERN_OK) return "no counters";
  }
  return NULL;
}

static void *enter(void *number) { return (void *)work(*(int *)number); }

int main(void) {
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  pthread_t threads[THREADS];
  int numbers[THREADS], i, failures = 0;

  memset(blocks, 0x22, sizeof blocks); /* E2M1 1 and 1 */
  memset(scales, 127, sizeof scales);  /* 2^0 */
  for (i = 0; i < M * K; ++i) x[i] = 0x3f80;
  options.cache_mode = QUERN_CACHE_OFF;
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = M;
  desc.n = N;
  desc.k = K;
  if (quern_hub_open(&options, &hub) != QUERN_OK || quern_device_open(hub, "cpu", &device) != QUERN_OK ||
      quern_gemm_plan(device, &desc, &shared_plan) != QUERN_OK) {
    fprintf(stderr, "%s\n", quern_last_error());
    return 1;
  }
  for (i = 0; i < THREADS; ++i) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, enter, &numbers[i]) != 0) return 1;
  }
  for (i = 0; i < THREADS; ++i) {
    void *wrong = NULL;
    if (pthread_join(threads[i], &wrong) != 0) return 1;
    if (wrong != NULL) {
      fprintf(stderr, "thread %d: %s\n", i, (const char *)wrong);
      ++failures;
    }
  }
  quern_hub_close(hub);
  quern_device_close(device);
  quern_plan_close(shared_plan);
  return failures == 0 ? 0 : 1;
}
