// What NVRTC finds as <stddef.h>. It predefines size_t, and has no __builtin_offsetof; this is its own constant form.
#pragma once

#define offsetof(type, member) __INTADDR__(&((static_cast<type *>(0))->member))
