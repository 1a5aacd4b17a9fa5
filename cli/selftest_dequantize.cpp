// Dequantize held to its contract bit for bit: every scale byte with every nibble under every policy and type, then
// shapes. The CPU is held to arithmetic in f64, all others to the CPU.
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "cli/dequantizer.hpp"
#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/global_options.hpp"
#include "cli/guarded_memory.hpp"
#include "cli/selftest_subject.hpp"

namespace quern::cli {
namespace {

using Bytes = std::vector<std::byte>;

struct Case {
  std::string name;
  int64_t rows, k;
  quern_dtype dtype;
  std::string preset;
  bool strided;  // with room between rows
  Bytes blocks, scales;

  std::string text() const {
    return cli::text(name, ", ", rows, " rows of ", k, " to ", dtype_name(dtype), ", policy ", preset);
  }
};

// Row s has scale byte s, and each nibble once in the low and once in the high half of a byte.
Case every_pair(quern_dtype dtype, const std::string &preset) {
  Case all{"every scale and nibble", 256, 32, dtype, preset, false, Bytes(256 * 16), Bytes(256)};
  for (size_t row = 0; row < 256; ++row) {
    all.scales[row] = static_cast<std::byte>(row);
    for (size_t i = 0; i < 16; ++i) {
      const size_t low = i < 8 ? 2 * i : 2 * i + 1, high = i < 8 ? 2 * i + 1 : 2 * i + 2;
      all.blocks[row * 16 + i] = static_cast<std::byte>((low & 15) | (high & 15) << 4);
    }
  }
  return all;
}

Case random_bytes(int64_t rows, int64_t k, quern_dtype dtype, bool strided) {
  std::mt19937 random(static_cast<unsigned>(rows * 31 + k));
  Case filled{"random bytes",
              rows,
              k,
              dtype,
              "ocp",
              strided,
              Bytes(static_cast<size_t>(rows * k / 2)),
              Bytes(static_cast<size_t>(rows * k / 32))};
  for (std::byte &byte : filled.blocks) byte = static_cast<std::byte>(random());
  for (std::byte &byte : filled.scales) byte = static_cast<std::byte>(random());
  return filled;
}

Bytes reference(const TestBench &bench, const Subject &subject, const Case &test, const quern_decode_policy &policy) {
  Bytes expected(static_cast<size_t>(test.rows * test.k) * dtype_bytes(test.dtype));
  if (!subject.is_cpu()) {
    Dequantizer cpu(bench.cpu, test.dtype, policy);
    cpu.run(test.blocks.data(), test.scales.data(), test.rows, test.k, expected.data());
    return expected;
  }
  for (int64_t i = 0; i < test.rows * test.k; ++i) {
    const auto pair = static_cast<unsigned>(test.blocks[static_cast<size_t>(i / 2)]);
    const auto scale = static_cast<unsigned>(test.scales[static_cast<size_t>(i / 32)]);
    store(reference_element(i % 2 == 0 ? pair & 15 : pair >> 4, scale, policy, test.dtype), expected.data(), i,
          test.dtype);
  }
  return expected;
}

// Which NaN is nobody's promise, but it must have been written.
bool same(const std::byte *got, const std::byte *expected, int64_t index, quern_dtype dtype) {
  const size_t width = dtype_bytes(dtype);
  const size_t offset = static_cast<size_t>(index) * width;
  if (!std::isnan(load(expected, index, dtype))) return std::memcmp(got + offset, expected + offset, width) == 0;
  bool poisoned = true;
  for (size_t i = 0; i < width; ++i) poisoned = poisoned && got[offset + i] == GuardedMemory::kPoison;
  return std::isnan(load(got, index, dtype)) && !poisoned;
}

std::string compare(const Case &test, const GuardedMemory &dst, int64_t dst_stride, const Bytes &expected) {
  const size_t width = dtype_bytes(test.dtype);
  for (int64_t row = 0; row < test.rows; ++row) {
    const std::byte *got = dst.data() + static_cast<size_t>(row * dst_stride) * width;
    const std::byte *wanted = expected.data() + static_cast<size_t>(row * test.k) * width;
    for (int64_t j = 0; j < test.k; ++j) {
      if (same(got, wanted, j, test.dtype)) continue;
      return text("dst[", row, ", ", j, "] is ", load(got, j, test.dtype), ", not ", load(wanted, j, test.dtype));
    }
    if (row + 1 == test.rows) break;
    for (size_t i = static_cast<size_t>(test.k) * width; i < static_cast<size_t>(dst_stride) * width; ++i) {
      if (got[i] != GuardedMemory::kPoison) return text("memory between rows ", row, " and ", row + 1, " was written");
    }
  }
  return "";
}

// "" or what is wrong; `refused` if the kernel does not take the case.
std::string run_case(const TestBench &bench, const Subject &subject, const Case &test, std::string &refused) {
  const quern_decode_policy policy = decode_policy(test.preset);
  quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT;
  desc.dst_dtype = test.dtype;
  desc.k = test.k;
  desc.rows_max = test.rows;
  desc.policy = &policy;
  desc.kernel = subject.force_or_null();
  desc.target = subject.target_or_null();
  desc.blocks_stride = test.k / 2 + (test.strided ? 16 : 0);
  desc.scales_stride = test.k / 32 + (test.strided ? 1 : 0);
  desc.dst_stride = test.k + (test.strided ? 8 : 0);
  const Served served = served_sizes(bench.device, desc, subject);
  if (!served.has(test.rows)) {
    refused = served.reason;
    return "";
  }
  const host::Plan plan = host::Plan::dequantize(bench.device, desc);
  const auto blocks =
      upload_rows(bench.device, test.blocks, static_cast<size_t>(test.k / 2), static_cast<size_t>(desc.blocks_stride));
  const auto scales =
      upload_rows(bench.device, test.scales, static_cast<size_t>(test.k / 32), static_cast<size_t>(desc.scales_stride));
  const int64_t elements = (test.rows - 1) * desc.dst_stride + test.k;
  GuardedMemory dst(bench.device, static_cast<size_t>(elements) * dtype_bytes(test.dtype));

  quern_dequantize_args args = QUERN_DEQUANTIZE_ARGS_INIT;
  args.rows = test.rows;
  args.blocks = blocks.get();
  args.scales = scales.get();
  args.dst = dst.get();
  args.workspace_bytes = plan.workspace_bytes(test.rows);
  const host::DeviceMemory workspace = bench.device.allocate(args.workspace_bytes);
  args.workspace = workspace.get();
  plan.run(args);
  bench.device.synchronize();
  if (!dst.fetch()) return "memory outside dst was written";
  return compare(test, dst, desc.dst_stride, reference(bench, subject, test, policy));
}

std::vector<Case> make_cases(const TestBench &bench, const Subject &subject) {
  static constexpr const char *kPresets[] = {"ocp",          "transformers",       "triton",
                                             "triton_torch", "modelopt",           "modelopt_packed",
                                             "torchao",      "compressed_tensors", "deepgemm"};
  static constexpr quern_dtype kDtypes[] = {QUERN_DTYPE_BF16, QUERN_DTYPE_F16, QUERN_DTYPE_F32};
  std::vector<Case> cases;
  for (const char *preset : kPresets) {
    for (const quern_dtype dtype : kDtypes) cases.push_back(every_pair(dtype, preset));
  }
  add_random_cases(bench, subject, {32, 96, 2880}, random_bytes, cases);
  return cases;
}

}  // namespace

Outcome test_dequantize(const TestBench &bench, const Subject &subject) {
  return run_cases(bench, subject, make_cases(bench, subject), run_case);
}

}  // namespace quern::cli
