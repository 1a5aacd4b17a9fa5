// The options that every verb takes, and the hub and device they ask for.
#pragma once

#include <string>

#include <quern/quern.hpp>

namespace quern::cli {

struct GlobalOptions {
  std::string cache_dir, kernel_path;  // "": the hub's own choice
  std::string lock_file;               // likewise
  std::string jit;                     // "", "allow" or "forbid"
  bool offline = false;
  bool json = false;
  bool quiet = false;
  int verbose = 0;  // 1: what the hub decides; 2: everything it logs
};

host::Hub open_hub(const GlobalOptions &global);

// name: "" is "auto".
host::Device open_device(const host::Hub &hub, const std::string &name);

// The preset of quern.h with this name.
quern_decode_policy decode_policy(const std::string &preset);

// "bf16", "f16", "f32", "e4m3"; "none" and "" are 0. main.cpp lets no other through.
quern_dtype dtype(const std::string &name);
const char *dtype_name(quern_dtype dtype);

quern_layout layout(const std::string &name);  // "canonical", "mma16_bf16" and so on
const char *layout_name(quern_layout layout);

quern_accumulation accumulation(const std::string &name);  // "fast"; else promoted

}  // namespace quern::cli
