#include "runtime/operations/packed_weights.hpp"

#include <quern/repack_params.h>

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/plan/executor.hpp"
#include "runtime/plan/plan.hpp"

namespace quern {
namespace {

ExecutorRequest request(const quern_weights_desc &desc, RepackDirection direction) {
  Problem problem{&repack_operation()};
  problem["n"] = desc.n;
  problem["k"] = desc.k;
  problem["format"] = desc.format;
  problem["layout"] = desc.layout;
  problem["scale_zero"] = desc.scale_zero;
  problem["direction"] = direction;
  return {problem, "", "", [](const void *parameters, cpu::ThreadPool &pool) {
            cpu::repack(*static_cast<const RepackParams *>(parameters), pool);
          }};
}

RepackParams parameters(const quern_weights_desc &desc, RepackDirection direction, const void *blocks,
                        const void *scales, const void *packed) {
  const auto bytes = [](const void *memory) { return static_cast<uint8_t *>(const_cast<void *>(memory)); };
  RepackParams params{};
  params.blocks = bytes(blocks);
  params.scales = bytes(scales);
  params.packed = bytes(packed);
  params.blocks_stride = desc.blocks_stride;
  params.scales_stride = desc.scales_stride;
  params.n = desc.n;
  params.k = desc.k;
  params.layout = static_cast<uint32_t>(desc.layout);
  params.scale_zero = static_cast<uint8_t>(desc.scale_zero);
  params.direction = direction;
  return params;
}

void check_pointers(const Device &device, const void *blocks, const void *scales, const void *packed) {
  check_pointer("blocks", blocks, 1);
  check_pointer("scales", scales, 1);
  check_pointer("packed", packed, device.kind() == QUERN_DEVICE_CPU ? alignof(PackedHeader) : 256);
}

bool is_packed(int64_t layout) { return layout > QUERN_LAYOUT_CANONICAL && layout <= QUERN_LAYOUT_MMA16_E5M2; }

const char *why_not_held(quern_layout layout) {
  switch (layout) {
    case QUERN_LAYOUT_MMA16_F16:
      return "24, which f16 cannot hold; pack for bf16, or keep the canonical layout";
    case QUERN_LAYOUT_MMA16_E5M2:
      return "26, which e5m2 cannot hold; name a fallback (QUERN_LAYOUT_MMA16_BF16), or keep the canonical layout";
    default:
      return "133 up to above 128; keep the canonical layout";
  }
}

// Packs in this layout. Whether every row is held exactly.
bool pack_as(const std::shared_ptr<Device> &device, const quern_weights_desc &desc, const void *blocks,
             const void *scales, void *packed, quern_stream stream) {
  const auto executor = make_executor(device, request(desc, kRepackPack));
  PackedHeader header = packed_header(desc);
  device->copy(packed, &header, sizeof header, stream);
  RepackParams params = parameters(desc, kRepackPack, blocks, scales, packed);
  executor->run(&params, desc.n, stream);
  device->copy(&header, packed, sizeof header, stream);  // also waits
  return (header.flags & kPackedInexact) == 0;
}

}  // namespace

quern_weights_desc checked_weights(const quern_weights_desc &given) {
  quern_weights_desc desc = given;
  desc.format = resolve_format(desc.format);
  if (!is_packed(desc.layout)) {
    fail(QUERN_INVALID_ARGUMENT, "layout is ", static_cast<int>(desc.layout), "; it must be a packed QUERN_LAYOUT_");
  }
  if (desc.fallback != 0 && (!is_packed(desc.fallback) || desc.fallback == desc.layout)) {
    fail(QUERN_INVALID_ARGUMENT, "fallback is ", static_cast<int>(desc.fallback),
         "; it must be 0 or a packed QUERN_LAYOUT_ other than layout");
  }
  check_choice("scale_zero", desc.scale_zero, QUERN_SCALE_ZERO_FLUSH, "a QUERN_SCALE_ZERO_ value");
  check_size("n", desc.n, INT32_MAX);
  check_k(desc.k);
  desc.blocks_stride = resolve_stride("blocks_stride", desc.blocks_stride, desc.k / 2, 1);
  desc.scales_stride = resolve_stride("scales_stride", desc.scales_stride, desc.k / kMxfp4Block, 1);
  return desc;
}

PackedHeader packed_header(const quern_weights_desc &desc) {
  PackedHeader header{};
  header.magic = kPackedMagic;
  header.version = kPackedVersion;
  header.format = static_cast<uint32_t>(desc.format);
  header.layout = static_cast<uint32_t>(desc.layout);
  header.n = desc.n;
  header.k = desc.k;
  header.flags = desc.scale_zero == QUERN_SCALE_ZERO_FLUSH ? uint32_t{kPackedZeroFlushed} : 0u;
  return header;
}

quern_weights_desc read_packed_header(const PackedHeader &header) {
  if (header.magic != kPackedMagic) {
    fail(QUERN_CORRUPT, "this is no packed tensor: it does not begin with QURN; pack the weights again");
  }
  if (header.version != kPackedVersion) {
    fail(QUERN_UNSUPPORTED, "the packed tensor has version ", header.version, "; this Quern reads ", kPackedVersion,
         ": pack the weights again");
  }
  if (header.format != uint32_t{QUERN_FORMAT_MXFP4} || !is_packed(header.layout)) {
    fail(QUERN_UNSUPPORTED, "the packed tensor has format ", header.format, " and layout ", header.layout,
         ", which this Quern does not know; pack the weights again");
  }
  const bool sound = header.n >= 1 && header.n <= INT32_MAX && header.k >= kMxfp4Block && header.k <= INT32_MAX &&
                     header.k % kMxfp4Block == 0 && (header.flags & kPackedInexact) == 0;
  if (!sound) {
    fail(QUERN_CORRUPT, "the packed tensor's header is damaged (n = ", header.n, ", k = ", header.k,
         ", flags = ", header.flags, "); pack the weights again");
  }
  quern_weights_desc desc = QUERN_WEIGHTS_DESC_INIT;
  desc.layout = static_cast<quern_layout>(header.layout);
  desc.n = header.n;
  desc.k = header.k;
  desc.scale_zero = header.flags & kPackedZeroFlushed ? QUERN_SCALE_ZERO_FLUSH : QUERN_SCALE_ZERO_EXACT;
  return desc;
}

void pack_weights(const std::shared_ptr<Device> &device, const quern_weights_desc &desc, const void *blocks,
                  const void *scales, void *packed, quern_stream stream) {
  check_pointers(*device, blocks, scales, packed);
  if (pack_as(device, desc, blocks, scales, packed, stream)) return;
  quern_weights_desc last = desc;
  if (desc.fallback != 0) {
    last.layout = desc.fallback;
    if (pack_as(device, last, blocks, scales, packed, stream)) return;
  }
  fail(QUERN_UNSUPPORTED, "the scale bytes of a row span more than ", why_not_held(last.layout));
}

void unpack_weights(const std::shared_ptr<Device> &device, const quern_weights_desc &desc, const void *packed,
                    void *blocks, void *scales, quern_stream stream) {
  check_pointers(*device, blocks, scales, packed);
  PackedHeader header{};
  device->copy(&header, packed, sizeof header, stream);
  const quern_weights_desc found = read_packed_header(header);
  const bool is_layout = found.layout == desc.layout || found.layout == desc.fallback;
  if (!is_layout || found.n != desc.n || found.k != desc.k) {
    fail(QUERN_INVALID_ARGUMENT, "the packed tensor is ", found.n, " x ", found.k, " of layout ",
         static_cast<int>(found.layout), ", not ", desc.n, " x ", desc.k, " of layout ", static_cast<int>(desc.layout),
         "; describe what is there (quern_weights_inspect)");
  }
  quern_weights_desc whole = desc;
  whole.layout = found.layout;
  const auto executor = make_executor(device, request(whole, kRepackUnpack));
  RepackParams params = parameters(whole, kRepackUnpack, blocks, scales, packed);
  executor->run(&params, desc.n, stream);
  device->synchronize(stream);
}

}  // namespace quern
