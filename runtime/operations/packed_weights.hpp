// Weights in packed layouts: their headers, and packing and unpacking on a device.
#pragma once

#include <memory>

#include <quern/packed_layout.h>

#include "runtime/hub/device.hpp"

namespace quern {

// The descriptor with its defaults filled in. Throws QUERN_INVALID_ARGUMENT.
quern_weights_desc checked_weights(const quern_weights_desc &given);

PackedHeader packed_header(const quern_weights_desc &desc);

// What a header describes. Throws QUERN_CORRUPT or QUERN_UNSUPPORTED.
quern_weights_desc read_packed_header(const PackedHeader &header);

// Throw as quern_weights_pack() and quern_weights_unpack() say. `desc` is checked_weights()'s.
void pack_weights(const std::shared_ptr<Device> &device, const quern_weights_desc &desc, const void *blocks,
                  const void *scales, void *packed, quern_stream stream);
void unpack_weights(const std::shared_ptr<Device> &device, const quern_weights_desc &desc, const void *packed,
                    void *blocks, void *scales, quern_stream stream);

}  // namespace quern
