// NVRTC's own math.h: the functions of f32 are built in.
#pragma once
