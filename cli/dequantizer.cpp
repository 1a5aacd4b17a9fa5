#include "cli/dequantizer.hpp"

#include <algorithm>

namespace quern::cli {
namespace {

constexpr int64_t kDstBytesAtOnce = 256 << 20;

}  // namespace

Dequantizer::Dequantizer(const host::Device &device, quern_dtype dtype, const quern_decode_policy &policy)
    : device_(device), dtype_(dtype), policy_(policy), on_host_(device.info().kind == QUERN_DEVICE_CPU) {}

int64_t Dequantizer::rows_at_once(int64_t k) const {
  return std::max<int64_t>(1, kDstBytesAtOnce / (k * element_bytes()));
}

void Dequantizer::run(const std::byte *blocks, const std::byte *scales, int64_t rows, int64_t k, std::byte *dst) {
  const host::Plan &ready = plan(k);
  const auto blocks_bytes = static_cast<size_t>(rows * (k / 2));
  const auto scales_bytes = static_cast<size_t>(rows * (k / 32));
  const auto dst_bytes = static_cast<size_t>(rows * k * element_bytes());

  quern_dequantize_args args = QUERN_DEQUANTIZE_ARGS_INIT;
  args.rows = rows;
  args.workspace_bytes = ready.workspace_bytes(rows);
  args.workspace = workspace_.hold(device_, args.workspace_bytes);
  args.blocks = blocks;
  args.scales = scales;
  args.dst = dst;
  if (!on_host_) {
    void *device_blocks = blocks_.hold(device_, blocks_bytes);
    void *device_scales = scales_.hold(device_, scales_bytes);
    device_.copy(device_blocks, blocks, blocks_bytes);
    device_.copy(device_scales, scales, scales_bytes);
    args.blocks = device_blocks;
    args.scales = device_scales;
    args.dst = dst_.hold(device_, dst_bytes);
  }
  ready.run(args);
  if (!on_host_) device_.copy(dst, args.dst, dst_bytes);
}

void *Dequantizer::Staging::hold(const host::Device &device, size_t bytes) {
  if (memory.bytes() < bytes) {
    memory = host::DeviceMemory();  // give back before asking for more
    memory = device.allocate(bytes);
  }
  return bytes > 0 ? memory.get() : nullptr;
}

const host::Plan &Dequantizer::plan(int64_t k) {
  const auto found = plans_.find(k);
  if (found != plans_.end()) return found->second;
  quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT;
  desc.dst_dtype = dtype_;
  desc.k = k;
  desc.rows_max = rows_at_once(k);
  desc.policy = &policy_;
  return plans_.emplace(k, host::Plan::dequantize(device_, desc)).first->second;
}

}  // namespace quern::cli
