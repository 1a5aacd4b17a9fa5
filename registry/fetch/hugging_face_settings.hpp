// What the Hugging Face Hub's own tools read from the environment, read the same way.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "registry/fetch/credential.hpp"
#include "registry/fetch/url.hpp"
#include "runtime/base/environment.hpp"

namespace quern {

struct HuggingFaceSettings {
  Url endpoint;                               // HF_ENDPOINT
  Credential credential;                      // for the endpoint; empty: none
  std::filesystem::path cache;                // HF_HUB_CACHE; "": none
  bool offline = false;                       // HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
  std::chrono::seconds etag_timeout{10};      // of requests for facts
  std::chrono::seconds download_timeout{10};  // of requests for files
};

// 1, ON, YES and TRUE in any case are true there, and all else is false.
bool hugging_face_true(const std::string &value);

// A `token_file` of the configuration comes first; then HF_TOKEN, then the file of HF_TOKEN_PATH, else $HF_HOME/token,
// else ~/.cache/huggingface/token, unless HF_HUB_DISABLE_IMPLICIT_TOKEN is true. Throws QUERN_INVALID_ARGUMENT for an
// endpoint that is no address, a time that is no number of seconds, a token that cannot be sent.
HuggingFaceSettings hugging_face_settings(const Environment &environment, const std::filesystem::path &token_file = {});

}  // namespace quern
