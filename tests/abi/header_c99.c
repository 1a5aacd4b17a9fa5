/* quern.h alone, as C99 hosts see it: compiled by gcc and clang with -std=c99 -pedantic-errors and all warnings fatal. */
#include <quern/quern.h>

quern_status use(quern_hub **hub, quern_plan *plan, quern_stream stream);

quern_status use(quern_hub **hub, quern_plan *plan, quern_stream stream) {
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  quern_hub_info info = QUERN_HUB_INFO_INIT;
  quern_hub_stats stats = QUERN_HUB_STATS_INIT;
  quern_device_info device = QUERN_DEVICE_INFO_INIT;
  quern_weights_shape shape = QUERN_WEIGHTS_SHAPE_INIT;
  quern_decode_policy policy = QUERN_DECODE_POLICY_INIT;
  quern_dequantize_desc dequantize = QUERN_DEQUANTIZE_DESC_INIT;
  quern_dequantize_args dequantize_args = QUERN_DEQUANTIZE_ARGS_INIT;
  quern_gemm_desc gemm = QUERN_GEMM_DESC_INIT;
  quern_gemm_args gemm_args = QUERN_GEMM_ARGS_INIT;
  quern_prefetch_options prefetch = QUERN_PREFETCH_OPTIONS_INIT;
  quern_prefetch_result fetched = QUERN_PREFETCH_RESULT_INIT;
  quern_cache_prune_options prune = QUERN_CACHE_PRUNE_OPTIONS_INIT;
  quern_cache_prune_result pruned = QUERN_CACHE_PRUNE_RESULT_INIT;
  quern_pack_options pack = QUERN_PACK_OPTIONS_INIT;
  quern_registry_keys keys = QUERN_REGISTRY_KEYS_INIT;
  quern_publish_options publish = QUERN_PUBLISH_OPTIONS_INIT;
  quern_next_root next = QUERN_NEXT_ROOT_INIT;
  (void)pack, (void)keys, (void)publish, (void)next;
  (void)info, (void)stats, (void)device, (void)shape, (void)policy, (void)dequantize, (void)dequantize_args;
  (void)gemm, (void)prefetch, (void)fetched, (void)prune, (void)pruned;
  if (quern_hub_open(&options, hub) != QUERN_OK) return QUERN_INTERNAL;
  return quern_gemm_run(plan, &gemm_args, stream);
}
