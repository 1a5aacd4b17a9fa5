// The least time that work can take: its bytes at the rate of the memory, or its operations at the rate of the matrix
// units, whichever is longer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace quern::cli {

// Per microsecond, measured beside the work. 0: not known, and then no limit.
struct Roofs {
  double bytes = 0;
  std::string memory;  // what was measured: "copy", "read"
  double flops = 0;
  std::string compute;  // "cuBLAS bf16 8192x8192x8192"; "" where not known
};

struct Work {
  double bytes = 0, flops = 0;

  double bytes_time(const Roofs &roofs) const { return roofs.bytes > 0 ? bytes / roofs.bytes : 0; }
  double flops_time(const Roofs &roofs) const { return roofs.flops > 0 ? flops / roofs.flops : 0; }
  double least_us(const Roofs &roofs) const { return std::max(bytes_time(roofs), flops_time(roofs)); }
  double percent_of_roof(const Roofs &roofs, double us) const { return us > 0 ? 100 * least_us(roofs) / us : 0; }
  const char *bound(const Roofs &roofs) const { return flops_time(roofs) > bytes_time(roofs) ? "compute" : "memory"; }
};

// Blocks and scales: 17 bytes for 32 elements.
inline double mxfp4_bytes(int64_t rows, int64_t k) {
  return static_cast<double>(rows) * static_cast<double>(k) * 17 / 32;
}

// W in MXFP4 and X read once, Y of 2-byte elements written once.
inline Work gemm_work(int64_t m, int64_t n, int64_t k, size_t x_bytes = 2) {
  const auto dm = static_cast<double>(m), dn = static_cast<double>(n), dk = static_cast<double>(k);
  return {mxfp4_bytes(n, k) + dm * (2 * dn + static_cast<double>(x_bytes) * dk), 2 * dm * dn * dk};
}

// Read once, and E4M3 with a scale for each row written once.
inline Work quantize_work(int64_t rows, int64_t k, size_t dtype_bytes) {
  const auto elements = static_cast<double>(rows) * static_cast<double>(k);
  return {elements * (static_cast<double>(dtype_bytes) + 1) + 4 * static_cast<double>(rows), 0};
}

inline Work dequantize_work(int64_t rows, int64_t k, size_t dtype_bytes) {
  const double elements = static_cast<double>(rows) * static_cast<double>(k);
  return {mxfp4_bytes(rows, k) + elements * static_cast<double>(dtype_bytes), 0};
}

}  // namespace quern::cli
