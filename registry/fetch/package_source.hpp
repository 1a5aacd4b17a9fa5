// Where packages come from: a place that serves signed metadata by path and immutable bytes by digest.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace quern {

// Thread-safe. Both throw QUERN_NETWORK_ERROR, QUERN_OFFLINE, QUERN_CORRUPT or QUERN_CANCELLED.
struct PackageSource {
  virtual ~PackageSource() = default;
  virtual std::string name() const = 0;
  // "timestamp.json", "root/2.json.sig"...: nothing if it does not exist. Not verified; the caller checks signatures.
  virtual std::optional<std::string> metadata(const std::string &path, size_t limit) = 0;
  // Exactly the bytes of this digest and size.
  virtual std::string blob(const std::string &sha256, size_t size) = 0;
};

}  // namespace quern
