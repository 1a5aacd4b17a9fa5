/* Quern: kernels for microscaling FP4, found, compiled and launched at run time.
 *
 * This header is the whole C ABI and its reference. It is C99, includes only <stddef.h> and <stdint.h>, and compiles
 * as C++11.
 *
 * CONVENTIONS
 *
 *  1. Status. Every function that can fail returns quern_status. QUERN_OK is 0. On failure the outputs are untouched
 *     and quern_last_error() holds one line: the fact, then the fix.
 *  2. Handles (quern_hub, quern_device, quern_plan) are opaque. Each holds what it needs of its parents alive, so
 *     handles may be closed in any order. Closing NULL does nothing.
 *  3. Structs. The first member of every struct is struct_size; set it with the INIT macro. The library reads and
 *     writes no more than struct_size bytes. Members are only ever appended, and zero means the default. A struct
 *     larger than the library knows is accepted when the unknown tail is zero, else QUERN_INVALID_ARGUMENT.
 *  4. Threads. A hub, a device and a plan may be used from any number of threads at once. Arguments belong to the
 *     caller. The last error is per thread. After fork(), a child may use a handle only if no CUDA call was made
 *     before.
 *  5. Memory. Tensors belong to the caller, who keeps them alive until the work on the stream is done. Pointers are
 *     those of the device the plan was made for: device memory on CUDA, host memory on the CPU. The library allocates
 *     nothing in a run. Strings passed in are copied; strings handed out live as long as the handle or, in a callback,
 *     the call.
 *  6. Streams. quern_stream is CUstream and cudaStream_t. NULL is the legacy default stream. The CPU device ignores
 *     the stream and has finished when a run returns. The CUDA context is the caller's current one if it is on the
 *     plan's device, else the device's primary context.
 *  7. Capture. quern_*_run may be called while the stream is being captured into a CUDA graph; it only launches. Every
 *     other function may read the disk, compile or synchronise: call it before capture begins.
 *  8. Units. Sizes are bytes where the name says bytes, else elements. Times are seconds since 1970 UTC or
 *     milliseconds, as named.
 *  9. The library prints nothing, aborts never, installs no handler, and touches the network only when its options
 *     allow it. It reads the environment once, when a hub opens; options beat the environment.
 * 10. Callbacks may come from any thread, never two at once for one call, and must not call back into the library.
 *
 * FORMATS
 *
 *  MXFP4 (OCP MX v1.0 §5): blocks of 32 elements along K, each an E2M1 nibble, with one E8M0 scale byte per block:
 *  value = E2M1[nibble] * 2^(scale - 127). The low nibble of a byte is the even element. Two conventions exist for the
 *  shapes and both hold the same bytes:
 *      gpt-oss   blocks uint8 [..., R, G, 16]   scales uint8 [..., R, G]        K = 32 * G
 *      fused     blocks uint8 [..., R, K/2]     scales uint8 [..., R, K/32]
 *  quern_weights_infer() tells them apart. Scale bytes 0 and 255 are read under a quern_decode_policy.
 *
 *  E4M3_ROW: activations [rows, k] as OCP E4M3 (OFP8 1.0: S.EEEE.MMM, bias 7, largest 448, no infinity, S.1111.111 is
 *  NaN), one byte an element, and one f32 scale for each row: value = E4M3[byte] * scale[row]. Made by
 *  quern_quantize_run(), or by whoever else writes such rows; read by quern_gemm_run() with x_dtype E4M3.
 */
#ifndef QUERN_QUERN_H
#define QUERN_QUERN_H

#include <stddef.h>
#include <stdint.h>

#define QUERN_VERSION_MAJOR 0
#define QUERN_VERSION_MINOR 1
#define QUERN_VERSION_PATCH 0

#if defined(QUERN_STATIC)
#define QUERN_API
#elif defined(__GNUC__)
#define QUERN_API __attribute__((visibility("default")))
#else
#define QUERN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ------------------------------------------------------------------------------------------------------ */

/* ABI: decades by theme; never renumbered, never reused. */
typedef enum quern_status {
  QUERN_OK = 0,
  QUERN_INVALID_ARGUMENT = 10,  /* a null, misaligned or out-of-range argument; the text names it */
  QUERN_UNSUPPORTED = 11,       /* no kernel accepts the problem on this device; the text says why */
  QUERN_BUFFER_TOO_SMALL = 12,  /* the workspace is smaller than quern_plan_workspace_size() says */
  QUERN_CUDA_UNAVAILABLE = 20,  /* no driver, no GPU, or a device without hardware behind it */
  QUERN_NVRTC_UNAVAILABLE = 21, /* a compile is needed and NVRTC is not found */
  QUERN_CUDA_ERROR = 22,        /* the driver refused a call */
  QUERN_OUT_OF_MEMORY = 23,     /* host or device memory */
  QUERN_JIT_FORBIDDEN = 24,     /* a compile is needed and the options forbid it */
  QUERN_COMPILE_FAILED = 30,    /* quern_last_error_log() has the compiler's log */
  QUERN_BAD_MANIFEST = 31,      /* a kernel package is malformed */
  QUERN_NOT_FOUND = 32,         /* no such kernel, directory or preset */
  QUERN_LIMIT_EXCEEDED = 33,    /* compiling a package ran out of its time or memory */
  QUERN_IO_ERROR = 40,          /* the file system refused */
  QUERN_CORRUPT = 41,           /* bytes on disk or from a registry do not match their hash */
  QUERN_NETWORK_ERROR = 42,     /* no registry or mirror gave the bytes */
  QUERN_OFFLINE = 43,           /* the network is needed and the options forbid it */
  QUERN_UNTRUSTED = 44,         /* a package without a signature that the trust file accepts, or a revoked one */
  QUERN_CANCELLED = 45,         /* a callback asked to stop */
  QUERN_OUTDATED = 46,          /* a registry's metadata has expired or is older than what was seen before */
  QUERN_LOCK_MISMATCH = 47,     /* a package is not the one that the lock file names */
  QUERN_INTERNAL = 90,          /* a defect in Quern: please report it */
  QUERN_STATUS_MAX_ENUM = 0x7fffffff
} quern_status;

/* The enumerator's name, "QUERN_OK" for example; "QUERN_UNKNOWN" for other numbers. Static storage. Since 0.1. */
QUERN_API const char *quern_status_name(quern_status status);

/* One line about the last call on this thread that failed; "" if none has. Valid until the next failing call on this
 * thread. Never NULL. Since 0.1. */
QUERN_API const char *quern_last_error(void);

/* The compiler's whole log behind a QUERN_COMPILE_FAILED; else "". Lifetime as quern_last_error(). Since 0.1. */
QUERN_API const char *quern_last_error_log(void);

/* "0.1.0" and, where known, the source revision. Static storage. Since 0.1. */
QUERN_API const char *quern_version(void);

/* ---- Hub --------------------------------------------------------------------------------------------------------- */

typedef struct quern_hub quern_hub;       /* the kernels known, the cache, the compiler; one per process is usual */
typedef struct quern_device quern_device; /* where plans run */
typedef struct quern_plan quern_plan;     /* an operation made ready to run; immutable */
typedef struct CUstream_st *quern_stream; /* CUstream, cudaStream_t; see convention 6 */

typedef enum quern_log_level {
  QUERN_LOG_ERROR = 1,
  QUERN_LOG_WARN = 2,
  QUERN_LOG_INFO = 3,
  QUERN_LOG_DEBUG = 4,
  QUERN_LOG_MAX_ENUM = 0x7fffffff
} quern_log_level;

/* component: "dispatch", "cache", "compile", "load", "device". text: one line without its newline. */
typedef void (*quern_log_callback)(void *user, quern_log_level level, const char *component, const char *text);

typedef enum quern_jit {
  QUERN_JIT_DEFAULT = 0, /* QUERN_JIT=allow|forbid, else allow */
  QUERN_JIT_ALLOW = 1,
  QUERN_JIT_FORBID = 2, /* use what the cache holds; a miss is QUERN_JIT_FORBIDDEN */
  QUERN_JIT_MAX_ENUM = 0x7fffffff
} quern_jit;

typedef enum quern_cache_mode {
  QUERN_CACHE_DEFAULT = 0, /* QUERN_CACHE_MODE=rw|ro|off, else rw */
  QUERN_CACHE_READ_WRITE = 1,
  QUERN_CACHE_READ_ONLY = 2,
  QUERN_CACHE_OFF = 3,
  QUERN_CACHE_MAX_ENUM = 0x7fffffff
} quern_cache_mode;

typedef struct quern_hub_options {
  size_t struct_size;
  const char *cache_dir;   /* NULL: QUERN_CACHE_DIR, else $XDG_CACHE_HOME/quern, else ~/.cache/quern, else none */
  const char *kernel_path; /* directories of packages, ':' between; NULL: QUERN_KERNEL_PATH */
  const char *nvrtc_path;  /* the libnvrtc file; NULL: QUERN_NVRTC_PATH, else the usual places */
  quern_jit jit;
  quern_cache_mode cache_mode;
  int32_t offline;           /* 1: never touch the network; 0: QUERN_OFFLINE, else "offline" of the configuration */
  quern_log_level log_level; /* 0: QUERN_LOG, else off */
  quern_log_callback log;    /* NULL: standard error, only when QUERN_LOG asks for it */
  void *log_user;
  const char *cache_ro;    /* read-only caches below cache_dir, ':' between; NULL: QUERN_CACHE_RO */
  int64_t cache_max_bytes; /* of compiled kernels; 0: QUERN_CACHE_MAX_SIZE, else the configuration's, else 2 GiB; -1: no
                              limit */
  int64_t cache_max_age_s; /* since a kernel's last use; 0: QUERN_CACHE_MAX_AGE, else the configuration's, else none;
                              -1: no limit */
  const char *config_file; /* which registries there are; NULL: QUERN_CONFIG, else the usual places */
  const char *trust_file;  /* whose packages may run; NULL: QUERN_TRUST, else trust.json beside the configuration */
  const char *lock_file;   /* which packages this host runs; NULL: QUERN_LOCK, else none */
  const char *seal;        /* public keys in hex, ':' between: load only what one of them sealed; NULL: QUERN_SEAL */
} quern_hub_options;
#define QUERN_HUB_OPTIONS_INIT                                                                                        \
  {                                                                                                                   \
    sizeof(quern_hub_options), NULL, NULL, NULL, QUERN_JIT_DEFAULT, QUERN_CACHE_DEFAULT, 0, (quern_log_level)0, NULL, \
        NULL, NULL, 0, 0, NULL, NULL, NULL, NULL                                                                      \
  }

/* Open a hub. options may be NULL. Packages in kernel_path that are broken do not fail the call: they are listed by
 * quern_kernels_visit() with their reason. A cache directory that cannot be written is used read-only, one that cannot
 * be read not at all; both are logged and told by quern_hub_get_info(). Caches of cache_ro are searched after cache_dir
 * and never written. After a kernel is kept, now and then, the least recently used are removed until cache_max_bytes
 * and cache_max_age_s hold; nothing that a root keeps or that was just written.
 *
 * No registry is asked. The packages that lock_file names are taken from the caches, judged by trust_file, and known to
 * the hub; one that is not there, or may not run, is listed by quern_kernels_visit() with its reason, as a broken one
 * is: quern_resolve() fetches it.
 *
 * With seal, nothing but sealed bundles (quern_prefetch) is used: cache_dir and cache_ro as far as they have a valid
 * seal, read-only, without compiling, without the network, and no package of kernel_path.
 *
 * Returns QUERN_OK, QUERN_INVALID_ARGUMENT (an option, a variable or a file is malformed), QUERN_NOT_FOUND (a file that
 * is named does not exist), QUERN_UNTRUSTED (a file that others may write), QUERN_IO_ERROR (one that cannot be read),
 * QUERN_OUT_OF_MEMORY. Since 0.1. */
QUERN_API quern_status quern_hub_open(const quern_hub_options *options, quern_hub **hub);
/* Close a hub; devices and plans made from it live on. NULL does nothing. Not during another call on it. Since 0.1. */
QUERN_API void quern_hub_close(quern_hub *hub);

typedef struct quern_hub_info {
  size_t struct_size;
  const char *version;
  const char *cache_dir;      /* "" when there is none */
  const char *cache_state;    /* "read-write", "read-only: REASON", "off: REASON" */
  const char *kernel_path;    /* "" when there is none */
  const char *nvrtc_path;     /* "" when not found */
  const char *nvrtc_version;  /* "13.0.88" style; "" when not found */
  const char *nvrtc_missing;  /* "" when found, else why not and every place tried */
  const char *driver_version; /* "13.0" style; "" without a driver */
  const char *driver_missing; /* "" when found, else why not */
  int32_t cuda_device_count;
  int32_t jit_allowed;
  int32_t packages; /* accepted kernel packages */
  int32_t packages_refused;
  const char *config_file; /* "" when there is none */
  const char *trust_file;  /* where it is looked for; it need not exist */
  const char *lock_file;   /* "" when there is none */
  int32_t registries;      /* configured */
  int32_t offline;
  int32_t sealed;
  int32_t reserved;
} quern_hub_info;
#define QUERN_HUB_INFO_INIT                                                                                           \
  {                                                                                                                   \
    sizeof(quern_hub_info), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, \
        0, 0                                                                                                          \
  }

/* Facts about the hub and this machine. Opens the driver and NVRTC. Strings live as long as the hub.
 * Returns QUERN_OK, QUERN_INVALID_ARGUMENT. Since 0.1. */
QUERN_API quern_status quern_hub_get_info(quern_hub *hub, quern_hub_info *info);

typedef struct quern_hub_stats {
  size_t struct_size;
  int64_t memory_hits; /* kernels found loaded in this process */
  int64_t disk_hits;   /* entries read from the cache and verified */
  int64_t compiles;    /* NVRTC runs that succeeded */
  int64_t compile_ms;
  int64_t corrupt; /* entries found damaged, and counted as misses */
  int64_t writes;  /* entries published to the cache */
  int64_t evicted; /* entries removed to hold the cache's limits */
} quern_hub_stats;
#define QUERN_HUB_STATS_INIT \
  { sizeof(quern_hub_stats), 0, 0, 0, 0, 0, 0, 0 }

/* Counters of this hub since it opened. Returns QUERN_OK, QUERN_INVALID_ARGUMENT. Since 0.1. */
QUERN_API quern_status quern_hub_get_stats(const quern_hub *hub, quern_hub_stats *stats);

/* ---- Devices ----------------------------------------------------------------------------------------------------- */

typedef enum quern_device_kind {
  QUERN_DEVICE_CPU = 1,
  QUERN_DEVICE_CUDA = 2,
  QUERN_DEVICE_TARGET = 3, /* an architecture without hardware: plans compile and are kept, runs fail */
  QUERN_DEVICE_KIND_MAX_ENUM = 0x7fffffff
} quern_device_kind;

/* Open a device by name: "cpu"; "cuda:N" or "cuda" (N = 0); "sm_90a" and the like for a target without hardware; NULL
 * or "auto" for the first CUDA device if there is one, else the CPU. Returns QUERN_OK, QUERN_INVALID_ARGUMENT (unknown
 * name), QUERN_CUDA_UNAVAILABLE, QUERN_CUDA_ERROR, QUERN_OUT_OF_MEMORY. Since 0.1. */
QUERN_API quern_status quern_device_open(quern_hub *hub, const char *name, quern_device **device);
/* Close a device; plans made for it live on, memory allocated from it is to be released before. NULL does nothing.
 * Since 0.1. */
QUERN_API void quern_device_close(quern_device *device);

typedef struct quern_device_info {
  size_t struct_size;
  quern_device_kind kind;
  const char *name;  /* "cpu", "cuda:0", "sm_90a" */
  const char *model; /* "NVIDIA H200"; the vector instruction set on the CPU */
  const char *arch;  /* what kernels are compiled for, "sm_90a"; "" on the CPU */
  int32_t capability_major, capability_minor;
  int32_t sm_count; /* threads on the CPU */
  int64_t memory_bytes;
  int64_t shared_memory_bytes; /* per block, opt-in maximum */
  int64_t l2_bytes;
} quern_device_info;
#define QUERN_DEVICE_INFO_INIT \
  { sizeof(quern_device_info), (quern_device_kind)0, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0 }

/* Facts about a device. Strings live as long as the device. Returns QUERN_OK, QUERN_INVALID_ARGUMENT. Since 0.1. */
QUERN_API quern_status quern_device_get_info(const quern_device *device, quern_device_info *info);

/* Memory of the device, for hosts that bring no CUDA of their own: 256-byte aligned, uninitialised, to be given back
 * with quern_device_release(). bytes = 0 gives NULL. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_OUT_OF_MEMORY,
 * QUERN_CUDA_UNAVAILABLE, QUERN_CUDA_ERROR. Since 0.1. */
QUERN_API quern_status quern_device_allocate(quern_device *device, size_t bytes, void **memory);
/* NULL does nothing. Waits for work that uses the memory. Since 0.1. */
QUERN_API quern_status quern_device_release(quern_device *device, void *memory);
/* Copy between host and device memory in either direction, ordered on the stream. The call returns when the copy is
 * done, so host memory may be reused. Not for capture. Returns QUERN_OK, QUERN_INVALID_ARGUMENT,
 * QUERN_CUDA_UNAVAILABLE, QUERN_CUDA_ERROR. Since 0.1. */
QUERN_API quern_status quern_device_copy(quern_device *device, void *dst, const void *src, size_t bytes,
                                         quern_stream stream);
/* Wait until all work on the stream is done. Returns as quern_device_copy(). Since 0.1. */
QUERN_API quern_status quern_device_synchronize(quern_device *device, quern_stream stream);

/* ---- Types and weights ------------------------------------------------------------------------------------------- */

/* ABI: never renumbered. */
typedef enum quern_dtype {
  QUERN_DTYPE_F32 = 1,
  QUERN_DTYPE_F16 = 2,
  QUERN_DTYPE_BF16 = 3,
  QUERN_DTYPE_E4M3 = 4, /* OCP E4M3, one byte; for X of a GEMM alone, with a scale for each row */
  QUERN_DTYPE_MAX_ENUM = 0x7fffffff
} quern_dtype;

/* ABI: never renumbered. */
typedef enum quern_format {
  QUERN_FORMAT_MXFP4 = 1,    /* of weights */
  QUERN_FORMAT_E4M3_ROW = 2, /* of activations; see FORMATS */
  QUERN_FORMAT_MAX_ENUM = 0x7fffffff
} quern_format;

typedef enum quern_convention {
  QUERN_CONVENTION_GPT_OSS = 1,
  QUERN_CONVENTION_FUSED = 2,
  QUERN_CONVENTION_MAX_ENUM = 0x7fffffff
} quern_convention;

typedef struct quern_weights_shape {
  size_t struct_size;
  quern_convention convention;
  int64_t rows; /* product of the leading dimensions */
  int64_t k;
} quern_weights_shape;
#define QUERN_WEIGHTS_SHAPE_INIT \
  { sizeof(quern_weights_shape), (quern_convention)0, 0, 0 }

/* How the bytes of W lie in memory. ABI: never renumbered. */
typedef enum quern_layout {
  QUERN_LAYOUT_CANONICAL = 0,  /* blocks and scales as checkpoints have them */
  QUERN_LAYOUT_MMA16_BF16 = 1, /* packed, for kernels that multiply by bf16 X */
  QUERN_LAYOUT_MMA16_F16 = 2,  /* packed, for kernels that multiply by f16 X */
  QUERN_LAYOUT_MMA16_E5M2 = 3, /* packed, for kernels that multiply by E4M3 X on FP8 tensor cores ("W4A8") */
  QUERN_LAYOUT_MAX_ENUM = 0x7fffffff
} quern_layout;

/* Recognise the convention of a pair of MXFP4 tensors from their shapes and derive rows and K. Returns QUERN_OK,
 * QUERN_INVALID_ARGUMENT (shapes that fit neither convention; the text says what was expected). Since 0.1. */
QUERN_API quern_status quern_weights_infer(const int64_t *blocks_shape, int32_t blocks_rank,
                                           const int64_t *scales_shape, int32_t scales_rank,
                                           quern_weights_shape *shape);

/* How the scale bytes 0 and 255 and a few corners are read. All other bytes are read alike by everyone. Zero is the OCP
 * standard. */
typedef enum quern_scale_zero {
  QUERN_SCALE_ZERO_EXACT = 0, /* byte 0 is 2^-127 */
  QUERN_SCALE_ZERO_FLUSH = 1, /* byte 0 is 0 */
  QUERN_SCALE_ZERO_MAX_ENUM = 0x7fffffff
} quern_scale_zero;
typedef enum quern_scale_nan {
  QUERN_SCALE_NAN_PROPAGATE = 0, /* byte 255 makes the whole block NaN */
  QUERN_SCALE_NAN_LDEXP = 1,     /* byte 255 is 2^128: 0 stays 0, 0.5 becomes 2^127, the rest overflows to infinity */
  QUERN_SCALE_NAN_INF = 2,       /* byte 255 is infinity, and 0 times it is NaN */
  QUERN_SCALE_NAN_MAX_ENUM = 0x7fffffff
} quern_scale_nan;

typedef struct quern_decode_policy {
  size_t struct_size;
  quern_scale_zero scale_zero;
  quern_scale_nan scale_nan;
  int32_t scale_in_dst;   /* 1: round the scale to the output type before the multiply (matters for f16 only) */
  int32_t canonical_zero; /* 1: nibble 8 is +0 */
} quern_decode_policy;
#define QUERN_DECODE_POLICY_INIT \
  { sizeof(quern_decode_policy), QUERN_SCALE_ZERO_EXACT, QUERN_SCALE_NAN_PROPAGATE, 0, 0 }

/* The policy that reproduces a system's bytes: "ocp", "transformers", "triton", "triton_torch", "modelopt",
 * "modelopt_packed", "torchao", "compressed_tensors", "deepgemm". Returns QUERN_OK, QUERN_INVALID_ARGUMENT,
 * QUERN_NOT_FOUND (the text lists the names). Since 0.1. */
QUERN_API quern_status quern_decode_policy_preset(const char *name, quern_decode_policy *policy);

/* ---- Dequantize -------------------------------------------------------------------------------------------------- */

typedef struct quern_dequantize_desc {
  size_t struct_size;
  quern_format format; /* 0: MXFP4 */
  quern_dtype dst_dtype;
  int64_t k;                         /* elements in a row; a multiple of 32 */
  int64_t rows_max;                  /* a run may have 1 to rows_max rows */
  int64_t blocks_stride;             /* bytes from row to row; 0: k / 2. CUDA: a multiple of 16 */
  int64_t scales_stride;             /* bytes from row to row; 0: k / 32 */
  int64_t dst_stride;                /* elements from row to row; 0: k. CUDA: a multiple of 16 bytes */
  const quern_decode_policy *policy; /* NULL: OCP */
  const char *kernel; /* NULL, or "package" or "package:variant": use that one or fail. Beats QUERN_KERNEL_FORCE.
                       A variant named so serves only the sizes it accepts. */
  const char *target; /* NULL, or "compute_80" and the like: PTX that the driver finishes (CUDA only) */
} quern_dequantize_desc;
#define QUERN_DEQUANTIZE_DESC_INIT \
  { sizeof(quern_dequantize_desc), QUERN_FORMAT_MXFP4, (quern_dtype)0, 0, 0, 0, 0, 0, NULL, NULL, NULL }

typedef struct quern_dequantize_args {
  size_t struct_size;
  int64_t rows;       /* 1 to rows_max */
  const void *blocks; /* uint8; CUDA: 16-byte aligned */
  const void *scales; /* uint8 */
  void *dst;          /* aligned to its type; CUDA: 16-byte aligned. Must not overlap the inputs */
  void *workspace;    /* quern_plan_workspace_size() bytes, 256-byte aligned; may be NULL when that is 0 */
  size_t workspace_bytes;
} quern_dequantize_args;
#define QUERN_DEQUANTIZE_ARGS_INIT \
  { sizeof(quern_dequantize_args), 0, NULL, NULL, NULL, NULL, 0 }

/* Make dst[r, j] = E2M1[nibble] * 2^(scale - 127) ready to run, rounded once to dst_dtype (to nearest even; too large
 * becomes infinity). Exact in f32 and bf16 wherever the value is finite there. May read the cache, compile, load,
 * synchronise. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_UNSUPPORTED, QUERN_NOT_FOUND (kernel),
 * QUERN_NVRTC_UNAVAILABLE, QUERN_JIT_FORBIDDEN, QUERN_COMPILE_FAILED, QUERN_CUDA_ERROR, QUERN_OUT_OF_MEMORY. Since 0.1.
 */
QUERN_API quern_status quern_dequantize_plan(quern_device *device, const quern_dequantize_desc *desc,
                                             quern_plan **plan);

/* Run it. Capture-safe; no lock, no allocation. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_BUFFER_TOO_SMALL,
 * QUERN_CUDA_UNAVAILABLE (a target without hardware), QUERN_CUDA_ERROR. Since 0.1. */
QUERN_API quern_status quern_dequantize_run(const quern_plan *plan, const quern_dequantize_args *args,
                                            quern_stream stream);

/* ---- Quantize ---------------------------------------------------------------------------------------------------- */

/* Activations to E4M3_ROW, so that a GEMM multiplies them on FP8 tensor cores. A GEMM plan does this by itself where X
 * is bf16 or f16 and W has the layout MMA16_E5M2; as an operation of its own it serves several products of one X, and
 * X that is kept. */
typedef struct quern_quantize_desc {
  size_t struct_size;
  quern_format format;   /* of dst; 0: E4M3_ROW */
  quern_dtype src_dtype; /* bf16, f16 or f32 */
  int64_t rows_max;      /* a run may have 1 to rows_max rows */
  int64_t k;             /* elements in a row; a multiple of 32 */
  int64_t src_stride;    /* elements from row to row; 0: k. CUDA: a multiple of 16 bytes */
  int64_t dst_stride;    /* bytes from row to row; 0: k. CUDA: a multiple of 16 */
  const char *kernel;    /* as in quern_dequantize_desc */
  const char *target;
  int32_t overlap; /* 1: a run may begin while the kernel before it on the stream is ending. It reads and writes nothing
                      before that kernel's writes are visible, so this is always safe (CUDA only) */
} quern_quantize_desc;
#define QUERN_QUANTIZE_DESC_INIT \
  { sizeof(quern_quantize_desc), QUERN_FORMAT_E4M3_ROW, (quern_dtype)0, 0, 0, 0, 0, NULL, NULL, 0 }

typedef struct quern_quantize_args {
  size_t struct_size;
  int64_t rows;    /* 1 to rows_max */
  const void *src; /* [rows, k] of src_dtype; aligned to its type; CUDA: 16-byte aligned */
  void *dst;       /* [rows, k] of E4M3; CUDA: 16-byte aligned. Must not overlap src */
  float *scales;   /* [rows], written; 4-byte aligned */
  void *workspace; /* as in quern_dequantize_args */
  size_t workspace_bytes;
} quern_quantize_args;
#define QUERN_QUANTIZE_ARGS_INIT \
  { sizeof(quern_quantize_args), 0, NULL, NULL, NULL, NULL, 0 }

/* Make this ready to run, for each row r:
 *      scales[r] = max(largest |src[r, j]| over j / 448, 2^-126)    in f32, NaN left out
 *      dst[r, j] = src[r, j] / scales[r]                            divided in f32, then rounded to the nearest E4M3
 *                                                                   (ties to even), at most 448
 *
 * Both divisions round as IEEE 754 says, and nothing is flushed to zero, so every device gives the same bytes. NaN
 * stays NaN, its sign excepted. Infinity makes its row's scale infinite and itself NaN, so that every product of the
 * row is NaN. A row of zeros has the scale 2^-126. A row depends on itself alone.
 *
 * Beside others: vLLM's dynamic_per_token_scaled_fp8_quant without a scale_ub does the same arithmetic, but its scale
 * is at least 1/229376, which tells in rows whose largest magnitude is below 1/512; and NaN and infinity become 448
 * there. torchao's rows (float8, AXISWISE) multiply by a factor 448 / max(largest, 1e-12), taken in f64 and rounded to
 * f32, and saturate: an element may come out as the neighbouring E4M3, and the scale is that factor's reciprocal.
 *
 * May read the cache, compile, load, synchronise: not for capture. Returns QUERN_OK, QUERN_INVALID_ARGUMENT,
 * QUERN_UNSUPPORTED, QUERN_NOT_FOUND (kernel), QUERN_NVRTC_UNAVAILABLE, QUERN_JIT_FORBIDDEN, QUERN_COMPILE_FAILED,
 * QUERN_CUDA_ERROR, QUERN_OUT_OF_MEMORY. Since 0.1. */
QUERN_API quern_status quern_quantize_plan(quern_device *device, const quern_quantize_desc *desc, quern_plan **plan);

/* Run it. Capture-safe; no lock, no allocation. Returns as quern_dequantize_run(). Since 0.1. */
QUERN_API quern_status quern_quantize_run(const quern_plan *plan, const quern_quantize_args *args, quern_stream stream);

/* ---- Packed weights ---------------------------------------------------------------------------------------------- */

/* The fastest kernels read weights in a packed layout: the same bits in another order, made once when a model is
 * loaded, good for every M. A packed tensor is one block of memory that describes itself: a header of 256 bytes
 * (magic, version 1, layout, n, k, flags), 8 bytes for each row, then the blocks and scales of 16 rows by 64 elements
 * at a time. It holds no pointers, so it can be copied, saved and loaded as plain bytes, on any device and machine of
 * little-endian order. A later version of a layout gets another number in the header; this library refuses what it
 * does not know. */
typedef struct quern_weights_desc {
  size_t struct_size;
  quern_format format; /* 0: MXFP4 */
  quern_layout layout; /* a packed one */
  int64_t n;
  int64_t k;                   /* a multiple of 32 */
  int64_t blocks_stride;       /* bytes from row to row of the canonical tensors; 0: k / 2 */
  int64_t scales_stride;       /* 0: k / 32 */
  quern_scale_zero scale_zero; /* FLUSH: elements of blocks with scale byte 0 are packed as zeros */
  quern_layout fallback; /* 0: none; else another packed layout, for a tensor of which `layout` cannot hold a row */
} quern_weights_desc;
#define QUERN_WEIGHTS_DESC_INIT                                                                                 \
  {                                                                                                             \
    sizeof(quern_weights_desc), QUERN_FORMAT_MXFP4, QUERN_LAYOUT_CANONICAL, 0, 0, 0, 0, QUERN_SCALE_ZERO_EXACT, \
        QUERN_LAYOUT_CANONICAL                                                                                  \
  }

/* Bytes of the packed tensor, the same for every packed layout: about k / 2 + k / 32 + 8 for each row, n padded to 16
 * and k to 64. Returns QUERN_OK, QUERN_INVALID_ARGUMENT. Since 0.1. */
QUERN_API quern_status quern_weights_packed_bytes(const quern_weights_desc *desc, size_t *bytes);

/* Pack canonical weights. blocks, scales and packed are memory of the device; packed has quern_weights_packed_bytes(),
 * is 256-byte aligned (CPU: 8) and must not overlap the others. Not in place: what is packed interleaves blocks and
 * scales. May compile and load a kernel; returns when the packed tensor is complete; not for capture.
 *
 * Every layout holds every scale byte, so that unpacking gives the same bytes back, but not every row can be multiplied
 * exactly in each: that is refused, or packed in the layout `fallback` where desc names one. A row is held if each of
 * its blocks with an element other than 0 and a scale byte other than 255 has a byte no more than so far below the
 * largest byte of the row, 255 left out:
 *      MMA16_E5M2   26
 *      MMA16_F16    24
 *      MMA16_BF16   133; any where no byte of the row is above 128
 * With a fallback the header says which layout it became (quern_weights_inspect() on a copy of the first 256 bytes),
 * and the host plans with that: MMA16_E5M2 falling back to MMA16_BF16 is a tensor whose product uses bf16 X instead of
 * E4M3 (W4A16), exactly.
 *
 * Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_UNSUPPORTED (no kernel packs on this device; or a row cannot be held,
 * and the text names the fix), QUERN_NVRTC_UNAVAILABLE, QUERN_JIT_FORBIDDEN, QUERN_COMPILE_FAILED,
 * QUERN_CUDA_UNAVAILABLE, QUERN_CUDA_ERROR, QUERN_OUT_OF_MEMORY. On failure the contents of packed are undefined.
 * Since 0.1. */
QUERN_API quern_status quern_weights_pack(quern_device *device, const quern_weights_desc *desc, const void *blocks,
                                          const void *scales, void *packed, quern_stream stream);

/* The exact inverse: the bytes that were packed (under FLUSH, zeros where it packed zeros). desc must agree with the
 * tensor's header, with its layout or its fallback. Returns as quern_weights_pack(), and QUERN_CORRUPT where packed is
 * no such tensor. Since 0.1. */
QUERN_API quern_status quern_weights_unpack(quern_device *device, const quern_weights_desc *desc, const void *packed,
                                            void *blocks, void *scales, quern_stream stream);

/* Read the header of a packed tensor in host memory, as after loading it from a file: fills the descriptor (strides 0,
 * no fallback) and, unless NULL, packed_bytes. `bytes` is how many are there, at least 256; that is all it reads.
 * Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_CORRUPT (not a packed tensor, or a damaged header), QUERN_UNSUPPORTED
 * (a version or layout that this library does not know). Since 0.1. */
QUERN_API quern_status quern_weights_inspect(const void *header, size_t bytes, quern_weights_desc *desc,
                                             size_t *packed_bytes);

/* ---- GEMM -------------------------------------------------------------------------------------------------------- */

/* Of the sum with alpha and bias, in f32. ABI: never renumbered. */
typedef enum quern_activation {
  QUERN_ACTIVATION_NONE = 0,
  QUERN_ACTIVATION_RELU = 1,
  QUERN_ACTIVATION_SILU = 2,      /* x / (1 + exp(-x)) */
  QUERN_ACTIVATION_GELU = 3,      /* x / 2 * (1 + erf(x / sqrt(2))) */
  QUERN_ACTIVATION_GELU_TANH = 4, /* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) */
  QUERN_ACTIVATION_MAX_ENUM = 0x7fffffff
} quern_activation;

/* How products of E4M3 X and E5M2 weights are summed. The FP8 tensor cores of Hopper keep a sum to 13 bits below the
 * largest term of each step and drop the rest, towards zero. ABI: never renumbered. */
typedef enum quern_accumulation {
  QUERN_ACCUMULATION_PROMOTED = 0, /* their sums are added up in f32 every few hundred K */
  QUERN_ACCUMULATION_FAST = 1,     /* they sum all of K: faster, and much less exact; see quern_gemm_plan() */
  QUERN_ACCUMULATION_MAX_ENUM = 0x7fffffff
} quern_accumulation;

typedef struct quern_gemm_desc {
  size_t struct_size;
  quern_format format;    /* of W; 0: MXFP4 */
  quern_dtype x_dtype;    /* bf16 or f16; with layout MMA16_E5M2 also E4M3 */
  quern_dtype y_dtype;    /* bf16, f16 or f32 */
  quern_dtype bias_dtype; /* 0: no bias; else bf16, f16 or f32 */
  int64_t m_max;          /* a run may have 1 to m_max rows of X */
  int64_t n;
  int64_t k;                   /* a multiple of 32 */
  int64_t x_stride;            /* elements from row to row; 0: k. CUDA: a multiple of 16 bytes */
  int64_t y_stride;            /* elements from row to row; 0: n */
  int64_t blocks_stride;       /* bytes from row to row; 0: k / 2. CUDA: a multiple of 16 */
  int64_t scales_stride;       /* bytes from row to row; 0: k / 32 */
  quern_scale_zero scale_zero; /* of canonical W; packed W has it inside */
  const char *kernel;          /* as in quern_dequantize_desc; that of the product, where X is quantized before */
  const char *target;
  quern_layout layout; /* of W. MMA16_BF16 and MMA16_F16 go with the x_dtype in their name; MMA16_E5M2 with E4M3, and
                          with bf16 and f16 that each run quantizes first */
  quern_activation activation;
  int32_t residual;        /* 1: a tensor is added after the activation */
  int64_t residual_stride; /* elements from row to row; 0: n */
  int32_t batch_invariant; /* 1: row i of Y does not depend on M nor on the other rows, to the bit: one kernel serves
                              every M, chosen for m_max. 0: faster */
  int32_t overlap;         /* 1: a run may begin while the kernel before it on the stream is ending, and reads W, bias
                              and what a packed W holds before that kernel's writes are visible: set it when these do
                              not come from the kernel before. X, its scales, residual and Y are always safe (CUDA
                              only) */
  quern_accumulation accumulation; /* FAST goes with layout MMA16_E5M2 only */
} quern_gemm_desc;
#define QUERN_GEMM_DESC_INIT                                                                                          \
  {                                                                                                                   \
    sizeof(quern_gemm_desc), QUERN_FORMAT_MXFP4, (quern_dtype)0, (quern_dtype)0, (quern_dtype)0, 0, 0, 0, 0, 0, 0, 0, \
        QUERN_SCALE_ZERO_EXACT, NULL, NULL, QUERN_LAYOUT_CANONICAL, QUERN_ACTIVATION_NONE, 0, 0, 0, 0,                \
        QUERN_ACCUMULATION_PROMOTED                                                                                   \
  }

typedef struct quern_gemm_args {
  size_t struct_size;
  int64_t m;          /* 1 to m_max */
  const void *x;      /* [m, k]; aligned to its type; CUDA: 16-byte aligned */
  const void *blocks; /* [n, k/2]; CUDA: 16-byte aligned. Packed: the tensor, 256-byte aligned (CPU: 8) */
  const void *scales; /* [n, k/32]; NULL with a packed layout */
  const void *bias;   /* [n]; NULL if and only if the plan has none; aligned to its type */
  void *y;            /* [m, n]; aligned to its type. Must not overlap the inputs, but may be the residual */
  void *workspace;    /* as in quern_dequantize_args */
  size_t workspace_bytes;
  const void *residual;  /* [m, n] of y_dtype; NULL if and only if the plan has none; aligned to its type */
  float alpha;           /* 0: 1 */
  const float *x_scales; /* [m], of the rows of X; 4-byte aligned. NULL unless x_dtype is E4M3 */
} quern_gemm_args;
#define QUERN_GEMM_ARGS_INIT \
  { sizeof(quern_gemm_args), 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0.0f, NULL }

/* Make Y[m, n] = activation(alpha * sum over k of X[m, k] * W[n, k] + bias[n]) + residual[m, n] ready to run for every
 * M from 1 to m_max. W is what quern_dequantize gives in f32: exact, scale byte 255 is NaN, magnitudes of 2^128 and
 * more are infinite (on CUDA those of a packed layout stay finite, and the sum overflows or does not). Products are
 * exact, sums are f32, the rest is f32, and the result is rounded once to y_dtype. Error, without an activation and
 * against the same in f64: |Y - ref| <= u(y) + 1e-5 * |alpha| * sum over k of |X * W|, where u(y) is one unit in the
 * last place of ref in y_dtype, wherever that sum is finite in f32; with an activation 1e-5 of its argument more. The
 * same bits from run to run. NaN and infinity in X and W propagate as in IEEE arithmetic.
 *
 * With layout MMA16_E5M2 ("W4A8", for Hopper's FP8 tensor cores) X is E4M3 with x_scales, as quern_quantize_run()
 * leaves them: those of the host where x_dtype is E4M3; where it is bf16 or f16, each run quantizes X itself, to the
 * same bits. Then a run is two kernels, and the plan's workspace holds what goes between them: m * k bytes and m
 * scales, each rounded up to 256 bytes. The second begins while the first ends; the first begins while the kernel
 * before ends only if overlap is set. The sum over k of E4M3 times W is multiplied by the row's scale, then by alpha,
 * and must be finite in f32 before.
 *
 * W4A8 is asked for by this layout alone, and costs accuracy twice. First, X is rounded to E4M3: by 2.6 % of an
 * element's size, root mean square, and what is not above 2^-10 of its row's scale becomes 0. Second, the sums, against
 * f64 on the quantized X, relative, in the Frobenius norm, before y is rounded:
 *      PROMOTED  at most 3e-4 for data around zero; where all terms have one sign 8e-4 was measured on H200, with sums
 *                over 256 of K promoted
 *      FAST      at most 2e-3 for data around zero and K up to 4096, 5e-3 up to 16384. Bits are dropped towards zero
 *                at every step, so where the terms have one sign the sum falls short: by 3.5 % at K = 2880 and 18 % at
 *                K = 14336, measured on H200
 * On the CPU both are sums in f32, with the error stated above.
 *
 * Returns as quern_dequantize_plan(). Since 0.1. */
QUERN_API quern_status quern_gemm_plan(quern_device *device, const quern_gemm_desc *desc, quern_plan **plan);

/* The layout of W in which this device is fastest at such a problem, for the x_dtype that desc has. bf16 and f16: a
 * packed layout of W4A16 where its kernels serve all that desc asks for, else canonical; never MMA16_E5M2, since W4A8
 * is the host's decision. E4M3: MMA16_E5M2 (on the CPU too), or QUERN_UNSUPPORTED where the device does not serve it.
 * desc.layout is not looked at. Compiles nothing. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_UNSUPPORTED. Since
 * 0.1. */
QUERN_API quern_status quern_gemm_best_layout(quern_device *device, const quern_gemm_desc *desc, quern_layout *layout);

/* Run it. Capture-safe; no lock, no allocation. Returns as quern_dequantize_run(). Since 0.1. */
QUERN_API quern_status quern_gemm_run(const quern_plan *plan, const quern_gemm_args *args, quern_stream stream);

typedef struct quern_tune_report {
  size_t struct_size;
  const char *kernel; /* "quern/mxfp4-gemm:decode_sm90a" */
  int64_t m;
  double microseconds; /* of a run, median; 0 if it failed */
  int32_t fastest;     /* 1: of those measured at this M so far */
  const char *failure; /* why it may not win: it does not compile, or its result is wrong; "" if it may */
  int32_t done, total; /* progress of the whole call */
  int32_t chosen;      /* 1: not one more measurement, but at the end, for each M, what plans will use */
} quern_tune_report;

typedef int (*quern_tune_visitor)(void *user, const quern_tune_report *report);

/* Measure every kernel that competes for packed weights of this shape, at M = 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96,
 * 128 and so on up to m_max, and keep in the cache which to use: few kernels altogether, so that a plan is soon made,
 * none more than 2 % slower than the fastest of its M. Those within 10 % of it are timed again, in turns, since a chip
 * under load slows down. A kernel wins only where its result agrees with that of another kernel on canonical weights. Plans for the same n, k, x_dtype, layout, accumulation and
 * batch_invariant on this model of device use the outcome from then on; bias, activation, residual and y_dtype make no
 * difference. Plans that exist stay as they are. With layout MMA16_E5M2 what is measured is the product with E4M3 X,
 * whatever x_dtype is, for desc's accumulation; quantizing X is not part of the time. Needs device memory for a few
 * copies of W, four times the L2 cache at least, and for X and Y; takes seconds. visit may be NULL. Returns QUERN_OK,
 * QUERN_INVALID_ARGUMENT, QUERN_UNSUPPORTED (nothing to choose from), QUERN_NOT_FOUND (no cache to keep it in),
 * QUERN_CANCELLED, and as quern_gemm_plan(). Since 0.1. */
QUERN_API quern_status quern_gemm_tune(quern_device *device, const quern_gemm_desc *desc, quern_tune_visitor visit,
                                       void *user);

/* ---- Plans ------------------------------------------------------------------------------------------------------- */

/* Workspace for a run with `size` rows (M of a GEMM, rows of a dequantization or a quantization). It never shrinks as
 * size grows, so the value for m_max serves every run. Returns QUERN_OK, QUERN_INVALID_ARGUMENT. Since 0.1. */
QUERN_API quern_status quern_plan_workspace_size(const quern_plan *plan, int64_t size, size_t *bytes);
/* Close a plan. Work it has launched goes on; captured graphs that use it need it open until they are destroyed. NULL
 * does nothing. Since 0.1. */
QUERN_API void quern_plan_close(quern_plan *plan);

/* One kernel variant that was considered, best first. */
typedef struct quern_candidate {
  size_t struct_size;
  const char *kernel; /* "quern/mxfp4-gemm:mma_sm80"; "cpu/..." on the CPU device */
  const char *origin; /* "built-in", or the package's directory */
  int32_t priority;
  int32_t chosen; /* 1: used for sizes first to last */
  int64_t first, last;
  const char *target; /* "sm_90a", "compute_80"; "" if refused */
  const char *reason; /* why it was refused; "" if chosen */
} quern_candidate;

/* Return 0 to go on, anything else to stop. */
typedef int (*quern_candidate_visitor)(void *user, const quern_candidate *candidate);

/* Every candidate of a plan: the chosen by range, then the refused with their reasons. Of a GEMM that quantizes X
 * first: those of the product, then those of the quantization. Returns QUERN_OK, QUERN_INVALID_ARGUMENT,
 * QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_plan_explain(const quern_plan *plan, quern_candidate_visitor visit, void *user);
/* The same without making a plan: nothing is compiled or loaded, and a problem that no kernel accepts is still
 * explained. Returns as quern_plan_explain(). Since 0.1. */
QUERN_API quern_status quern_dequantize_explain(quern_device *device, const quern_dequantize_desc *desc,
                                                quern_candidate_visitor visit, void *user);
QUERN_API quern_status quern_gemm_explain(quern_device *device, const quern_gemm_desc *desc,
                                          quern_candidate_visitor visit, void *user);
QUERN_API quern_status quern_quantize_explain(quern_device *device, const quern_quantize_desc *desc,
                                              quern_candidate_visitor visit, void *user);

/* ---- Kernels ----------------------------------------------------------------------------------------------------- */

typedef struct quern_kernel_info {
  size_t struct_size;
  const char *package; /* "quern/mxfp4-gemm" */
  int32_t version;
  int32_t build;
  const char *digest;    /* sha256 of manifest and files, 64 hex digits; "" if refused */
  const char *origin;    /* "built-in", the package's directory, "registry NAME: ID" or "the cache: ID" */
  const char *operation; /* "gemm", "dequantize", "quantize", "repack" */
  const char *variant;
  const char *archs; /* "7.5 and up", "9.0a" */
  int32_t priority;
  const char *manifest; /* the text of kernel.json */
  const char *refused;  /* "" or why the package cannot be used; the fields after origin are then empty */
  const char *trust;    /* "builtin", "signed", "locked", "local" */
  const char *signer;   /* the publisher of trust.json, if signed */
} quern_kernel_info;

typedef int (*quern_kernel_visitor)(void *user, const quern_kernel_info *info);

/* Every variant of every package of the hub, and every package that was refused. Strings live for the call. Returns
 * QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_kernels_visit(quern_hub *hub, quern_kernel_visitor visit, void *user);

/* A package's entry made ready to be launched by the host, as get_kernel() of other hubs hands out functions. Any
 * variant of any package may be loaded; packages with "operation": "custom" exist for nothing else. */
typedef struct quern_kernel quern_kernel;

typedef struct quern_kernel_desc {
  size_t struct_size;
  const char *kernel;  /* "owner/package:variant"; "owner/package" where that has one variant */
  const char *options; /* values of the options that the variant is compiled for, "x_dtype=bf16,layout=mma16_bf16"; NULL
                          where it has none, as in custom packages */
  const char *target;  /* as in quern_dequantize_desc */
  size_t shared_bytes; /* the most dynamic shared memory that a launch will ask for */
} quern_kernel_desc;
#define QUERN_KERNEL_DESC_INIT \
  { sizeof(quern_kernel_desc), NULL, NULL, NULL, 0 }

/* Compile or find, and load, a package's kernel. On a device without hardware it is compiled and kept. The handle holds
 * what it needs of device and hub. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (no such package or
 * variant), QUERN_UNSUPPORTED (the device's architecture is none of the variant's, or it is the CPU),
 * QUERN_CUDA_UNAVAILABLE, QUERN_NVRTC_UNAVAILABLE, QUERN_JIT_FORBIDDEN, QUERN_COMPILE_FAILED, QUERN_LIMIT_EXCEEDED,
 * QUERN_BAD_MANIFEST, QUERN_CUDA_ERROR, QUERN_OUT_OF_MEMORY. Since 0.1. */
QUERN_API quern_status quern_kernel_load(quern_device *device, const quern_kernel_desc *desc, quern_kernel **kernel);
/* Unload. Work that was launched must be done; captured graphs need it open until they are destroyed. NULL does
 * nothing. Since 0.1. */
QUERN_API void quern_kernel_close(quern_kernel *kernel);

typedef struct quern_loaded_kernel_info {
  size_t struct_size;
  const char *kernel; /* "owner/package:variant" */
  const char *entry;  /* the symbol */
  const char *target; /* what it was compiled for, "sm_90a"; "compute_90" where the driver finished it */
  const char *digest; /* of the package */
  const char *origin; /* "built-in", or where the package came from */
  int32_t registers;  /* -1 where unknown */
  int32_t spill_bytes;
  int32_t static_shared_bytes;
  int32_t parameter_count;
  const size_t *parameter_bytes; /* of each parameter, as the compiled code has it */
  const char *trust;             /* of the package: "builtin", "signed", "locked", "local" */
} quern_loaded_kernel_info;
#define QUERN_LOADED_KERNEL_INFO_INIT \
  { sizeof(quern_loaded_kernel_info), NULL, NULL, NULL, NULL, NULL, -1, -1, -1, 0, NULL, NULL }

/* Facts about a loaded kernel. Strings and the array live as long as it. Returns QUERN_OK, QUERN_INVALID_ARGUMENT.
 * Since 0.1. */
QUERN_API quern_status quern_kernel_get_info(const quern_kernel *kernel, quern_loaded_kernel_info *info);

typedef struct quern_launch {
  size_t struct_size;
  uint32_t grid[3];              /* blocks; 0: 1 */
  uint32_t block[3];             /* threads; 0: 1 */
  uint32_t cluster[3];           /* blocks of a cluster, sm_90 and up; 0: 1 */
  size_t shared_bytes;           /* dynamic, a block's; at most what the kernel was loaded for */
  void *const *parameters;       /* where each parameter lies in host memory; read before the call returns */
  const size_t *parameter_bytes; /* their sizes, which must be those of the compiled kernel */
  int32_t parameter_count;
  int32_t overlap; /* 1: programmatic dependent launch: it may begin while the kernel before it on the stream is ending,
                      and must wait itself (griddepcontrol.wait) before it reads what that writes */
} quern_launch;
#define QUERN_LAUNCH_INIT \
  { sizeof(quern_launch), {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, 0, NULL, NULL, 0, 0 }

/* Launch it on the stream. What the kernel reads and writes is between the host and the package; number and sizes of
 * the parameters are checked. Capture-safe; no lock, no allocation; from any number of threads. Returns QUERN_OK,
 * QUERN_INVALID_ARGUMENT, QUERN_CUDA_UNAVAILABLE (no hardware), QUERN_CUDA_ERROR. Since 0.1. */
QUERN_API quern_status quern_kernel_launch(const quern_kernel *kernel, const quern_launch *launch, quern_stream stream);

/* What came of one compiled unit: a variant, for one architecture and one choice of types. */
typedef struct quern_unit_report {
  size_t struct_size;
  const char *kernel; /* "quern/mxfp4-gemm:mma_sm80" */
  const char *target; /* "sm_90a" */
  const char *types;  /* "x_dtype=bf16"; "" where the variant has no choice */
  quern_status status;
  const char *message; /* the error, or the compiler's warnings; "" if none */
  int32_t from_cache;
  int32_t registers;   /* -1 where unknown */
  int32_t spill_bytes; /* -1 where unknown */
  int32_t shared_bytes;
  int32_t compile_ms;
  int32_t done, total; /* progress of the whole call, this unit included */
} quern_unit_report;

typedef int (*quern_unit_visitor)(void *user, const quern_unit_report *report);

typedef struct quern_prefetch_options {
  size_t struct_size;
  const char *archs;        /* "sm_80,sm_90a", "all", "native"; NULL: native */
  const char *packages;     /* "quern/mxfp4-gemm,..."; NULL: all */
  int32_t jobs;             /* compiles at once; 0: QUERN_JOBS, else one per core */
  quern_unit_visitor visit; /* NULL, or called as each unit is done */
  void *user;
  int32_t check; /* 1: compile and write nothing; what a process that may not compile would lack is a failure */
  int32_t reserved;
  const char *root;     /* NULL, or a name: keep all of this from being pruned until a root of that name is written
                           anew or removed. Letters, digits, '.', '_', '-'; at most 64 */
  const char *seal_key; /* NULL, or a PEM file with an Ed25519 secret key: make the cache's directory a sealed bundle of
                           exactly this */
  int64_t seal_days;    /* how long the seal holds; 0: for ever */
} quern_prefetch_options;
#define QUERN_PREFETCH_OPTIONS_INIT \
  { sizeof(quern_prefetch_options), NULL, NULL, 0, NULL, NULL, 0, 0, NULL, NULL, 0 }

typedef struct quern_prefetch_result {
  size_t struct_size;
  int32_t compiled, cached, failed;
} quern_prefetch_result;
#define QUERN_PREFETCH_RESULT_INIT \
  { sizeof(quern_prefetch_result), 0, 0, 0 }

/* Compile into the cache everything that plans on these architectures can need. No GPU is needed. All units are tried;
 * the first failure is the status. Needs a cache that can be written, but for check. Packages are those that the hub
 * knows: resolve others before. With check, and before a root or a seal is written, a package that the hub's lock file
 * names and that is not at hand is a failure too. A process that opens a hub with the same lock file, offline and with
 * compiling forbidden, then lacks nothing.
 *
 * Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND, QUERN_NVRTC_UNAVAILABLE, QUERN_JIT_FORBIDDEN,
 * QUERN_COMPILE_FAILED, QUERN_LIMIT_EXCEEDED, QUERN_CUDA_UNAVAILABLE (native), QUERN_IO_ERROR, QUERN_OFFLINE (a locked
 * package is not at hand), QUERN_CANCELLED. result may be NULL; it is filled also when a unit failed. Since 0.1. */
QUERN_API quern_status quern_prefetch(quern_hub *hub, const quern_prefetch_options *options,
                                      quern_prefetch_result *result);

/* Check the package in a directory as its author would want: the manifest, then each unit compiled afresh for each
 * architecture with the compiler's resource report. Spills and compiler warnings are reported, not failed. archs as in
 * prefetch, plus NULL: all. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND, QUERN_BAD_MANIFEST,
 * QUERN_NVRTC_UNAVAILABLE, QUERN_COMPILE_FAILED, QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_package_check(quern_hub *hub, const char *directory, const char *archs,
                                           quern_unit_visitor visit, void *user);

/* ---- Packages from registries ------------------------------------------------------------------------------------ */

/* How far a transfer has come. */
typedef struct quern_fetch_progress {
  size_t struct_size;
  const char *package; /* "acme/mxfp4-gemm" */
  int64_t received;    /* bytes of the file that is being fetched */
  int64_t total;       /* 0: not known */
} quern_fetch_progress;

/* Not 0 cancels: QUERN_CANCELLED, and nothing half-fetched is used. */
typedef int (*quern_fetch_visitor)(void *user, const quern_fetch_progress *progress);

typedef struct quern_resolve_options {
  size_t struct_size;
  int32_t locked;            /* 1: only what the lock file names; all else is QUERN_LOCK_MISMATCH */
  int32_t offline;           /* 1: what is not in the caches is QUERN_OFFLINE; 0: as the hub */
  quern_fetch_visitor visit; /* NULL, or called as bytes arrive, and at least once a second while one waits */
  void *user;
} quern_resolve_options;
#define QUERN_RESOLVE_OPTIONS_INIT \
  { sizeof(quern_resolve_options), 0, 0, NULL, NULL }

/* A package that was found, verified and judged. */
typedef struct quern_package {
  size_t struct_size;
  const char *id;       /* "acme/mxfp4-gemm" */
  const char *manifest; /* sha256 of its kernel.json: its identity */
  const char *digest;   /* as in quern_kernel_info */
  const char *registry; /* the configured name; "" where the cache alone was asked */
  const char *commit;   /* of a Hugging Face repository; "" elsewhere */
  const char *trust;    /* "signed", "locked" */
  const char *signer;   /* the publisher of trust.json, if signed */
  const char *note;     /* "", or what is to be known: why it is trusted by its lock alone */
  int32_t version, build;
  int32_t fetched; /* 1: some of its bytes came over the network now */
  int32_t reserved;
} quern_package;

typedef int (*quern_package_visitor)(void *user, const quern_package *package);

/* Find packages, fetch what the cache lacks, and make them known to the hub: plans made from now on may use their
 * kernels, and quern_kernel_load() finds them. A package of the same id that the hub knows already is replaced, unless
 * it lies in kernel_path. Plans that exist are not touched. requests: "acme/mxfp4-gemm@1" for the newest build of
 * version 1, "acme/mxfp4-gemm@sha256:..." for exactly one, ',' between; NULL: everything that the hub's lock file
 * names. What the lock file names is what it says, whatever was published since. Order: bytes, hash, signature, and
 * only then a parser; nothing that was refused is kept. All or nothing becomes known to the hub; what was fetched stays
 * in the cache. options and visit may be NULL; visit is called for each package at the end. One call at a time runs for
 * a hub, others wait. Needs a cache that can at least be read.
 *
 * Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (nobody has it, or NULL without a lock file),
 * QUERN_NETWORK_ERROR, QUERN_OFFLINE, QUERN_UNTRUSTED, QUERN_OUTDATED, QUERN_CORRUPT, QUERN_LOCK_MISMATCH,
 * QUERN_BAD_MANIFEST, QUERN_IO_ERROR (no cache), QUERN_CANCELLED, QUERN_OUT_OF_MEMORY. Since 0.1. */
QUERN_API quern_status quern_resolve(quern_hub *hub, const char *requests, const quern_resolve_options *options,
                                     quern_package_visitor visit, void *user);

typedef struct quern_lock_options {
  size_t struct_size;
  const char *source; /* NULL, or a lock file to take the packages from that are not in requests: an older quern.lock,
                         or kernels.lock of Hugging Face. NULL: the file that is written, if it exists */
  int32_t check;      /* 1: write nothing; a file that would change is QUERN_LOCK_MISMATCH */
  int32_t keep;       /* 1: packages of source stay as they are pinned; else versions become their newest builds */
  int32_t
      unsigned_too; /* 1: also packages that nobody signed whom trust_file names: the lock file then vouches for them */
  int32_t reserved;
  quern_fetch_visitor visit; /* as in quern_resolve_options */
  void *user;
} quern_lock_options;
#define QUERN_LOCK_OPTIONS_INIT \
  { sizeof(quern_lock_options), NULL, 0, 0, 0, 0, NULL, NULL }

/* Write a lock file: which bytes of which packages a deployment runs. requests as in quern_resolve(), NULL for none;
 * they replace what source has of the same id and version. The file is replaced at once or not at all; equal packages
 * make equal bytes. Their files are in the cache afterwards. The hub's own lock file plays no part, and the hub's
 * packages stay as they are. visit as in quern_resolve(). Returns what quern_resolve() does, and QUERN_IO_ERROR (the
 * file cannot be written). Since 0.1. */
QUERN_API quern_status quern_lock(quern_hub *hub, const char *requests, const char *lock_file,
                                  const quern_lock_options *options, quern_package_visitor visit, void *user);

/* ---- Cache ------------------------------------------------------------------------------------------------------- */

typedef enum quern_entry_state {
  QUERN_ENTRY_GOOD = 0,
  QUERN_ENTRY_STALE = 1,   /* its package is not among the hub's, or has other contents now */
  QUERN_ENTRY_CORRUPT = 2, /* its hash does not match; it counts as a miss and the next prune removes it */
  QUERN_ENTRY_MAX_ENUM = 0x7fffffff
} quern_entry_state;

typedef struct quern_cache_entry {
  size_t struct_size;
  const char *key;    /* 64 hex digits */
  const char *kernel; /* "quern/mxfp4-gemm:mma_sm80"; "" if corrupt */
  const char *target; /* "sm_90a" */
  const char *types;  /* "x_dtype=bf16" */
  const char *nvrtc;  /* version that compiled it */
  const char *digest; /* of the package */
  int64_t size_bytes; /* of the file */
  int64_t created;    /* seconds since 1970 */
  int64_t last_used;
  int64_t hits;
  int32_t compile_ms;
  quern_entry_state state;
  int32_t rooted; /* 1: a root keeps it from being removed */
  int32_t reserved;
} quern_cache_entry;

typedef int (*quern_cache_visitor)(void *user, const quern_cache_entry *entry);

/* Read and verify every entry, least recently used last, and bring the index in line with the files. Returns QUERN_OK,
 * QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (no cache), QUERN_IO_ERROR, QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_cache_scan(quern_hub *hub, quern_cache_visitor visit, void *user);

typedef struct quern_cache_prune_options {
  size_t struct_size;
  int64_t max_bytes;         /* remove the least recently used until this much is left; 0: no limit */
  int64_t older_than_s;      /* remove what was not used for so long; 0: no limit */
  const char *target;        /* NULL, or only entries for this architecture */
  const char *kernel;        /* NULL, or only entries of this package */
  int32_t all;               /* 1: remove every entry that target and kernel select */
  int32_t dry_run;           /* 1: remove nothing, report what would go */
  quern_cache_visitor visit; /* NULL, or called for each entry removed */
  void *user;
  int32_t clear; /* 1: everything but what roots keep: entries, packages, their refs, tuning, what was set aside */
  int32_t reserved;
} quern_cache_prune_options;
#define QUERN_CACHE_PRUNE_OPTIONS_INIT \
  { sizeof(quern_cache_prune_options), 0, 0, NULL, NULL, 0, 0, NULL, NULL, 0, 0 }

typedef struct quern_cache_prune_result {
  size_t struct_size;
  int64_t removed, removed_bytes;
  int64_t kept, kept_bytes;
  int64_t temporary_files;   /* left by processes that died; removed too */
  int64_t blobs, blob_bytes; /* files of packages that no ref and no root leads to; removed too */
  int64_t quarantined;       /* files that were set aside for their contents; removed too */
} quern_cache_prune_result;
#define QUERN_CACHE_PRUNE_RESULT_INIT \
  { sizeof(quern_cache_prune_result), 0, 0, 0, 0, 0, 0, 0, 0 }

/* Remove entries: always the stale and the corrupt that target and kernel select, and what the limits say; never what a
 * root keeps or another process is compiling. Where neither target nor kernel selects, also files of packages that
 * nothing leads to and what was set aside. Safe beside readers and writers in other processes: a kernel in use stays
 * in use. options may be NULL. result may be NULL. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (no
 * cache), QUERN_IO_ERROR (read-only), QUERN_CORRUPT (a root cannot be read, so nothing is removed), QUERN_CANCELLED.
 * Since 0.1.
 */
QUERN_API quern_status quern_cache_prune(quern_hub *hub, const quern_cache_prune_options *options,
                                         quern_cache_prune_result *result);

/* Remove the entries of a key, compiled by the NVRTC of that version or, with NULL, by any. What a root keeps goes only
 * if rooted_too is 1; what another process is compiling stays. result (may be NULL) tells how many went and stayed.
 * Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (no cache, no such entry), QUERN_IO_ERROR (read-only).
 * Since 0.1. */
QUERN_API quern_status quern_cache_remove(quern_hub *hub, const char *key, const char *nvrtc, int32_t rooted_too,
                                          quern_cache_prune_result *result);

typedef struct quern_cache_problem {
  size_t struct_size;
  const char *path; /* below the cache's directory */
  const char *what;
  int32_t repaired;
  int32_t reserved;
} quern_cache_problem;

typedef int (*quern_cache_problem_visitor)(void *user, const quern_cache_problem *problem);

typedef struct quern_cache_check_options {
  size_t struct_size;
  int32_t thorough;                  /* 1: also the index, refs, roots and what writers that died left behind */
  int32_t repair;                    /* 1: set right what is wrong; files with wrong contents go to quarantine/ */
  quern_cache_problem_visitor visit; /* NULL, or called for each problem */
  void *user;
} quern_cache_check_options;
#define QUERN_CACHE_CHECK_OPTIONS_INIT \
  { sizeof(quern_cache_check_options), 0, 0, NULL, NULL }

typedef struct quern_cache_check_result {
  size_t struct_size;
  int64_t entries, blobs, bytes; /* what was read and hashed */
  int64_t problems, repaired;
} quern_cache_check_result;
#define QUERN_CACHE_CHECK_RESULT_INIT \
  { sizeof(quern_cache_check_result), 0, 0, 0, 0, 0 }

/* Read and hash every entry and every file of a package in the cache. Needs no network. Problems are told and counted,
 * and are no failure of the call. options and result may be NULL. Returns QUERN_OK, QUERN_INVALID_ARGUMENT,
 * QUERN_NOT_FOUND (no cache), QUERN_IO_ERROR (repairing a read-only cache), QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_cache_check(quern_hub *hub, const quern_cache_check_options *options,
                                         quern_cache_check_result *result);

typedef struct quern_cache_stats {
  size_t struct_size;
  int64_t hits;                   /* entries read from the cache's own directory and verified */
  int64_t misses;                 /* requests that had to be compiled */
  int64_t compiles;               /* NVRTC runs that succeeded */
  int64_t compile_ms;             /* what they took */
  int64_t saved_ms;               /* what the hits would have taken to compile */
  int64_t corrupt;                /* files found damaged */
  int64_t evicted, evicted_bytes; /* entries removed to hold the limits */
  int64_t since;                  /* when the counters were set to zero; 0: never */
} quern_cache_stats;
#define QUERN_CACHE_STATS_INIT \
  { sizeof(quern_cache_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Counters over all processes that used the cache. They are lost with its index, and those of a process that is killed
 * may be missing. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (no cache). Since 0.1. */
QUERN_API quern_status quern_cache_get_stats(quern_hub *hub, quern_cache_stats *stats);
/* Set them to zero. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_IO_ERROR (read-only, or none). Since 0.1. */
QUERN_API quern_status quern_cache_zero_stats(quern_hub *hub);

/* The machine code of an entry, verified: a cubin, or PTX. nvrtc as in quern_cache_remove(). With code NULL only *bytes
 * is set. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND, QUERN_BUFFER_TOO_SMALL (*bytes then is what it
 * takes). Since 0.1. */
QUERN_API quern_status quern_cache_code(quern_hub *hub, const char *key, const char *nvrtc, void *code, size_t *bytes);

/* A version of a package that the cache can resolve without a network. */
typedef struct quern_cache_package {
  size_t struct_size;
  const char *id;       /* "acme/mxfp4-gemm" */
  const char *manifest; /* its digest */
  const char *trust;    /* what it is judged now: "signed", "locked", "refused" */
  int32_t version;
  int32_t files;      /* in the cache, the manifest included */
  int64_t size_bytes; /* of those */
  int64_t resolved;   /* when this version was last found to be this manifest */
} quern_cache_package;

typedef int (*quern_cache_package_visitor)(void *user, const quern_cache_package *package);

/* Every version that the cache's refs name. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (no cache),
 * QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_cache_packages(quern_hub *hub, quern_cache_package_visitor visit, void *user);

/* ---- Publishing -------------------------------------------------------------------------------------------------- */

/* For authors of packages and for who runs a registry, a directory that any web server serves (docs/registry.md).
 * Nothing here needs a hub, a device or the network; every function may be called from any thread.
 *
 * Keys are Ed25519. A secret key is a file with PKCS#8 PEM that only its owner may read, a public key 64 hex digits, a
 * key's id the SHA-256 of the public key's 32 bytes in 64 hex digits. Lists of files and of public keys have ':'
 * between; NULL and "" are empty ones. */

/* Make a secret key in a new file of mode 0600 and tell its public key and that one's id, 64 digits and a zero each;
 * either may be NULL. No file is ever written over. Returns QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_IO_ERROR (there is
 * such a file, or it cannot be written). Since 0.1. */
QUERN_API quern_status quern_key_generate(const char *path, char public_key[65], char key_id[65]);
/* Tell the same of a secret key that is there. Returns QUERN_OK, QUERN_INVALID_ARGUMENT (the file holds none, or others
 * may read it), QUERN_NOT_FOUND. Since 0.1. */
QUERN_API quern_status quern_key_public(const char *path, char public_key[65], char key_id[65]);

/* A package made ready to be published. */
typedef struct quern_packed_package {
  size_t struct_size;
  const char *id; /* "acme/mxfp4-gemm" */
  int32_t version, build;
  const char *manifest;   /* the digest of document: the package's identity */
  const char *document;   /* the published kernel.json: the author's, with sha256 and size of every file */
  const char *signatures; /* the kernel.json.sig of document; "" if nobody signed */
  const char *signers;    /* ids of the keys that signed, ':' between */
  int64_t size_bytes;     /* of document and files */
  int32_t files;          /* document and signatures not counted */
  int32_t warning_count;
  const char *const *warnings; /* what the author may have forgotten, a sentence each */
} quern_packed_package;

/* Called before anything is written; what it returns other than 0 leaves everything as it was, with QUERN_CANCELLED. */
typedef int (*quern_packed_package_visitor)(void *user, const quern_packed_package *package);

typedef struct quern_pack_options {
  size_t struct_size;
  const char *keys;   /* files of the publisher's secret keys */
  const char *output; /* NULL, or a directory to make, with kernel.json, kernel.json.sig and every file */
  quern_packed_package_visitor visit; /* NULL, or told what was packed */
  void *user;
} quern_pack_options;
#define QUERN_PACK_OPTIONS_INIT \
  { sizeof(quern_pack_options), NULL, NULL, NULL, NULL }

/* Pack the package in a directory, as its author wrote it: check what would be refused when it is used, and write down
 * the hash of every file. The same directory gives the same bytes. A kernel.json.sig that lies there is kept, and added
 * to, if the kernel.json beside it is a published one: so several may sign one after the other. output is there once
 * all is written. options may be NULL. Returns QUERN_OK, QUERN_INVALID_ARGUMENT (also: output exists and is no empty
 * directory), QUERN_NOT_FOUND (no kernel.json, or no such key), QUERN_BAD_MANIFEST, QUERN_IO_ERROR, QUERN_CANCELLED.
 * Since 0.1. */
QUERN_API quern_status quern_package_pack(const char *directory, const quern_pack_options *options);

/* Who changes a registry, and for how long what is signed holds. What a change does not need may be absent. */
typedef struct quern_registry_keys {
  size_t struct_size;
  const char *root, *snapshot, *timestamp;          /* files of secret keys, by role */
  int32_t root_days, snapshot_days, timestamp_days; /* 1 to 36500; 0: 365, 90 and 7 */
  int32_t reserved;
} quern_registry_keys;
#define QUERN_REGISTRY_KEYS_INIT \
  { sizeof(quern_registry_keys), NULL, NULL, NULL, 0, 0, 0, 0 }

/* Changes. Each writes new files first and the timestamp last, so a reader sees the registry as it was or as it is, and
 * a process that is killed leaves it as it was, to be changed again. Who changes it meanwhile is waited for, for 10 s.
 * What others changed in the directory is not signed again. All return QUERN_OK, QUERN_INVALID_ARGUMENT,
 * QUERN_NOT_FOUND (no such key, registry or release), QUERN_UNTRUSTED (the keys are not enough of the registry's, or
 * its files not signed by them), QUERN_CORRUPT (a file of it is missing or malformed), QUERN_OUTDATED (its root has
 * expired, so only quern_registry_rotate() can help) and QUERN_IO_ERROR (it cannot be written, or others did not
 * finish). */

/* A registry without packages in a directory that has none; keys of all three roles, of which one signature each
 * suffices until quern_registry_rotate() asks for more. Since 0.1. */
QUERN_API quern_status quern_registry_create(const char *registry, const quern_registry_keys *keys);

typedef struct quern_publish_options {
  size_t struct_size;
  const char *keys;                           /* files of the publisher's secret keys */
  const char *publishers;                     /* public keys that must have signed, each of them */
  int32_t min_client_major, min_client_minor; /* the least Quern that may use it; 0, 0: 0.1 */
  quern_packed_package_visitor visit;         /* NULL, or told what is about to be published */
  void *user;
} quern_publish_options;
#define QUERN_PUBLISH_OPTIONS_INIT \
  { sizeof(quern_publish_options), NULL, NULL, 0, 0, NULL, NULL }

/* Pack a directory as quern_package_pack() does and add it to a registry, which is made if there is none and keys of
 * all roles are given. A package that nobody signed serves only hosts whose lock file names it. The same build with
 * other contents is QUERN_INVALID_ARGUMENT, and so is a kernel.json.sig of something else where no keys are given.
 * options may be NULL; *published (may be NULL) is 0 if the very same release is there already, which changes nothing,
 * else 1. Returns what all changes do, and QUERN_BAD_MANIFEST, QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_registry_publish(const char *registry, const char *directory,
                                              const quern_publish_options *options, const quern_registry_keys *keys,
                                              int32_t *published);

/* Withdraw a build (yanked = 1), so that it serves only who names its digest, or have it serve again (0). Since 0.1. */
QUERN_API quern_status quern_registry_yank(const char *registry, const char *id, int32_t version, int32_t build,
                                           int32_t yanked, const quern_registry_keys *keys);
/* A build that nobody may run any more. It cannot be taken back. reason: one line of at most 500 bytes, in UTF-8, which
 * users will read. Since 0.1. */
QUERN_API quern_status quern_registry_revoke(const char *registry, const char *id, int32_t version, int32_t build,
                                             const char *reason, const quern_registry_keys *keys);
/* Sign snapshot and timestamp anew, to be done before they expire. Since 0.1. */
QUERN_API quern_status quern_registry_renew(const char *registry, const quern_registry_keys *keys);

/* Who may sign from now on. */
typedef struct quern_next_root {
  size_t struct_size;
  const char *root, *snapshot, *timestamp;                         /* public keys, by role; NULL: the present ones */
  int32_t root_threshold, snapshot_threshold, timestamp_threshold; /* how many of them must sign; 0: as many as at
                                                                      present where the keys stay, else 1 */
  int32_t reserved;
} quern_next_root;
#define QUERN_NEXT_ROOT_INIT \
  { sizeof(quern_next_root), NULL, NULL, NULL, 0, 0, 0, 0 }

/* The next root. keys.root must be enough for the present root and for the next, the other keys for the next; with
 * those of both, readers notice nothing. next may be NULL: the same keys, to live on. Since 0.1. */
QUERN_API quern_status quern_registry_rotate(const char *registry, const quern_next_root *next,
                                             const quern_registry_keys *keys);

/* A line of a package's index. */
typedef struct quern_registry_release {
  size_t struct_size;
  const char *id;
  int32_t version, build;
  const char *manifest;   /* the digest of its published kernel.json */
  const char *min_client; /* "0.1" */
  const char *revoked;    /* why; "" if it was not */
  int64_t published;      /* seconds since 1970 */
  int32_t yanked;
  int32_t is_signed; /* by whoever; a reader's trust file decides what that is worth */
} quern_registry_release;

typedef struct quern_registry_contents {
  size_t struct_size;
  const char *root_keys, *snapshot_keys, *timestamp_keys; /* public keys, ':' between */
  int32_t root_threshold, snapshot_threshold, timestamp_threshold;
  int32_t passed_over; /* releases that only a later Quern can read */
  int64_t root_version, snapshot_version, timestamp_version;
  int64_t root_expires, snapshot_expires, timestamp_expires; /* seconds since 1970; may have passed */
  const quern_registry_release *const *releases;             /* by package, in the order of their publication */
  int64_t release_count;
} quern_registry_contents;

typedef int (*quern_registry_visitor)(void *user, const quern_registry_contents *contents);

/* Read a registry's directory and verify its signatures against its own root; calls visit once. Writes nothing. Returns
 * QUERN_OK, QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND (no registry), QUERN_CORRUPT, QUERN_UNTRUSTED, QUERN_IO_ERROR,
 * QUERN_CANCELLED. Since 0.1. */
QUERN_API quern_status quern_registry_read(const char *registry, quern_registry_visitor visit, void *user);

#ifdef __cplusplus
}
#endif

#endif /* QUERN_QUERN_H */
