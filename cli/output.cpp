#include "cli/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/failure.hpp"

namespace quern::cli {

void print(const std::string &text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) fail(kFailed, "standard output cannot be written: ", std::strerror(errno));
}

void print_json(const Json &object) {
  Json document = {{"schema", 1}};
  document.update(object);
  print(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace quern::cli
