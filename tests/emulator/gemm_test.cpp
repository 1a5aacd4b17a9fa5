// The GEMM kernels on the emulator: every instance that kernel.json has, over shapes that end tiles, stages
// and K everywhere, against sums that are exact.
#include <gtest/gtest.h>

#include <quern/activation.h>
#include <quern/e4m3.h>
#include <quern/packed_layout.h>

#include <cmath>
#include <fstream>
#include <new>
#include <random>
#include <sstream>

#include "emulator/cuda.hpp"
#include "emulator/emulated_kernels.hpp"
#include "emulator/include/quern/async_copy.cuh"
#include "registry/package/manifest.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/cpu/thread_pool.hpp"

std::vector<emulator::EmulatedKernel> &emulator::emulated_kernels() {
  static std::vector<EmulatedKernel> kernels;
  return kernels;
}

namespace quern {
namespace {

using emulator::EmulatedKernel;

const Manifest &manifest() {
  static const Manifest read = [] {
    std::ifstream file(QUERN_GEMM_MANIFEST);
    std::stringstream text;
    text << file.rdbuf();
    return parse_manifest(text.str(), "kernel.json");
  }();
  return read;
}

const Variant &variant_of(const EmulatedKernel &kernel) {
  for (const Variant &variant : manifest().variants) {
    if (variant.name == kernel.name) return variant;
  }
  throw std::runtime_error("no variant is called " + kernel.name);
}

struct Shape {
  int m, n, k, sms;
  int more_seeds = 0;  // where what matters is rare: a warp that is late by all that others do in a tail
};

// What varies beside the shape.
struct Finish {
  uint32_t y_dtype, bias_dtype;
  uint8_t activation;
  bool residual;
  int y_padding;
  bool nan;  // one token has one, and one row of W in a scale
};
constexpr Finish kPlain = {kBf16, kF32, kActivationNone, false, 0, false};
constexpr Finish kUnaligned = {kBf16, kF32, kActivationNone, false, 3, false};
constexpr Finish kGeneral = {kF32, kBf16, kActivationRelu, true, 3, false};
constexpr Finish kWithNan = {kBf16, kF32, kActivationNone, false, 0, true};

// As a GPU's allocations are, and not a byte longer: a sanitizer sees reads behind the end.
template <typename T>
struct Aligned {
  explicit Aligned(size_t elements) : count(elements), memory(new (std::align_val_t{1024}) T[elements]) {}
  ~Aligned() { operator delete[](memory, std::align_val_t{1024}); }
  Aligned(const Aligned &) = delete;
  Aligned &operator=(const Aligned &) = delete;
  T &operator[](size_t i) { return memory[i]; }
  size_t bytes() const { return count * sizeof(T); }
  const size_t count;
  T *const memory;
};

size_t dtype_bytes(uint32_t dtype) { return dtype == kF32 ? 4 : 2; }

// Written again here, since the kernels' own stores are what is tested.
void store(void *tensor, size_t index, uint32_t dtype, float value) {
  if (dtype == kF32) {
    static_cast<float *>(tensor)[index] = value;
  } else {
    static_cast<uint16_t *>(tensor)[index] = dtype == kF16 ? f16_from_f32(value) : bf16_from_f32(value);
  }
}

// A product of small integers, so that every sum is exact in f32 in any order.
class Gemm {
 public:
  Gemm(const EmulatedKernel &kernel, const Shape &shape, const Finish &finish)
      : kernel_(kernel),
        variant_(variant_of(kernel)),
        shape_(shape),
        finish_(finish),
        m_(static_cast<size_t>(shape.m)),
        n_(static_cast<size_t>(shape.n)),
        k_(static_cast<size_t>(shape.k)),
        x_(((m_ - 1) * (k_ + 16) + k_) * (kernel.x_dtype == kE4m3 ? 1 : 2)),
        x_scales_(m_),
        blocks_(n_ * k_ / 2),
        scales_(n_ * k_ / 32),
        packed_(static_cast<size_t>(packed_bytes(shape.n, shape.k))),
        bias_(n_ * dtype_bytes(finish.bias_dtype)),
        residual_(m_ * n_ * dtype_bytes(y_dtype())),
        y_(((m_ - 1) * y_stride() + n_) * dtype_bytes(y_dtype())) {}

  bool accepted() const {
    const Problem problem = problem_of_shape();
    for (size_t i = 0; i < problem.operation->fields.size(); ++i) {
      if (variant_.accepts[i].refuse(problem.operation->fields[i], problem.values[i])) return false;
    }
    const Specialization asked = variant_.specialize.of(problem.values);
    return std::equal(kernel_.kinds.begin(), kernel_.kinds.end(), asked.end() - std::ssize(kernel_.kinds),
                      [](int64_t compiled, int64_t wanted) { return compiled == 0 || wanted == 1; });
  }

  void run(uint64_t seed) {
    fill(seed);
    const Problem problem = problem_of_shape();
    std::array<int64_t, kSlots> slots{};
    std::copy(problem.values.begin(), problem.values.end(), slots.begin());
    slots[kSmCountSlot] = shape_.sms;
    TensorMap maps[kMaxTensorMaps] = {};
    for (size_t i = 0; i < variant_.launch.tensor_maps.size(); ++i) maps[i] = map_of(variant_.launch.tensor_maps[i]);
    emulator::Launch launch;
    launch.grid = static_cast<unsigned>(variant_.launch.grid[0].evaluate(slots));
    launch.block = variant_.launch.block[0];
    launch.cluster = variant_.launch.cluster[0];
    launch.shared_bytes = static_cast<size_t>(variant_.launch.shared_bytes.evaluate(slots));
    launch.kernel = [&] { kernel_.call(p_, maps); };
    emulator::run(launch, seed);
    check();
  }

 private:
  Problem problem_of_shape() const {
    Problem problem{&gemm_operation()};
    problem["format"] = 1;  // MXFP4
    problem["m"] = shape_.m;
    problem["n"] = shape_.n;
    problem["k"] = shape_.k;
    problem["x_dtype"] = kernel_.x_dtype;
    problem["y_dtype"] = y_dtype();
    problem["bias_dtype"] = finish_.bias_dtype;
    problem["layout"] = layout();
    problem["activation"] = finish_.activation;
    problem["residual"] = finish_.residual;
    problem["accumulation"] = kernel_.name.ends_with("_fast") ? kAccumulationFast : kAccumulationPromoted;
    return problem;
  }

  // X in E4M3 goes with either.
  uint32_t y_dtype() const {
    const bool f16 = kernel_.x_dtype == kF16 || (kernel_.x_dtype == kE4m3 && finish_.y_padding > 0);
    return finish_.y_dtype == kBf16 && f16 ? uint32_t{kF16} : finish_.y_dtype;
  }
  uint32_t layout() const {
    const auto field = static_cast<size_t>(gemm_operation().find("layout"));
    if (!variant_.accepts[field].refuse(gemm_operation().fields[field], kLayoutCanonical)) return kLayoutCanonical;
    return kernel_.x_dtype == kE4m3 ? kLayoutMma16E5m2 : kernel_.x_dtype == kF16 ? kLayoutMma16F16 : kLayoutMma16Bf16;
  }

  void fill(uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&](int least, int most) {
      return least + static_cast<int>(random() % static_cast<unsigned>(most - least + 1));
    };
    x_values_.resize(m_ * k_);
    w_values_.resize(n_ * k_);
    const size_t x_stride = k_ + 16;
    const bool fp8 = kernel_.x_dtype == kE4m3;
    std::memset(x_.memory, 0xff, x_.bytes());  // NaN behind the ends of rows
    for (size_t row = 0; row < m_; ++row) {
      x_scales_[row] = std::ldexp(1.0f, pick(-1, 1));
      for (size_t i = 0; i < k_; ++i) {
        const int value = pick(-2, 2);
        x_values_[row * k_ + i] = static_cast<float>(value) * (fp8 ? x_scales_[row] : 1.0f);
        if (fp8) {
          x_[row * x_stride + i] = e4m3_from_f32(static_cast<float>(value));
        } else {
          store(x_.memory, row * x_stride + i, kernel_.x_dtype, static_cast<float>(value));
        }
      }
    }
    for (uint8_t *scale = scales_.memory; scale != scales_.memory + scales_.count; ++scale) {
      *scale = static_cast<uint8_t>(pick(126, 128));
    }
    for (uint8_t *byte = blocks_.memory; byte != blocks_.memory + blocks_.count; ++byte) {
      *byte = static_cast<uint8_t>(random());
    }
    for (size_t i = 0; i < w_values_.size(); ++i) {
      const uint8_t code = i % 2 == 0 ? blocks_[i / 2] & 15u : blocks_[i / 2] >> 4;
      constexpr float kMagnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
      w_values_[i] = std::ldexp(kMagnitudes[code & 7u] * (code & 8u ? -1.0f : 1.0f), scales_[i / 32] - 127);
    }
    if (finish_.nan) {
      scales_[nan_row() * k_ / 32] = 255;
      const size_t at = (nan_token() * x_stride + k_ - 1) * (fp8 ? 1 : 2);
      std::memset(&x_[at], 0x7f, fp8 ? 1 : 2);
      if (!fp8) x_[at + 1] = 0x7f, x_[at] = 0xff;
    }
    if (layout() != kLayoutCanonical) pack();
    for (size_t i = 0; i < n_; ++i) store(bias_.memory, i, finish_.bias_dtype, static_cast<float>(pick(-8, 8)));
    for (size_t i = 0; i < m_ * n_; ++i) store(residual_.memory, i, y_dtype(), static_cast<float>(pick(-8, 8)));
    std::memset(y_.memory, 0xff, y_.bytes());

    p_ = {};
    p_.x = x_.memory, p_.x_scales = fp8 ? x_scales_.memory : nullptr, p_.x_stride = static_cast<int64_t>(x_stride);
    p_.blocks = packed_.memory + packed_tiles_offset(shape_.n), p_.scales = packed_.memory + kPackedHeaderBytes;
    if (layout() == kLayoutCanonical) p_.blocks = blocks_.memory, p_.scales = scales_.memory;
    p_.blocks_stride = shape_.k / 2, p_.scales_stride = shape_.k / 32;
    p_.bias = bias_.memory, p_.y = y_.memory, p_.y_stride = static_cast<int64_t>(y_stride());
    if (finish_.residual) p_.residual = residual_.memory, p_.residual_stride = shape_.n;
    p_.m = shape_.m, p_.n = shape_.n, p_.k = shape_.k, p_.alpha = 0.5f;
    p_.x_dtype = static_cast<uint8_t>(kernel_.x_dtype), p_.y_dtype = static_cast<uint8_t>(y_dtype());
    p_.bias_dtype = static_cast<uint8_t>(finish_.bias_dtype), p_.activation = finish_.activation;
    p_.accumulation = static_cast<uint8_t>(problem_of_shape()["accumulation"]);
  }

  void pack() {
    std::memset(packed_.memory, 0, packed_.bytes());
    RepackParams repack{};
    repack.blocks = blocks_.memory, repack.scales = scales_.memory, repack.packed = packed_.memory;
    repack.blocks_stride = shape_.k / 2, repack.scales_stride = shape_.k / 32;
    repack.n = shape_.n, repack.k = shape_.k, repack.layout = layout(), repack.direction = kRepackPack;
    cpu::ThreadPool pool(1);
    cpu::repack(repack, pool);
  }

  size_t nan_token() const { return m_ / 2; }
  size_t nan_row() const { return n_ - 5; }
  size_t y_stride() const {
    return n_ + static_cast<size_t>(finish_.y_padding) + (finish_.y_padding == 0 && n_ % 8 == 0 ? 8 : 0);
  }

  TensorMap map_of(const TensorMapRequest &request) const {
    TensorMap map{};
    map.words[kMapBoxColumns] = request.box[0];
    map.words[kMapBoxRows] = request.box[1];
    map.words[kMapSwizzle] = request.swizzle;
    map.words[kMapElementBytes] = static_cast<uint64_t>(gemm_operation().operands[request.operand].element_bytes);
    if (request.operand == 0) {
      const uint64_t units = kernel_.x_dtype == kE4m3 ? 2 : 1;
      map.words[kMapAddress] = reinterpret_cast<uint64_t>(p_.x);
      map.words[kMapColumns] = static_cast<uint64_t>(p_.k) / units;
      map.words[kMapRows] = static_cast<uint64_t>(p_.m);
      map.words[kMapStride] = static_cast<uint64_t>(p_.x_stride) * 2 / units;
    } else {
      map.words[kMapAddress] = reinterpret_cast<uint64_t>(p_.blocks);
      map.words[kMapStride] = static_cast<uint64_t>(packed_k_tiles(p_.k)) * kPackedTileBytes;
      map.words[kMapColumns] = map.words[kMapStride] / 8;
      map.words[kMapRows] = static_cast<uint64_t>(packed_row_tiles(p_.n));
    }
    return map;
  }

  void check() {
    int wrong = 0;
    for (size_t row = 0; row < m_; ++row) {
      for (size_t column = 0; column < n_; ++column) {
        float sum = 0;
        for (size_t i = 0; i < k_; ++i) sum += x_values_[row * k_ + i] * w_values_[column * k_ + i];
        float value = 0.5f * sum + at(bias_.memory, column, finish_.bias_dtype);
        if (finish_.activation == kActivationRelu) value = std::max(value, 0.0f);
        if (finish_.nan && (row == nan_token() || column == nan_row())) value = NAN;
        if (finish_.residual) value += at(residual_.memory, row * n_ + column, y_dtype());
        float rounded;  // memory for a value of Y's type
        store(&rounded, 0, y_dtype(), value);
        const float wanted = at(&rounded, 0, y_dtype()), got = at(y_.memory, row * y_stride() + column, y_dtype());
        if (wanted != got && !(std::isnan(wanted) && std::isnan(got)) && ++wrong <= 3) {
          ADD_FAILURE() << "token " << row << ", row " << column << ": " << got << ", not " << wanted;
        }
      }
      const size_t first = row * y_stride() * dtype_bytes(y_dtype());
      for (size_t i = n_ * dtype_bytes(y_dtype()); i < y_stride() * dtype_bytes(y_dtype()); ++i) {
        if (row + 1 < m_ && y_[first + i] != 0xff && ++wrong <= 3) ADD_FAILURE() << "written behind a row";
      }
    }
    EXPECT_EQ(wrong, 0);
  }

  static float at(const void *tensor, size_t index, uint32_t dtype) {
    if (dtype == kF32) return static_cast<const float *>(tensor)[index];
    const uint16_t bits = static_cast<const uint16_t *>(tensor)[index];
    return dtype == kF16 ? f32_from_f16(bits) : f32_from_bf16(bits);
  }

  const EmulatedKernel &kernel_;
  const Variant &variant_;
  const Shape shape_;
  const Finish finish_;
  const size_t m_, n_, k_;
  Aligned<uint8_t> x_;
  Aligned<float> x_scales_;
  Aligned<uint8_t> blocks_, scales_, packed_, bias_, residual_, y_;
  std::vector<float> x_values_, w_values_;
  GemmParams p_;
};

#if defined(__SANITIZE_ADDRESS__)  // seven times as slow
constexpr uint64_t kSeeds[] = {1};
constexpr Shape kShapes[] = {{1, 40, 96, 2}, {33, 200, 320, 2}, {130, 264, 192, 3}, {300, 136, 64, 4}};
#else
constexpr uint64_t kSeeds[] = {1, 2};
constexpr Shape kShapes[] = {{1, 40, 96, 2},     {7, 130, 160, 1},   {16, 72, 1056, 3},   {33, 200, 320, 2},
                             {64, 136, 2880, 2}, {130, 264, 192, 3}, {250, 392, 192, 3},  {260, 392, 320, 6},
                             {300, 136, 64, 4},  {449, 200, 192, 5}, {130, 1096, 192, 4}, {130, 128, 640, 2, 10}};
#endif

class EmulatedGemm : public testing::TestWithParam<size_t> {};

TEST_P(EmulatedGemm, IsExact) {
  const EmulatedKernel &kernel = emulator::emulated_kernels()[GetParam()];
  int ran = 0, with_nan = 0;
  for (const Shape &shape : kShapes) {
    for (const Finish &finish : {kPlain, kUnaligned, kGeneral, kWithNan}) {
      if (finish.nan && with_nan > 0) continue;
      Gemm gemm(kernel, shape, finish);
      if (!gemm.accepted()) continue;
      SCOPED_TRACE(testing::Message() << "m " << shape.m << ", n " << shape.n << ", k " << shape.k << ", " << shape.sms
                                      << " SMs, y_dtype " << finish.y_dtype);
      for (const uint64_t seed : kSeeds) ASSERT_NO_THROW(gemm.run(seed));
      for (int i = 0; i < shape.more_seeds; ++i) ASSERT_NO_THROW(gemm.run(100 + static_cast<uint64_t>(i)));
      if (HasFailure()) return;
      ++ran;
      with_nan += finish.nan;
    }
  }
  EXPECT_GE(ran, 3) << "no shape here is for it";
}

std::vector<size_t> all() {
  std::vector<size_t> indices(emulator::emulated_kernels().size());
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  return indices;
}
constexpr const char *kTypes[] = {"", "f32", "f16", "bf16", "e4m3"};
INSTANTIATE_TEST_SUITE_P(Kernels, EmulatedGemm, testing::ValuesIn(all()), [](const auto &tested) {
  const EmulatedKernel &kernel = emulator::emulated_kernels()[tested.param];
  std::string name = kernel.name + "_" + kTypes[kernel.x_dtype];
  for (size_t i = 0; i < kernel.kinds.size(); ++i) {
    if (kernel.kinds[i] == 1) name += "_" + variant_of(kernel).specialize.kinds[i].name;
  }
  return name;
});

}  // namespace
}  // namespace quern
