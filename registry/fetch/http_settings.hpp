// How servers are asked: limits, permissions and where the machine keeps its certificates.
#pragma once

#include <chrono>
#include <string>

#include "registry/fetch/retry.hpp"
#include "runtime/base/environment.hpp"

namespace quern {

struct HttpSettings {
  bool offline = false;     // any request fails with QUERN_OFFLINE
  bool allow_http = false;  // plain http beyond this machine
  std::chrono::milliseconds connect_timeout{10000};
  std::chrono::seconds low_speed_time{30};     // a transfer below 10 bytes a second for so long is given up
  std::chrono::milliseconds deadline{300000};  // of a request with its redirects, waits and repetitions
  int redirects = 5;
  RetryPolicy retry;
  std::chrono::milliseconds server_rest{30000};  // so long a server that failed is asked last
  std::chrono::milliseconds missing_for{5000};   // so long a file that was not there is not asked for again
  std::string ca_file, ca_directory;             // empty: the system's
  std::string curl_path;                         // empty: libcurl.so.4 where the loader finds it
};

HttpSettings http_settings(const Environment &environment);

}  // namespace quern
