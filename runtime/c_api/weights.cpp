// The C ABI: packed weights.
#include "runtime/c_api/border.hpp"
#include "runtime/operations/packed_weights.hpp"

using namespace quern;

quern_status quern_weights_packed_bytes(const quern_weights_desc *desc, size_t *bytes) {
  return guard([&] {
    const quern_weights_desc full = checked_weights(read_struct(desc, "desc"));
    need(bytes, "bytes") = static_cast<size_t>(packed_bytes(full.n, full.k));
  });
}

quern_status quern_weights_pack(quern_device *device, const quern_weights_desc *desc, const void *blocks,
                                const void *scales, void *packed, quern_stream stream) {
  return guard([&] {
    pack_weights(need(device, "device").device, checked_weights(read_struct(desc, "desc")), blocks, scales, packed,
                 stream);
  });
}

quern_status quern_weights_unpack(quern_device *device, const quern_weights_desc *desc, const void *packed,
                                  void *blocks, void *scales, quern_stream stream) {
  return guard([&] {
    unpack_weights(need(device, "device").device, checked_weights(read_struct(desc, "desc")), packed, blocks, scales,
                   stream);
  });
}

quern_status quern_weights_inspect(const void *header, size_t bytes, quern_weights_desc *desc, size_t *packed) {
  return guard([&] {
    PackedHeader read;
    if (bytes < sizeof read) {
      fail(QUERN_INVALID_ARGUMENT, "bytes is ", bytes, "; a packed tensor begins with ", sizeof read);
    }
    std::memcpy(&read, &need(static_cast<const uint8_t *>(header), "header"), sizeof read);
    const quern_weights_desc found = read_packed_header(read);
    write_struct(desc, found, "desc");
    if (packed != nullptr) *packed = static_cast<size_t>(packed_bytes(found.n, found.k));
  });
}
