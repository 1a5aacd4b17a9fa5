#pragma once

namespace quern {

template <int kRegisters>
void give_registers_back() {}
template <int kRegisters>
void take_registers() {}

}  // namespace quern
