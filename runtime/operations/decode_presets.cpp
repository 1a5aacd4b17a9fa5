#include "runtime/operations/decode_presets.hpp"

#include "runtime/base/error.hpp"

namespace quern {
namespace {

struct Preset {
  const char *name;
  quern_scale_zero scale_zero;
  quern_scale_nan scale_nan;
  int32_t scale_in_dst;
  int32_t canonical_zero;
};

constexpr Preset kPresets[] = {
    {"ocp", QUERN_SCALE_ZERO_EXACT, QUERN_SCALE_NAN_PROPAGATE, 0, 0},
    {"transformers", QUERN_SCALE_ZERO_EXACT, QUERN_SCALE_NAN_LDEXP, 0, 0},
    {"triton", QUERN_SCALE_ZERO_FLUSH, QUERN_SCALE_NAN_PROPAGATE, 1, 0},
    {"triton_torch", QUERN_SCALE_ZERO_FLUSH, QUERN_SCALE_NAN_INF, 0, 0},
    {"modelopt", QUERN_SCALE_ZERO_EXACT, QUERN_SCALE_NAN_INF, 0, 0},
    {"modelopt_packed", QUERN_SCALE_ZERO_EXACT, QUERN_SCALE_NAN_LDEXP, 0, 0},
    {"torchao", QUERN_SCALE_ZERO_EXACT, QUERN_SCALE_NAN_PROPAGATE, 1, 0},
    {"compressed_tensors", QUERN_SCALE_ZERO_EXACT, QUERN_SCALE_NAN_INF, 0, 0},
    {"deepgemm", QUERN_SCALE_ZERO_FLUSH, QUERN_SCALE_NAN_INF, 0, 1},
};

}  // namespace

quern_decode_policy decode_preset(const std::string &name) {
  std::string names;
  for (const Preset &preset : kPresets) {
    if (name == preset.name) {
      return {sizeof(quern_decode_policy), preset.scale_zero, preset.scale_nan, preset.scale_in_dst,
              preset.canonical_zero};
    }
    names += std::string(names.empty() ? "" : ", ") + preset.name;
  }
  fail(QUERN_NOT_FOUND, "no decode policy is called \"", name, "\"; choose among ", names);
}

}  // namespace quern
