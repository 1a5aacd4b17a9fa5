#include "runtime/compile/nvrtc_program.hpp"

#include "runtime/base/error.hpp"
#include "runtime/base/failpoint.hpp"

namespace quern {
namespace {

constexpr int kOutOfMemory = 1;  // NVRTC's number for it

class Program {
 public:
  Program(const NvrtcApi &api, const CompileJob &job) : api_(api) {
    std::vector<const char *> names, texts;
    for (const auto &[name, content] : job.headers) {
      names.push_back(name.c_str());
      texts.push_back(content.c_str());
    }
    check(QUERN_FAILPOINT("nvrtc_create") != 0 ? kOutOfMemory
                                               : api.create(&program_, job.text.c_str(), job.name.c_str(),
                                                            static_cast<int>(names.size()), texts.data(), names.data()),
          "create a program");
  }
  ~Program() { api_.destroy(&program_); }
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  bool compile(const std::vector<std::string> &options) {
    std::vector<const char *> list;
    for (const std::string &option : options) list.push_back(option.c_str());
    if (has_cache()) list.push_back("--no-cache");
    if (QUERN_FAILPOINT("nvrtc_compile") != 0) return false;
    return api_.compile(program_, static_cast<int>(list.size()), list.data()) == 0;
  }
  std::string log() {
    size_t bytes = 0;
    check(api_.log_size(program_, &bytes), "read the log");
    std::string text(bytes, '\0');
    if (bytes > 0) check(api_.log(program_, text.data()), "read the log");
    while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
    return text;
  }
  std::vector<uint8_t> code(bool ptx) {
    size_t bytes = 0;
    check(ptx ? api_.ptx_size(program_, &bytes) : api_.cubin_size(program_, &bytes), "read the code");
    std::vector<uint8_t> code(bytes);
    char *data = reinterpret_cast<char *>(code.data());
    check(ptx ? api_.ptx(program_, data) : api_.cubin(program_, data), "read the code");
    return code;
  }

 private:
  // Since 12.9 NVRTC keeps code in the driver's cache, which nobody verifies, and starts the driver for that.
  bool has_cache() const {
    int major = 0, minor = 0;
    return api_.version(&major, &minor) == 0 && (major > 12 || (major == 12 && minor >= 9));
  }
  void check(int result, const char *what) const {
    if (result != 0) fail(QUERN_COMPILE_FAILED, "NVRTC cannot ", what, ": ", api_.error_string(result));
  }

  const NvrtcApi &api_;
  NvrtcProgram program_ = nullptr;
};

}  // namespace

CompileAnswer run_nvrtc(const NvrtcApi &api, const CompileJob &job) {
  Program program(api, job);
  CompileAnswer answer;
  const bool good = program.compile(job.options);
  answer.outcome = good ? CompileOutcome::kCompiled : CompileOutcome::kRefused;
  answer.log = program.log();
  if (good) answer.code = program.code(job.ptx);
  return answer;
}

}  // namespace quern
