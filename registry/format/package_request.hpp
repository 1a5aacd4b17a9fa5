// What a host or an operator asks for: a version of a package, or exactly one manifest of it.
#pragma once

#include <string>
#include <string_view>

namespace quern {

struct PackageRequest {
  std::string id;
  int version = 0;     // 0: by digest
  std::string digest;  // of kernel.json; "": the newest build of the version

  std::string text() const;  // as it is written
};

// "acme/mxfp4-gemm@1" or "acme/mxfp4-gemm@sha256:<64 hex digits>". Throws QUERN_INVALID_ARGUMENT.
PackageRequest parse_package_request(std::string_view text);

}  // namespace quern
