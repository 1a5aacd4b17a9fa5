// Any bytes are a policy or a QUERN_INVALID_ARGUMENT, and no policy lets in what nobody signed or locked.
#include <cstdint>
#include <cstdlib>

#include "registry/trust/configuration.hpp"
#include "registry/trust/trust_policy.hpp"
#include "runtime/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern;
  const std::string_view file(reinterpret_cast<const char *>(data), size);
  try {
    const TrustPolicy policy = TrustPolicy::parse(file, "fuzz");
    const std::string line = std::string(64, 'a') + " " + std::string(128, 'b') + "\n";
    for (const char *signatures : {"", "x", line.c_str()}) {
      if (policy.judge("acme/gemm", R"({"id":"acme/gemm"})", signatures, false).trust != Trust::kRefused) std::abort();
    }
  } catch (const Error &error) {
    if (error.status() != QUERN_INVALID_ARGUMENT) std::abort();
  }
  try {  // the operator's other file
    for (const RegistryConfiguration &registry : parse_configuration(file, "/etc/quern", "fuzz").registries) {
      if (registry.name.find_first_of("/.") != std::string::npos || registry.threshold < 1) std::abort();
    }
  } catch (const Error &error) {
    if (error.status() != QUERN_INVALID_ARGUMENT) std::abort();
  }
  return 0;
}
