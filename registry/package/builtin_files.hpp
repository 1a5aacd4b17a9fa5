// The files of kernel_sources/, embedded when the library is built.
#pragma once

#include <span>
#include <string_view>

namespace quern {

struct BuiltinFile {
  std::string_view path;  // relative to kernel_sources/
  std::string_view content;
};

std::span<const BuiltinFile> builtin_files();  // sorted by path

}  // namespace quern
