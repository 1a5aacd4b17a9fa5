#include "registry/fetch/http_settings.hpp"

namespace quern {

HttpSettings http_settings(const Environment &environment) {
  HttpSettings settings;
  settings.offline = parse_bool("QUERN_OFFLINE", environment.offline);
  settings.allow_http = parse_bool("QUERN_ALLOW_HTTP", environment.allow_http);
  settings.ca_file = environment.ssl_cert_file;
  settings.ca_directory = environment.ssl_cert_dir;
  settings.curl_path = environment.curl_path;
  return settings;
}

}  // namespace quern
