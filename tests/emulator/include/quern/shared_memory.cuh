#pragma once

#include <quern/types.h>

namespace quern {

inline uint32_t shared_address(const void *pointer) { return emulator::shared_address(pointer); }

template <typename T>
T load_shared(uint32_t address) {
  T value;
  std::memcpy(&value, emulator::shared(address, sizeof(T), sizeof(T)), sizeof(T));
  return value;
}
template <typename T>
void store_shared(uint32_t address, const T &value) {
  std::memcpy(emulator::shared(address, sizeof(T), sizeof(T)), &value, sizeof(T));
}
inline uint32_t load_shared_4(uint32_t address) { return load_shared<uint32_t>(address); }
inline uint4 load_shared_16(uint32_t address) { return load_shared<uint4>(address); }
inline float4 load_shared_f32x4(uint32_t address) { return load_shared<float4>(address); }
inline void store_shared_4(uint32_t address, uint32_t value) { store_shared(address, value); }
inline void store_shared_16(uint32_t address, const uint4 &value) { store_shared(address, value); }
inline void clear_shared_16(uint32_t address) { store_shared(address, uint4{}); }

struct MatrixLane {
  uint32_t address;
  uint32_t *matrices;
};
inline void load_matrices(uint32_t address, uint32_t *matrices) {
  MatrixLane own{address, matrices};
  emulator::meet("ldmatrix", &own, [](emulator::Brought lanes) {
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 4; ++i) {
        const auto *row = static_cast<const MatrixLane *>(lanes[8 * i + lane / 4]);
        emulator::shared(row->address, 16, 16);
        static_cast<const MatrixLane *>(lanes[lane])->matrices[i] = load_shared_4(row->address + 4 * (lane % 4));
      }
    }
  });
}
inline void store_matrices_transposed(uint32_t address, const uint32_t (&matrices)[4]) {
  uint32_t copies[4] = {matrices[0], matrices[1], matrices[2], matrices[3]};
  MatrixLane own{address, copies};
  emulator::meet("stmatrix", &own, [](emulator::Brought lanes) {
    for (int i = 0; i < 4; ++i) {
      for (int row = 0; row < 8; ++row) {
        uint8_t *to = emulator::shared(static_cast<const MatrixLane *>(lanes[8 * i + row])->address, 16, 16);
        for (int column = 0; column < 8; ++column) {
          const uint32_t pair = static_cast<const MatrixLane *>(lanes[4 * column + row / 2])->matrices[i];
          const auto element = static_cast<uint16_t>(pair >> (row % 2 * 16));
          std::memcpy(to + 2 * column, &element, 2);
        }
      }
    }
  });
}

inline void copy_async_16(uint32_t destination, const void *source, bool valid) {
  std::vector<uint8_t> bytes(16, 0);
  if (valid) std::memcpy(bytes.data(), source, 16);
  emulator::thread_copy(destination, std::move(bytes));
}
inline void copy_async_4(uint32_t destination, const void *source) {
  const auto *from = static_cast<const uint8_t *>(source);
  emulator::thread_copy(destination, {from, from + 4});
}
inline void copy_async_commit() { emulator::thread_copies_commit(); }
template <int kPending>
void copy_async_wait() {
  emulator::thread_copies_wait(kPending);
}
inline void copy_async_wait_all() {
  emulator::thread_copies_commit();
  emulator::thread_copies_wait(0);
}

}  // namespace quern
