// What a Hugging Face cache on this machine holds of kernels. Only read, whatever is in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quern::cli {

struct HuggingFaceRevision {
  std::string repo;      // "kernels-community/activation"
  std::string revision;  // the commit
  std::vector<std::string> refs;
  int64_t size_bytes = 0;  // of what its links lead to
  int64_t files = 0;
  int64_t broken = 0;  // links that lead nowhere
  int64_t modified = 0;
};

// $HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub; "" if none can be named.
std::string hugging_face_directory();
std::vector<HuggingFaceRevision> scan_hugging_face(const std::string &directory);

}  // namespace quern::cli
