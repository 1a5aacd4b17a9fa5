/* The ABI, pinned: the size of every struct, the place of every member, the number of every enumerator, on 64-bit
 * machines. A struct may grow at its end: then add its new members here, change its size, and nothing else. Any other
 * failure of this file to compile is a break of the ABI. */
#include <stddef.h>

#include <quern/quern.h>

#if defined(__cplusplus) || !defined(__STDC_VERSION__) || __STDC_VERSION__ < 201112L
#error "needs C11 for _Static_assert"
#endif

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed its size")
#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member " moved")
#define VALUE(name, number) _Static_assert((name) == (number), #name " was renumbered")

SIZE(void *, 8);
SIZE(size_t, 8);

SIZE(quern_status, 4);
VALUE(QUERN_OK, 0);
VALUE(QUERN_INVALID_ARGUMENT, 10);
VALUE(QUERN_UNSUPPORTED, 11);
VALUE(QUERN_BUFFER_TOO_SMALL, 12);
VALUE(QUERN_CUDA_UNAVAILABLE, 20);
VALUE(QUERN_NVRTC_UNAVAILABLE, 21);
VALUE(QUERN_CUDA_ERROR, 22);
VALUE(QUERN_OUT_OF_MEMORY, 23);
VALUE(QUERN_JIT_FORBIDDEN, 24);
VALUE(QUERN_COMPILE_FAILED, 30);
VALUE(QUERN_BAD_MANIFEST, 31);
VALUE(QUERN_NOT_FOUND, 32);
VALUE(QUERN_IO_ERROR, 40);
VALUE(QUERN_LIMIT_EXCEEDED, 33);
VALUE(QUERN_CORRUPT, 41);
VALUE(QUERN_NETWORK_ERROR, 42);
VALUE(QUERN_OFFLINE, 43);
VALUE(QUERN_UNTRUSTED, 44);
VALUE(QUERN_OUTDATED, 46);
VALUE(QUERN_LOCK_MISMATCH, 47);
VALUE(QUERN_CANCELLED, 45);
VALUE(QUERN_INTERNAL, 90);
VALUE(QUERN_STATUS_MAX_ENUM, 0x7fffffff);

SIZE(quern_log_level, 4);
VALUE(QUERN_LOG_ERROR, 1);
VALUE(QUERN_LOG_WARN, 2);
VALUE(QUERN_LOG_INFO, 3);
VALUE(QUERN_LOG_DEBUG, 4);
VALUE(QUERN_LOG_MAX_ENUM, 0x7fffffff);

SIZE(quern_jit, 4);
VALUE(QUERN_JIT_DEFAULT, 0);
VALUE(QUERN_JIT_ALLOW, 1);
VALUE(QUERN_JIT_FORBID, 2);
VALUE(QUERN_JIT_MAX_ENUM, 0x7fffffff);

SIZE(quern_cache_mode, 4);
VALUE(QUERN_CACHE_DEFAULT, 0);
VALUE(QUERN_CACHE_READ_WRITE, 1);
VALUE(QUERN_CACHE_READ_ONLY, 2);
VALUE(QUERN_CACHE_OFF, 3);
VALUE(QUERN_CACHE_MAX_ENUM, 0x7fffffff);

SIZE(quern_device_kind, 4);
VALUE(QUERN_DEVICE_CPU, 1);
VALUE(QUERN_DEVICE_CUDA, 2);
VALUE(QUERN_DEVICE_TARGET, 3);
VALUE(QUERN_DEVICE_KIND_MAX_ENUM, 0x7fffffff);

SIZE(quern_dtype, 4);
VALUE(QUERN_DTYPE_F32, 1);
VALUE(QUERN_DTYPE_F16, 2);
VALUE(QUERN_DTYPE_BF16, 3);
VALUE(QUERN_DTYPE_E4M3, 4);
VALUE(QUERN_DTYPE_MAX_ENUM, 0x7fffffff);

SIZE(quern_format, 4);
VALUE(QUERN_FORMAT_MXFP4, 1);
VALUE(QUERN_FORMAT_E4M3_ROW, 2);
VALUE(QUERN_FORMAT_MAX_ENUM, 0x7fffffff);

SIZE(quern_convention, 4);
VALUE(QUERN_CONVENTION_GPT_OSS, 1);
VALUE(QUERN_CONVENTION_FUSED, 2);
VALUE(QUERN_CONVENTION_MAX_ENUM, 0x7fffffff);

SIZE(quern_scale_zero, 4);
VALUE(QUERN_SCALE_ZERO_EXACT, 0);
VALUE(QUERN_SCALE_ZERO_FLUSH, 1);
VALUE(QUERN_SCALE_ZERO_MAX_ENUM, 0x7fffffff);

SIZE(quern_scale_nan, 4);
VALUE(QUERN_SCALE_NAN_PROPAGATE, 0);
VALUE(QUERN_SCALE_NAN_LDEXP, 1);
VALUE(QUERN_SCALE_NAN_INF, 2);
VALUE(QUERN_SCALE_NAN_MAX_ENUM, 0x7fffffff);

SIZE(quern_entry_state, 4);
VALUE(QUERN_ENTRY_GOOD, 0);
VALUE(QUERN_ENTRY_STALE, 1);
VALUE(QUERN_ENTRY_CORRUPT, 2);
VALUE(QUERN_ENTRY_MAX_ENUM, 0x7fffffff);

SIZE(quern_hub_options, 120);
AT(quern_hub_options, struct_size, 0);
AT(quern_hub_options, cache_dir, 8);
AT(quern_hub_options, kernel_path, 16);
AT(quern_hub_options, nvrtc_path, 24);
AT(quern_hub_options, jit, 32);
AT(quern_hub_options, cache_mode, 36);
AT(quern_hub_options, offline, 40);
AT(quern_hub_options, log_level, 44);
AT(quern_hub_options, log, 48);
AT(quern_hub_options, log_user, 56);
AT(quern_hub_options, cache_ro, 64);
AT(quern_hub_options, cache_max_bytes, 72);
AT(quern_hub_options, cache_max_age_s, 80);
AT(quern_hub_options, config_file, 88);
AT(quern_hub_options, trust_file, 96);
AT(quern_hub_options, lock_file, 104);
AT(quern_hub_options, seal, 112);

SIZE(quern_hub_info, 136);
AT(quern_hub_info, struct_size, 0);
AT(quern_hub_info, version, 8);
AT(quern_hub_info, cache_dir, 16);
AT(quern_hub_info, cache_state, 24);
AT(quern_hub_info, kernel_path, 32);
AT(quern_hub_info, nvrtc_path, 40);
AT(quern_hub_info, nvrtc_version, 48);
AT(quern_hub_info, nvrtc_missing, 56);
AT(quern_hub_info, driver_version, 64);
AT(quern_hub_info, driver_missing, 72);
AT(quern_hub_info, cuda_device_count, 80);
AT(quern_hub_info, jit_allowed, 84);
AT(quern_hub_info, packages, 88);
AT(quern_hub_info, packages_refused, 92);
AT(quern_hub_info, config_file, 96);
AT(quern_hub_info, trust_file, 104);
AT(quern_hub_info, lock_file, 112);
AT(quern_hub_info, registries, 120);
AT(quern_hub_info, offline, 124);
AT(quern_hub_info, sealed, 128);
AT(quern_hub_info, reserved, 132);

SIZE(quern_hub_stats, 64);
AT(quern_hub_stats, struct_size, 0);
AT(quern_hub_stats, memory_hits, 8);
AT(quern_hub_stats, disk_hits, 16);
AT(quern_hub_stats, compiles, 24);
AT(quern_hub_stats, compile_ms, 32);
AT(quern_hub_stats, corrupt, 40);
AT(quern_hub_stats, writes, 48);
AT(quern_hub_stats, evicted, 56);

SIZE(quern_device_info, 80);
AT(quern_device_info, struct_size, 0);
AT(quern_device_info, kind, 8);
AT(quern_device_info, name, 16);
AT(quern_device_info, model, 24);
AT(quern_device_info, arch, 32);
AT(quern_device_info, capability_major, 40);
AT(quern_device_info, capability_minor, 44);
AT(quern_device_info, sm_count, 48);
AT(quern_device_info, memory_bytes, 56);
AT(quern_device_info, shared_memory_bytes, 64);
AT(quern_device_info, l2_bytes, 72);

SIZE(quern_weights_shape, 32);
AT(quern_weights_shape, struct_size, 0);
AT(quern_weights_shape, convention, 8);
AT(quern_weights_shape, rows, 16);
AT(quern_weights_shape, k, 24);

SIZE(quern_decode_policy, 24);
AT(quern_decode_policy, struct_size, 0);
AT(quern_decode_policy, scale_zero, 8);
AT(quern_decode_policy, scale_nan, 12);
AT(quern_decode_policy, scale_in_dst, 16);
AT(quern_decode_policy, canonical_zero, 20);

SIZE(quern_dequantize_desc, 80);
AT(quern_dequantize_desc, struct_size, 0);
AT(quern_dequantize_desc, format, 8);
AT(quern_dequantize_desc, dst_dtype, 12);
AT(quern_dequantize_desc, k, 16);
AT(quern_dequantize_desc, rows_max, 24);
AT(quern_dequantize_desc, blocks_stride, 32);
AT(quern_dequantize_desc, scales_stride, 40);
AT(quern_dequantize_desc, dst_stride, 48);
AT(quern_dequantize_desc, policy, 56);
AT(quern_dequantize_desc, kernel, 64);
AT(quern_dequantize_desc, target, 72);

SIZE(quern_dequantize_args, 56);
AT(quern_dequantize_args, struct_size, 0);
AT(quern_dequantize_args, rows, 8);
AT(quern_dequantize_args, blocks, 16);
AT(quern_dequantize_args, scales, 24);
AT(quern_dequantize_args, dst, 32);
AT(quern_dequantize_args, workspace, 40);
AT(quern_dequantize_args, workspace_bytes, 48);

SIZE(quern_quantize_desc, 72);
AT(quern_quantize_desc, struct_size, 0);
AT(quern_quantize_desc, format, 8);
AT(quern_quantize_desc, src_dtype, 12);
AT(quern_quantize_desc, rows_max, 16);
AT(quern_quantize_desc, k, 24);
AT(quern_quantize_desc, src_stride, 32);
AT(quern_quantize_desc, dst_stride, 40);
AT(quern_quantize_desc, kernel, 48);
AT(quern_quantize_desc, target, 56);
AT(quern_quantize_desc, overlap, 64);

SIZE(quern_quantize_args, 56);
AT(quern_quantize_args, struct_size, 0);
AT(quern_quantize_args, rows, 8);
AT(quern_quantize_args, src, 16);
AT(quern_quantize_args, dst, 24);
AT(quern_quantize_args, scales, 32);
AT(quern_quantize_args, workspace, 40);
AT(quern_quantize_args, workspace_bytes, 48);

SIZE(quern_gemm_desc, 144);
AT(quern_gemm_desc, struct_size, 0);
AT(quern_gemm_desc, format, 8);
AT(quern_gemm_desc, x_dtype, 12);
AT(quern_gemm_desc, y_dtype, 16);
AT(quern_gemm_desc, bias_dtype, 20);
AT(quern_gemm_desc, m_max, 24);
AT(quern_gemm_desc, n, 32);
AT(quern_gemm_desc, k, 40);
AT(quern_gemm_desc, x_stride, 48);
AT(quern_gemm_desc, y_stride, 56);
AT(quern_gemm_desc, blocks_stride, 64);
AT(quern_gemm_desc, scales_stride, 72);
AT(quern_gemm_desc, scale_zero, 80);
AT(quern_gemm_desc, kernel, 88);
AT(quern_gemm_desc, target, 96);
AT(quern_gemm_desc, layout, 104);
AT(quern_gemm_desc, activation, 108);
AT(quern_gemm_desc, residual, 112);
AT(quern_gemm_desc, residual_stride, 120);
AT(quern_gemm_desc, batch_invariant, 128);
AT(quern_gemm_desc, overlap, 132);
AT(quern_gemm_desc, accumulation, 136);

SIZE(quern_accumulation, 4);
VALUE(QUERN_ACCUMULATION_PROMOTED, 0);
VALUE(QUERN_ACCUMULATION_FAST, 1);
VALUE(QUERN_ACCUMULATION_MAX_ENUM, 0x7fffffff);

SIZE(quern_activation, 4);
VALUE(QUERN_ACTIVATION_NONE, 0);
VALUE(QUERN_ACTIVATION_RELU, 1);
VALUE(QUERN_ACTIVATION_SILU, 2);
VALUE(QUERN_ACTIVATION_GELU, 3);
VALUE(QUERN_ACTIVATION_GELU_TANH, 4);
VALUE(QUERN_ACTIVATION_MAX_ENUM, 0x7fffffff);

SIZE(quern_layout, 4);
VALUE(QUERN_LAYOUT_CANONICAL, 0);
VALUE(QUERN_LAYOUT_MMA16_BF16, 1);
VALUE(QUERN_LAYOUT_MMA16_F16, 2);
VALUE(QUERN_LAYOUT_MMA16_E5M2, 3);
VALUE(QUERN_LAYOUT_MAX_ENUM, 0x7fffffff);

SIZE(quern_weights_desc, 56);
AT(quern_weights_desc, struct_size, 0);
AT(quern_weights_desc, format, 8);
AT(quern_weights_desc, layout, 12);
AT(quern_weights_desc, n, 16);
AT(quern_weights_desc, k, 24);
AT(quern_weights_desc, blocks_stride, 32);
AT(quern_weights_desc, scales_stride, 40);
AT(quern_weights_desc, scale_zero, 48);
AT(quern_weights_desc, fallback, 52);

SIZE(quern_gemm_args, 96);
AT(quern_gemm_args, struct_size, 0);
AT(quern_gemm_args, m, 8);
AT(quern_gemm_args, x, 16);
AT(quern_gemm_args, blocks, 24);
AT(quern_gemm_args, scales, 32);
AT(quern_gemm_args, bias, 40);
AT(quern_gemm_args, y, 48);
AT(quern_gemm_args, workspace, 56);
AT(quern_gemm_args, workspace_bytes, 64);
AT(quern_gemm_args, residual, 72);
AT(quern_gemm_args, alpha, 80);
AT(quern_gemm_args, x_scales, 88);

SIZE(quern_tune_report, 64);
AT(quern_tune_report, struct_size, 0);
AT(quern_tune_report, kernel, 8);
AT(quern_tune_report, m, 16);
AT(quern_tune_report, microseconds, 24);
AT(quern_tune_report, fastest, 32);
AT(quern_tune_report, failure, 40);
AT(quern_tune_report, done, 48);
AT(quern_tune_report, total, 52);
AT(quern_tune_report, chosen, 56);

SIZE(quern_candidate, 64);
AT(quern_candidate, struct_size, 0);
AT(quern_candidate, kernel, 8);
AT(quern_candidate, origin, 16);
AT(quern_candidate, priority, 24);
AT(quern_candidate, chosen, 28);
AT(quern_candidate, first, 32);
AT(quern_candidate, last, 40);
AT(quern_candidate, target, 48);
AT(quern_candidate, reason, 56);

SIZE(quern_kernel_info, 104);
AT(quern_kernel_info, struct_size, 0);
AT(quern_kernel_info, package, 8);
AT(quern_kernel_info, version, 16);
AT(quern_kernel_info, build, 20);
AT(quern_kernel_info, digest, 24);
AT(quern_kernel_info, origin, 32);
AT(quern_kernel_info, operation, 40);
AT(quern_kernel_info, variant, 48);
AT(quern_kernel_info, archs, 56);
AT(quern_kernel_info, priority, 64);
AT(quern_kernel_info, manifest, 72);
AT(quern_kernel_info, refused, 80);
AT(quern_kernel_info, trust, 88);
AT(quern_kernel_info, signer, 96);

SIZE(quern_unit_report, 80);
AT(quern_unit_report, struct_size, 0);
AT(quern_unit_report, kernel, 8);
AT(quern_unit_report, target, 16);
AT(quern_unit_report, types, 24);
AT(quern_unit_report, status, 32);
AT(quern_unit_report, message, 40);
AT(quern_unit_report, from_cache, 48);
AT(quern_unit_report, registers, 52);
AT(quern_unit_report, spill_bytes, 56);
AT(quern_unit_report, shared_bytes, 60);
AT(quern_unit_report, compile_ms, 64);
AT(quern_unit_report, done, 68);
AT(quern_unit_report, total, 72);

SIZE(quern_prefetch_options, 80);
AT(quern_prefetch_options, struct_size, 0);
AT(quern_prefetch_options, archs, 8);
AT(quern_prefetch_options, packages, 16);
AT(quern_prefetch_options, jobs, 24);
AT(quern_prefetch_options, visit, 32);
AT(quern_prefetch_options, user, 40);
AT(quern_prefetch_options, check, 48);
AT(quern_prefetch_options, reserved, 52);
AT(quern_prefetch_options, root, 56);
AT(quern_prefetch_options, seal_key, 64);
AT(quern_prefetch_options, seal_days, 72);

SIZE(quern_prefetch_result, 24);
AT(quern_prefetch_result, struct_size, 0);
AT(quern_prefetch_result, compiled, 8);
AT(quern_prefetch_result, cached, 12);
AT(quern_prefetch_result, failed, 16);

SIZE(quern_cache_entry, 104);
AT(quern_cache_entry, struct_size, 0);
AT(quern_cache_entry, key, 8);
AT(quern_cache_entry, kernel, 16);
AT(quern_cache_entry, target, 24);
AT(quern_cache_entry, types, 32);
AT(quern_cache_entry, nvrtc, 40);
AT(quern_cache_entry, digest, 48);
AT(quern_cache_entry, size_bytes, 56);
AT(quern_cache_entry, created, 64);
AT(quern_cache_entry, last_used, 72);
AT(quern_cache_entry, hits, 80);
AT(quern_cache_entry, compile_ms, 88);
AT(quern_cache_entry, state, 92);
AT(quern_cache_entry, rooted, 96);
AT(quern_cache_entry, reserved, 100);

SIZE(quern_cache_prune_options, 72);
AT(quern_cache_prune_options, struct_size, 0);
AT(quern_cache_prune_options, max_bytes, 8);
AT(quern_cache_prune_options, older_than_s, 16);
AT(quern_cache_prune_options, target, 24);
AT(quern_cache_prune_options, kernel, 32);
AT(quern_cache_prune_options, all, 40);
AT(quern_cache_prune_options, dry_run, 44);
AT(quern_cache_prune_options, visit, 48);
AT(quern_cache_prune_options, user, 56);
AT(quern_cache_prune_options, clear, 64);
AT(quern_cache_prune_options, reserved, 68);

SIZE(quern_cache_prune_result, 72);
AT(quern_cache_prune_result, struct_size, 0);
AT(quern_cache_prune_result, removed, 8);
AT(quern_cache_prune_result, removed_bytes, 16);
AT(quern_cache_prune_result, kept, 24);
AT(quern_cache_prune_result, kept_bytes, 32);
AT(quern_cache_prune_result, temporary_files, 40);
AT(quern_cache_prune_result, blobs, 48);
AT(quern_cache_prune_result, blob_bytes, 56);
AT(quern_cache_prune_result, quarantined, 64);

SIZE(quern_cache_problem, 32);
AT(quern_cache_problem, struct_size, 0);
AT(quern_cache_problem, path, 8);
AT(quern_cache_problem, what, 16);
AT(quern_cache_problem, repaired, 24);
AT(quern_cache_problem, reserved, 28);

SIZE(quern_cache_check_options, 32);
AT(quern_cache_check_options, struct_size, 0);
AT(quern_cache_check_options, thorough, 8);
AT(quern_cache_check_options, repair, 12);
AT(quern_cache_check_options, visit, 16);
AT(quern_cache_check_options, user, 24);

SIZE(quern_cache_check_result, 48);
AT(quern_cache_check_result, struct_size, 0);
AT(quern_cache_check_result, entries, 8);
AT(quern_cache_check_result, blobs, 16);
AT(quern_cache_check_result, bytes, 24);
AT(quern_cache_check_result, problems, 32);
AT(quern_cache_check_result, repaired, 40);

SIZE(quern_cache_stats, 80);
AT(quern_cache_stats, struct_size, 0);
AT(quern_cache_stats, hits, 8);
AT(quern_cache_stats, misses, 16);
AT(quern_cache_stats, compiles, 24);
AT(quern_cache_stats, compile_ms, 32);
AT(quern_cache_stats, saved_ms, 40);
AT(quern_cache_stats, corrupt, 48);
AT(quern_cache_stats, evicted, 56);
AT(quern_cache_stats, evicted_bytes, 64);
AT(quern_cache_stats, since, 72);

SIZE(quern_cache_package, 56);
AT(quern_cache_package, struct_size, 0);
AT(quern_cache_package, id, 8);
AT(quern_cache_package, manifest, 16);
AT(quern_cache_package, trust, 24);
AT(quern_cache_package, version, 32);
AT(quern_cache_package, files, 36);
AT(quern_cache_package, size_bytes, 40);
AT(quern_cache_package, resolved, 48);

SIZE(quern_kernel_desc, 40);
AT(quern_kernel_desc, struct_size, 0);
AT(quern_kernel_desc, kernel, 8);
AT(quern_kernel_desc, options, 16);
AT(quern_kernel_desc, target, 24);
AT(quern_kernel_desc, shared_bytes, 32);

SIZE(quern_loaded_kernel_info, 80);
AT(quern_loaded_kernel_info, struct_size, 0);
AT(quern_loaded_kernel_info, kernel, 8);
AT(quern_loaded_kernel_info, entry, 16);
AT(quern_loaded_kernel_info, target, 24);
AT(quern_loaded_kernel_info, digest, 32);
AT(quern_loaded_kernel_info, origin, 40);
AT(quern_loaded_kernel_info, registers, 48);
AT(quern_loaded_kernel_info, spill_bytes, 52);
AT(quern_loaded_kernel_info, static_shared_bytes, 56);
AT(quern_loaded_kernel_info, parameter_count, 60);
AT(quern_loaded_kernel_info, parameter_bytes, 64);
AT(quern_loaded_kernel_info, trust, 72);

SIZE(quern_launch, 80);
AT(quern_launch, struct_size, 0);
AT(quern_launch, grid, 8);
AT(quern_launch, block, 20);
AT(quern_launch, cluster, 32);
AT(quern_launch, shared_bytes, 48);
AT(quern_launch, parameters, 56);
AT(quern_launch, parameter_bytes, 64);
AT(quern_launch, parameter_count, 72);
AT(quern_launch, overlap, 76);

SIZE(quern_fetch_progress, 32);
AT(quern_fetch_progress, struct_size, 0);
AT(quern_fetch_progress, package, 8);
AT(quern_fetch_progress, received, 16);
AT(quern_fetch_progress, total, 24);

SIZE(quern_resolve_options, 32);
AT(quern_resolve_options, struct_size, 0);
AT(quern_resolve_options, locked, 8);
AT(quern_resolve_options, offline, 12);
AT(quern_resolve_options, visit, 16);
AT(quern_resolve_options, user, 24);

SIZE(quern_package, 88);
AT(quern_package, struct_size, 0);
AT(quern_package, id, 8);
AT(quern_package, manifest, 16);
AT(quern_package, digest, 24);
AT(quern_package, registry, 32);
AT(quern_package, commit, 40);
AT(quern_package, trust, 48);
AT(quern_package, signer, 56);
AT(quern_package, note, 64);
AT(quern_package, version, 72);
AT(quern_package, build, 76);
AT(quern_package, fetched, 80);
AT(quern_package, reserved, 84);

SIZE(quern_lock_options, 48);
AT(quern_lock_options, struct_size, 0);
AT(quern_lock_options, source, 8);
AT(quern_lock_options, check, 16);
AT(quern_lock_options, keep, 20);
AT(quern_lock_options, unsigned_too, 24);
AT(quern_lock_options, reserved, 28);
AT(quern_lock_options, visit, 32);
AT(quern_lock_options, user, 40);

SIZE(quern_packed_package, 80);
AT(quern_packed_package, struct_size, 0);
AT(quern_packed_package, id, 8);
AT(quern_packed_package, version, 16);
AT(quern_packed_package, build, 20);
AT(quern_packed_package, manifest, 24);
AT(quern_packed_package, document, 32);
AT(quern_packed_package, signatures, 40);
AT(quern_packed_package, signers, 48);
AT(quern_packed_package, size_bytes, 56);
AT(quern_packed_package, files, 64);
AT(quern_packed_package, warning_count, 68);
AT(quern_packed_package, warnings, 72);

SIZE(quern_pack_options, 40);
AT(quern_pack_options, struct_size, 0);
AT(quern_pack_options, keys, 8);
AT(quern_pack_options, output, 16);
AT(quern_pack_options, visit, 24);
AT(quern_pack_options, user, 32);

SIZE(quern_registry_keys, 48);
AT(quern_registry_keys, struct_size, 0);
AT(quern_registry_keys, root, 8);
AT(quern_registry_keys, snapshot, 16);
AT(quern_registry_keys, timestamp, 24);
AT(quern_registry_keys, root_days, 32);
AT(quern_registry_keys, snapshot_days, 36);
AT(quern_registry_keys, timestamp_days, 40);
AT(quern_registry_keys, reserved, 44);

SIZE(quern_publish_options, 48);
AT(quern_publish_options, struct_size, 0);
AT(quern_publish_options, keys, 8);
AT(quern_publish_options, publishers, 16);
AT(quern_publish_options, min_client_major, 24);
AT(quern_publish_options, min_client_minor, 28);
AT(quern_publish_options, visit, 32);
AT(quern_publish_options, user, 40);

SIZE(quern_next_root, 48);
AT(quern_next_root, struct_size, 0);
AT(quern_next_root, root, 8);
AT(quern_next_root, snapshot, 16);
AT(quern_next_root, timestamp, 24);
AT(quern_next_root, root_threshold, 32);
AT(quern_next_root, snapshot_threshold, 36);
AT(quern_next_root, timestamp_threshold, 40);
AT(quern_next_root, reserved, 44);

SIZE(quern_registry_release, 64);
AT(quern_registry_release, struct_size, 0);
AT(quern_registry_release, id, 8);
AT(quern_registry_release, version, 16);
AT(quern_registry_release, build, 20);
AT(quern_registry_release, manifest, 24);
AT(quern_registry_release, min_client, 32);
AT(quern_registry_release, revoked, 40);
AT(quern_registry_release, published, 48);
AT(quern_registry_release, yanked, 56);
AT(quern_registry_release, is_signed, 60);

SIZE(quern_registry_contents, 112);
AT(quern_registry_contents, struct_size, 0);
AT(quern_registry_contents, root_keys, 8);
AT(quern_registry_contents, snapshot_keys, 16);
AT(quern_registry_contents, timestamp_keys, 24);
AT(quern_registry_contents, root_threshold, 32);
AT(quern_registry_contents, snapshot_threshold, 36);
AT(quern_registry_contents, timestamp_threshold, 40);
AT(quern_registry_contents, passed_over, 44);
AT(quern_registry_contents, root_version, 48);
AT(quern_registry_contents, snapshot_version, 56);
AT(quern_registry_contents, timestamp_version, 64);
AT(quern_registry_contents, root_expires, 72);
AT(quern_registry_contents, snapshot_expires, 80);
AT(quern_registry_contents, timestamp_expires, 88);
AT(quern_registry_contents, releases, 96);
AT(quern_registry_contents, release_count, 104);

/* Every INIT macro fills in the size of its struct. */
int main(void) {
  { const quern_hub_options s = QUERN_HUB_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_hub_info s = QUERN_HUB_INFO_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_hub_stats s = QUERN_HUB_STATS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_device_info s = QUERN_DEVICE_INFO_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_weights_shape s = QUERN_WEIGHTS_SHAPE_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_decode_policy s = QUERN_DECODE_POLICY_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_dequantize_desc s = QUERN_DEQUANTIZE_DESC_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_dequantize_args s = QUERN_DEQUANTIZE_ARGS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_quantize_desc s = QUERN_QUANTIZE_DESC_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_quantize_args s = QUERN_QUANTIZE_ARGS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_weights_desc s = QUERN_WEIGHTS_DESC_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_gemm_desc s = QUERN_GEMM_DESC_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_gemm_args s = QUERN_GEMM_ARGS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_prefetch_options s = QUERN_PREFETCH_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_prefetch_result s = QUERN_PREFETCH_RESULT_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_cache_prune_options s = QUERN_CACHE_PRUNE_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_cache_prune_result s = QUERN_CACHE_PRUNE_RESULT_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_kernel_desc s = QUERN_KERNEL_DESC_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_loaded_kernel_info s = QUERN_LOADED_KERNEL_INFO_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_launch s = QUERN_LAUNCH_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_resolve_options s = QUERN_RESOLVE_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_lock_options s = QUERN_LOCK_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_cache_check_options s = QUERN_CACHE_CHECK_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_cache_check_result s = QUERN_CACHE_CHECK_RESULT_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_cache_stats s = QUERN_CACHE_STATS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_pack_options s = QUERN_PACK_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_registry_keys s = QUERN_REGISTRY_KEYS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_publish_options s = QUERN_PUBLISH_OPTIONS_INIT; if (s.struct_size != sizeof s) return 1; }
  { const quern_next_root s = QUERN_NEXT_ROOT_INIT; if (s.struct_size != sizeof s) return 1; }
  return 0;
}
