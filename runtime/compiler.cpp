#include "runtime/compiler.hpp"

#include <algorithm>
#include <chrono>
#include <regex>
#include <sstream>

#include "runtime/base/error.hpp"
#include "runtime/base/failpoint.hpp"
#include "runtime/code_image.hpp"

namespace quern {
namespace {

constexpr int kOutOfMemory = 1;  // NVRTC's number for it

class Program {
 public:
  Program(const NvrtcApi &api, const UnitSource &source) : api_(api) {
    std::vector<const char *> names, texts;
    for (const auto &[name, content] : source.headers) {
      names.push_back(name.c_str());
      texts.push_back(content.c_str());
    }
    check(QUERN_FAILPOINT("nvrtc_create") != 0 ? kOutOfMemory
                                               : api.create(&program_, source.text.c_str(), source.name.c_str(),
                                                            static_cast<int>(names.size()), texts.data(), names.data()),
          "create a program");
  }
  ~Program() { api_.destroy(&program_); }
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  bool compile(const std::vector<std::string> &options) {
    std::vector<const char *> list;
    for (const std::string &option : options) list.push_back(option.c_str());
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
  void check(int result, const char *what) const {
    if (result != 0) fail(QUERN_COMPILE_FAILED, "NVRTC cannot ", what, ": ", api_.error_string(result));
  }

  const NvrtcApi &api_;
  NvrtcProgram program_ = nullptr;
};

std::string first_error(const std::string &log) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("error") != std::string::npos) return line;
  }
  return log.substr(0, log.find('\n'));
}

int number_before(const std::string &log, const char *pattern) {
  std::smatch match;
  int total = -1;
  for (std::string rest = log; std::regex_search(rest, match, std::regex(pattern)); rest = match.suffix()) {
    total = std::max(total, 0) + std::stoi(match[1]);
  }
  return total;
}

// The log without ptxas's report on resources: what is left is for the kernel's author.
std::string warnings_in(const std::string &log) {
  static const std::regex report(
      "^(ptxas)?[ .:]*(info +: .*|[0-9]+ bytes stack frame.*|.*Compiling entry function.*|.*Function properties "
      "for.*)?\\s*$");
  std::istringstream lines(log);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_match(line, report)) kept += (kept.empty() ? "" : "\n") + line;
  }
  return kept;
}

std::vector<int> supported(Nvrtc &nvrtc) {
  const NvrtcApi &api = nvrtc.need();
  int count = 0;
  if (api.arch_count(&count) != 0 || count <= 0) return {};
  std::vector<int> archs(static_cast<size_t>(count));
  return api.archs(archs.data()) == 0 ? archs : std::vector<int>();
}

// "120", "120 + 128", "no"
std::string sizes_text(const std::vector<size_t> &sizes) {
  std::string out;
  for (const size_t size : sizes) out += (out.empty() ? "" : " + ") + std::to_string(size);
  return out.empty() ? "no" : out;
}

}  // namespace

Compiled compile(Nvrtc &nvrtc, const CompileUnit &unit) {
  const NvrtcApi &api = nvrtc.need();
  const auto start = std::chrono::steady_clock::now();
  Program program(api, *unit.source);
  const bool good = program.compile(unit.options);
  const std::string log = program.log();
  if (!good) {
    throw Error(QUERN_COMPILE_FAILED,
                text("cannot compile ", unit.kernel, " for ", unit.target.name(), ": ", first_error(log)), log);
  }
  Compiled compiled;
  compiled.code = program.code(unit.target.ptx);
  compiled.milliseconds = static_cast<int>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count());
  compiled.warnings = warnings_in(log);
  if (!unit.target.ptx) {
    compiled.registers = number_before(log, "Used ([0-9]+) registers");
    compiled.spill_bytes = number_before(log, "([0-9]+) bytes spill (?:stores|loads)");
    compiled.shared_bytes = std::max(0, number_before(log, "([0-9]+) bytes smem"));
  }
  const auto parameters = parameter_sizes(compiled.code, unit.entry);
  if (!parameters) {
    fail(QUERN_BAD_MANIFEST, unit.kernel, " has no kernel ", unit.entry, "; declare it extern \"C\" __global__");
  }
  if (*parameters != unit.parameter_sizes) {
    fail(QUERN_BAD_MANIFEST, unit.kernel, ": ", unit.entry, " takes parameters of ", sizes_text(*parameters),
         " bytes, not ", sizes_text(unit.parameter_sizes),
         "; take the operation's block, then the tensor maps that the manifest asks for");
  }
  return compiled;
}

std::string nvrtc_build(Nvrtc &nvrtc) {
  const NvrtcApi &api = nvrtc.need();
  Program program(api, {"empty.cu", "", {}, ""});
  if (!program.compile({"--gpu-architecture=compute_75"})) {
    fail(QUERN_NVRTC_UNAVAILABLE, "NVRTC at ", nvrtc.path(),
         " cannot compile an empty file: ", first_error(program.log()),
         "; put libnvrtc-builtins of its version beside it");
  }
  const auto code = program.code(true);
  const std::string ptx(code.begin(), code.end());
  std::smatch version, build;
  if (std::regex_search(ptx, version, std::regex("V([0-9]+\\.[0-9]+\\.[0-9]+)")) &&
      std::regex_search(ptx, build, std::regex("Compiler Build ID: (?:CL-)?([0-9]+)"))) {
    return version[1].str() + "-" + build[1].str();
  }
  int major = 0, minor = 0;
  api.version(&major, &minor);
  return text(major, ".", minor);
}

bool nvrtc_supports(Nvrtc &nvrtc, const Target &target) {
  const std::vector<int> archs = supported(nvrtc);
  return archs.empty() || std::find(archs.begin(), archs.end(), target.capability) != archs.end();
}

int newest_ptx_capability(Nvrtc &nvrtc, int device_capability) {
  int newest = 0;
  for (const int arch : supported(nvrtc)) {
    if (arch <= device_capability) newest = std::max(newest, arch);
  }
  return newest;
}

}  // namespace quern
