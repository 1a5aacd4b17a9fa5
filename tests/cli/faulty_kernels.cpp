// Loaded before libquern to spoil what its CPU kernels compute, so that `quern selftest` can be seen to notice.
// QUERN_TEST_FAULT names the fault.
#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <quern/quern.h>

namespace {

struct Result {
  int64_t columns = 0, stride = 0;
  size_t bytes = 0;  // of one element
  int calls = 0;
};
Result gemm_result, dequantize_result, quantize_result;  // of the last plan made

template <typename Function>
Function *next(const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

void spoil(void *memory, int64_t rows, Result &result) {
  const int calls = ++result.calls;
  const char *chosen = std::getenv("QUERN_TEST_FAULT");
  const std::string fault = chosen ? chosen : "";
  auto *first = static_cast<unsigned char *>(memory);
  auto *end = first + static_cast<size_t>((rows - 1) * result.stride + result.columns) * result.bytes;
  if (fault == "sign" && calls == 9) first[result.bytes - 1] ^= 0x80;
  if (fault == "hole" && calls == 9) std::memset(end - result.bytes, 0xff, result.bytes);
  if (fault == "before" && calls == 9) first[-1] = 0;
  if (fault == "behind" && calls == 9) end[0] = 0;
  if (fault == "between" && rows > 1 && result.stride > result.columns) first[result.columns * result.bytes] = 0;
  if (fault == "low-bit") *first ^= 1;
  if (fault == "unsteady" && calls % 2 == 0) *first ^= 1;
}

}  // namespace

extern "C" quern_status quern_gemm_plan(quern_device *device, const quern_gemm_desc *desc, quern_plan **plan) {
  gemm_result = {desc->n, desc->y_stride, desc->y_dtype == QUERN_DTYPE_F32 ? size_t{4} : size_t{2}, gemm_result.calls};
  return next<decltype(quern_gemm_plan)>("quern_gemm_plan")(device, desc, plan);
}

extern "C" quern_status quern_gemm_run(const quern_plan *plan, const quern_gemm_args *args, quern_stream stream) {
  const quern_status status = next<decltype(quern_gemm_run)>("quern_gemm_run")(plan, args, stream);
  if (status == QUERN_OK) spoil(args->y, args->m, gemm_result);
  return status;
}

extern "C" quern_status quern_dequantize_plan(quern_device *device, const quern_dequantize_desc *desc,
                                              quern_plan **plan) {
  dequantize_result = {desc->k, desc->dst_stride, desc->dst_dtype == QUERN_DTYPE_F32 ? size_t{4} : size_t{2},
                       dequantize_result.calls};
  return next<decltype(quern_dequantize_plan)>("quern_dequantize_plan")(device, desc, plan);
}

extern "C" quern_status quern_dequantize_run(const quern_plan *plan, const quern_dequantize_args *args,
                                             quern_stream stream) {
  const quern_status status = next<decltype(quern_dequantize_run)>("quern_dequantize_run")(plan, args, stream);
  // The weights of a GEMM's reference come dense, without a stride in the plan: those are left whole.
  if (status == QUERN_OK && dequantize_result.stride > 0) spoil(args->dst, args->rows, dequantize_result);
  return status;
}

extern "C" quern_status quern_quantize_plan(quern_device *device, const quern_quantize_desc *desc, quern_plan **plan) {
  quantize_result = {desc->k, desc->dst_stride, size_t{1}, quantize_result.calls};
  return next<decltype(quern_quantize_plan)>("quern_quantize_plan")(device, desc, plan);
}

extern "C" quern_status quern_quantize_run(const quern_plan *plan, const quern_quantize_args *args,
                                           quern_stream stream) {
  const quern_status status = next<decltype(quern_quantize_run)>("quern_quantize_run")(plan, args, stream);
  if (status == QUERN_OK) spoil(args->dst, args->rows, quantize_result);
  return status;
}
