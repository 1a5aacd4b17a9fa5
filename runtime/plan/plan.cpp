#include "runtime/plan/plan.hpp"

#include <quern/mxfp4.h>

#include "runtime/base/error.hpp"

namespace quern {

void Plan::check_run(int64_t size, const char *size_name, const void *workspace, size_t workspace_bytes) const {
  if (size < executor_->smallest() || size > executor_->largest()) {
    fail(QUERN_INVALID_ARGUMENT, size_name, " is ", size, "; this plan runs ", executor_->smallest(), " to ",
         executor_->largest());
  }
  const size_t needed = executor_->workspace_bytes(size);
  if (workspace_bytes < needed) {
    fail(QUERN_BUFFER_TOO_SMALL, "workspace_bytes is ", workspace_bytes, "; this run needs ", needed,
         " (quern_plan_workspace_size)");
  }
  if (needed > 0) check_pointer("workspace", workspace, 256);
}

quern_format resolve_format(quern_format format) {
  if (format == 0) return QUERN_FORMAT_MXFP4;
  if (format != QUERN_FORMAT_MXFP4) {
    fail(QUERN_INVALID_ARGUMENT, "format is ", static_cast<int>(format), "; it must be QUERN_FORMAT_MXFP4");
  }
  return format;
}

void check_size(const char *name, int64_t value, int64_t most) {
  if (value < 1 || value > most) fail(QUERN_INVALID_ARGUMENT, name, " is ", value, "; it must be 1 to ", most);
}

void check_k(int64_t k) {
  check_size("k", k, INT32_MAX);
  if (k % kMxfp4Block != 0) fail(QUERN_INVALID_ARGUMENT, "k is ", k, "; MXFP4 needs a multiple of ", kMxfp4Block);
}

void check_choice(const char *name, int64_t value, int64_t most, const char *valid) {
  if (value < 0 || value > most) fail(QUERN_INVALID_ARGUMENT, name, " is ", value, "; use ", valid);
}

int64_t resolve_stride(const char *name, int64_t stride, int64_t row, int64_t multiple) {
  if (stride == 0) stride = row;
  if (stride < row || stride > (INT64_C(1) << 40)) {
    fail(QUERN_INVALID_ARGUMENT, name, " is ", stride, "; a row has ", row);
  }
  if (stride % multiple != 0) {
    fail(QUERN_INVALID_ARGUMENT, name, " is ", stride, "; on CUDA it must be a multiple of ", multiple);
  }
  return stride;
}

void check_pointer(const char *name, const void *pointer, size_t alignment) {
  if (pointer == nullptr) fail(QUERN_INVALID_ARGUMENT, name, " is NULL; pass the tensor's address");
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) {
    fail(QUERN_INVALID_ARGUMENT, name, " is not aligned to ", alignment, " bytes; copy it to an aligned buffer");
  }
}

size_t dtype_bytes(quern_dtype dtype) { return dtype == QUERN_DTYPE_F32 ? 4 : dtype == QUERN_DTYPE_E4M3 ? 1 : 2; }

}  // namespace quern
