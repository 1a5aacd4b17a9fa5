// How the kernels use Google Highway: headers only. Its own choice of a target at run time lives in a library that
// Quern does not link, so instruction_sets.cpp chooses instead. Include before any header of Highway.
#pragma once

// AVX3_DL is compiled only on request, SSSE3 is not worth its size, and of the Arm targets NEON alone has fixed lanes.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE_256 | HWY_SVE2 | HWY_SVE2_128)
// The kernels need neither, and a processor without them should not be turned away.
#define HWY_DISABLE_PCLMUL_AES
#define HWY_DISABLE_F16C
// Highway's debug assertions call into its library.
#define HWY_IS_DEBUG_BUILD 0

#include <hwy/detect_targets.h>
