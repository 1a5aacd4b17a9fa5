/* A host application in C99: open the hub and the best device, dequantize a small MXFP4 weight, multiply with it, and
 * check both results. Builds with the Makefile beside it (pkg-config) or with CMake (find_package). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <quern/quern.h>

enum { M = 4, N = 64, K = 128 }; /* Y[M, N] = X[M, K] * W[N, K] */

/* The text is per thread and says what to do; a real host would return it to its caller. */
#define TRY(call)                                                                                    \
  do {                                                                                               \
    const quern_status status_ = (call);                                                             \
    if (status_ != QUERN_OK) {                                                                       \
      fprintf(stderr, "host: %s: %s: %s\n", #call, quern_status_name(status_), quern_last_error());  \
      return 1;                                                                                      \
    }                                                                                                \
  } while (0)

static uint16_t bf16(float value) { /* exact for the small integers used here */
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)(bits >> 16);
}

static float from_bf16(uint16_t value) {
  const uint32_t bits = (uint32_t)value << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

/* What element (row, j) of the weight is, from the definition of the format. */
static float decode(uint8_t blocks[N][K / 2], uint8_t scales[N][K / 32], int row, int j) {
  static const float e2m1[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  const int nibble = j % 2 == 0 ? blocks[row][j / 2] & 15 : blocks[row][j / 2] >> 4;
  const float value = (float)ldexp(e2m1[nibble & 7], scales[row][j / 32] - 127);
  return (nibble & 8) != 0 ? -value : value;
}

int main(int argc, char **argv) {
  static uint8_t blocks[N][K / 2], scales[N][K / 32];
  static uint16_t x[M][K], y[M][N];
  static float w[N][K];
  int row, j, i;

  for (row = 0; row < N; ++row) {
    for (j = 0; j < K / 2; ++j) blocks[row][j] = (uint8_t)(row * 31 + j * 7 + row * j);
    for (j = 0; j < K / 32; ++j) scales[row][j] = (uint8_t)(124 + (row + j) % 4); /* 2^-3 to 2^0 */
  }
  for (i = 0; i < M; ++i) {
    for (j = 0; j < K; ++j) x[i][j] = bf16((float)((i * 5 + j * 3) % 9 - 4));
  }

  /* The hub knows the kernels and the cache; "auto" is the first GPU, else the CPU. */
  quern_hub *hub = NULL;
  quern_device *device = NULL;
  quern_device_info info = QUERN_DEVICE_INFO_INIT;
  TRY(quern_hub_open(NULL, &hub));
  TRY(quern_device_open(hub, argc > 1 ? argv[1] : "auto", &device));
  TRY(quern_device_get_info(device, &info));
  printf("host: Quern %s on %s (%s)\n", quern_version(), info.name, info.model);

  /* This host brings no CUDA of its own, so the device gives the memory. */
  void *d_blocks = NULL, *d_scales = NULL, *d_x = NULL, *d_y = NULL, *d_w = NULL;
  TRY(quern_device_allocate(device, sizeof blocks, &d_blocks));
  TRY(quern_device_allocate(device, sizeof scales, &d_scales));
  TRY(quern_device_allocate(device, sizeof x, &d_x));
  TRY(quern_device_allocate(device, sizeof y, &d_y));
  TRY(quern_device_allocate(device, sizeof w, &d_w));
  TRY(quern_device_copy(device, d_blocks, blocks, sizeof blocks, NULL));
  TRY(quern_device_copy(device, d_scales, scales, sizeof scales, NULL));
  TRY(quern_device_copy(device, d_x, x, sizeof x, NULL));

  /* A plan is made once, and may compile; its runs only launch. */
  quern_dequantize_desc dequantize = QUERN_DEQUANTIZE_DESC_INIT;
  dequantize.dst_dtype = QUERN_DTYPE_F32;
  dequantize.k = K;
  dequantize.rows_max = N;
  quern_plan *dequantize_plan = NULL;
  TRY(quern_dequantize_plan(device, &dequantize, &dequantize_plan));

  quern_gemm_desc gemm = QUERN_GEMM_DESC_INIT;
  gemm.x_dtype = gemm.y_dtype = QUERN_DTYPE_BF16;
  gemm.m_max = M;
  gemm.n = N;
  gemm.k = K;
  quern_plan *gemm_plan = NULL;
  TRY(quern_gemm_plan(device, &gemm, &gemm_plan));

  /* One workspace serves both, since they run one after the other. */
  size_t dequantize_bytes = 0, gemm_bytes = 0;
  TRY(quern_plan_workspace_size(dequantize_plan, N, &dequantize_bytes));
  TRY(quern_plan_workspace_size(gemm_plan, M, &gemm_bytes));
  const size_t workspace_bytes = dequantize_bytes > gemm_bytes ? dequantize_bytes : gemm_bytes;
  void *workspace = NULL;
  TRY(quern_device_allocate(device, workspace_bytes, &workspace));

  quern_dequantize_args dequantize_args = QUERN_DEQUANTIZE_ARGS_INIT;
  dequantize_args.rows = N;
  dequantize_args.blocks = d_blocks;
  dequantize_args.scales = d_scales;
  dequantize_args.dst = d_w;
  dequantize_args.workspace = workspace;
  dequantize_args.workspace_bytes = workspace_bytes;
  TRY(quern_dequantize_run(dequantize_plan, &dequantize_args, NULL));

  quern_gemm_args gemm_args = QUERN_GEMM_ARGS_INIT;
  gemm_args.m = M;
  gemm_args.x = d_x;
  gemm_args.blocks = d_blocks;
  gemm_args.scales = d_scales;
  gemm_args.y = d_y;
  gemm_args.workspace = workspace;
  gemm_args.workspace_bytes = workspace_bytes;
  TRY(quern_gemm_run(gemm_plan, &gemm_args, NULL));

  TRY(quern_device_copy(device, w, d_w, sizeof w, NULL)); /* returns when the stream's work is done */
  TRY(quern_device_copy(device, y, d_y, sizeof y, NULL));

  int wrong = 0;
  for (row = 0; row < N; ++row) {
    for (j = 0; j < K; ++j) wrong += w[row][j] != decode(blocks, scales, row, j); /* exact in f32 */
  }
  for (i = 0; i < M; ++i) {
    for (row = 0; row < N; ++row) {
      double sum = 0.0, size = 0.0;
      for (j = 0; j < K; ++j) {
        const double product = (double)from_bf16(x[i][j]) * decode(blocks, scales, row, j);
        sum += product;
        size += fabs(product);
      }
      /* One unit in the last place of bf16, and what sums in f32 may lose: see quern_gemm_plan(). */
      wrong += !(fabs(from_bf16(y[i][row]) - sum) <= fabs(sum) / 128 + 1e-5 * size);
    }
  }
  printf("host: dequantized %d values, multiplied into %d: %d wrong\n", N * K, M * N, wrong);

  quern_plan_close(gemm_plan);
  quern_plan_close(dequantize_plan);
  quern_device_release(device, workspace);
  quern_device_release(device, d_w);
  quern_device_release(device, d_y);
  quern_device_release(device, d_x);
  quern_device_release(device, d_scales);
  quern_device_release(device, d_blocks);
  quern_device_close(device);
  quern_hub_close(hub);
  return wrong == 0 ? 0 : 1;
}
