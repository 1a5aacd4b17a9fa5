// The operations of the CPU device. A run allocates nothing, takes no lock and leaves the floating-point environment as
// it is. Parameter blocks are those of the GPU kernels, but pointers need only the alignment of their element and
// strides no more than to hold a row.
#pragma once

#include <quern/dequantize_params.h>
#include <quern/gemm_params.h>
#include <quern/quantize_params.h>
#include <quern/repack_params.h>

#include "runtime/cpu/thread_pool.hpp"

namespace quern::cpu {

// Bit for bit what decode_mxfp4() and the roundings of mxfp4.h give, NaN payloads excepted.
void dequantize(const DequantizeParams &params, ThreadPool &pool) noexcept;

// W as decode_mxfp4() gives it in f32 with NaN propagated; x_dtype and y_dtype may also be f32, and x_dtype E4M3 with
// x_scales. Each output is summed
// in one fixed order, so its bits depend on its row of X and its row of W alone: not on M, on the threads or, where X
// is f16 or bf16 and no sum is subnormal, on the instruction set.
void gemm(const GemmParams &params, ThreadPool &pool) noexcept;

// The same on packed weights, which it unpacks into the workspace first.
void packed_gemm(const GemmParams &params, ThreadPool &pool) noexcept;
size_t packed_gemm_workspace_bytes(int64_t n, int64_t k);

// Rows to E4M3 and their scales, bit for bit as e4m3.h says; every NaN is 0x7f.
void quantize(const QuantizeParams &params, ThreadPool &pool) noexcept;

// Canonical weights to a packed tensor whose header is in place, or back.
void repack(const RepackParams &params, ThreadPool &pool) noexcept;

// What the kernels run with: "AVX-512", "AVX2", "SSE4", "NEON" or "scalar".
const char *instruction_set();

}  // namespace quern::cpu
