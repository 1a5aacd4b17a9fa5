// What a launch asks of the driver beyond its grid and block. On the caller's stack: a launch allocates nothing.
#pragma once

#include <array>

#include "runtime/cuda/driver_api.hpp"

namespace quern {

struct LaunchAttributes {
  cu::LaunchAttribute items[2];
  unsigned int count = 0;

  void add_cluster(const std::array<uint32_t, 3> &cluster) {
    if (cluster == std::array<uint32_t, 3>{1, 1, 1}) return;
    items[count].id = cu::kLaunchAttributeClusterDimension;
    items[count++].value.cluster = {cluster[0], cluster[1], cluster[2]};
  }
  // The kernel may start while the one before it ends (CUDA C++ guide, "Programmatic Dependent Launch").
  void add_overlap() {
    items[count].id = cu::kLaunchAttributeProgrammaticStreamSerialization;
    items[count++].value.programmatic_stream_serialization = 1;
  }
};

}  // namespace quern
