#include "cli/bench_weights.hpp"

namespace quern::cli {
namespace {

constexpr size_t aligned(size_t bytes) { return (bytes + 255) / 256 * 256; }

size_t blocks_bytes(const BenchShape &shape) {
  return static_cast<size_t>(shape.rows) * static_cast<size_t>(shape.k / 2);
}
size_t scales_bytes(const BenchShape &shape) {
  return static_cast<size_t>(shape.rows) * static_cast<size_t>(shape.k / 32);
}

quern_weights_desc weights_desc(const BenchShape &shape, quern_layout layout) {
  quern_weights_desc desc = QUERN_WEIGHTS_DESC_INIT;
  desc.layout = layout;
  desc.n = shape.rows;
  desc.k = shape.k;
  return desc;
}

std::byte *at(const host::DeviceMemory &memory, size_t offset) {
  return static_cast<std::byte *>(memory.get()) + offset;
}

}  // namespace

CanonicalWeights::CanonicalWeights(const host::Device &device, const RandomWeights &weights, quern_stream stream)
    : scales_offset_(aligned(weights.blocks.size())), memory_(device.allocate(scales_offset_ + weights.scales.size())) {
  device.copy(memory_.get(), weights.blocks.data(), weights.blocks.size(), stream);
  device.copy(at(memory_, scales_offset_), weights.scales.data(), weights.scales.size(), stream);
}

size_t MxWeights::bytes(const BenchShape &shape, quern_layout layout) {
  if (layout == QUERN_LAYOUT_CANONICAL) return aligned(blocks_bytes(shape)) + aligned(scales_bytes(shape));
  const quern_weights_desc desc = weights_desc(shape, layout);
  size_t bytes = 0;
  host::check(quern_weights_packed_bytes(&desc, &bytes));
  return aligned(bytes);
}

MxWeights::MxWeights(const host::Device &device, const BenchShape &shape, quern_layout layout,
                     const RandomWeights &host, const CanonicalWeights &source, size_t copies, quern_stream stream)
    : packed_(layout != QUERN_LAYOUT_CANONICAL),
      copies_(copies),
      bytes_(bytes(shape, layout)),
      scales_offset_(aligned(blocks_bytes(shape))),
      memory_(device.allocate(copies * bytes_)) {
  const quern_weights_desc desc = weights_desc(shape, layout);
  for (size_t i = 0; i < copies_; ++i) {
    std::byte *const copy = at(memory_, i * bytes_);
    if (packed_) {
      host::check(quern_weights_pack(device.get(), &desc, source.blocks(), source.scales(), copy, stream));
    } else {
      device.copy(copy, host.blocks.data(), host.blocks.size(), stream);
      device.copy(copy + scales_offset_, host.scales.data(), host.scales.size(), stream);
    }
  }
}

void MxWeights::choose(size_t index, quern_gemm_args &args) const {
  const std::byte *const copy = at(memory_, index * bytes_);
  args.blocks = copy;
  args.scales = packed_ ? nullptr : copy + scales_offset_;
}

size_t DenseWeights::bytes(const BenchShape &shape) {
  return aligned(static_cast<size_t>(shape.rows) * static_cast<size_t>(shape.k) * 2);
}

DenseWeights::DenseWeights(const host::Device &device, const BenchShape &shape, quern_dtype dtype,
                           const CanonicalWeights &source, size_t copies, quern_stream stream)
    : copies_(copies), bytes_(bytes(shape)), memory_(device.allocate(copies * bytes_)) {
  quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT;
  desc.dst_dtype = dtype;
  desc.k = shape.k;
  desc.rows_max = shape.rows;
  const host::Plan plan = host::Plan::dequantize(device, desc);
  const host::DeviceMemory workspace = device.allocate(plan.workspace_bytes(shape.rows));
  quern_dequantize_args args = QUERN_DEQUANTIZE_ARGS_INIT;
  args.rows = shape.rows;
  args.blocks = source.blocks();
  args.scales = source.scales();
  args.workspace = workspace.get();
  args.workspace_bytes = workspace.bytes();
  for (size_t i = 0; i < copies_; ++i) {
    args.dst = at(memory_, i * bytes_);
    plan.run(args, stream);
  }
  device.synchronize(stream);
}

}  // namespace quern::cli
