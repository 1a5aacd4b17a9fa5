#include "runtime/compile/compiler.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <regex>

#include "runtime/base/error.hpp"
#include "runtime/compile/nvrtc_program.hpp"
#include "runtime/cuda/code_image.hpp"

namespace quern {
namespace {

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

std::string described(const CompileUnit &unit) { return text(unit->kernel, " for ", unit->target.name()); }

CompileJob job_of(const CompileUnit &unit) {
  return {unit->source->name, unit->source->text, unit->source->headers, unit->options, unit->target.ptx};
}

// The answer, held against what the manifest promises.
Compiled checked(const CompileUnit &unit, CompileAnswer answer, const std::string &nvrtc_directory) {
  const std::string log = sanitized_log(std::move(answer.log), nvrtc_directory);
  if (answer.outcome != CompileOutcome::kCompiled) {
    throw Error(QUERN_COMPILE_FAILED, text("cannot compile ", described(unit), ": ", first_error(log)), log);
  }
  Compiled compiled;
  compiled.code = std::move(answer.code);
  compiled.confinement = answer.confinement;
  compiled.warnings = warnings_in(log);
  if (!unit->target.ptx) compiled.resources = resources_in(log);
  const auto parameters = parameter_sizes(compiled.code, unit->entry);
  if (!parameters) {
    fail(QUERN_BAD_MANIFEST, unit->kernel, " has no kernel ", unit->entry, "; declare it extern \"C\" __global__");
  }
  if (!unit->parameter_sizes.empty() && *parameters != unit->parameter_sizes) {
    fail(QUERN_BAD_MANIFEST, unit->kernel, ": ", unit->entry, " takes parameters of ", sizes_text(*parameters),
         " bytes, not ", sizes_text(unit->parameter_sizes),
         "; take the operation's block, then the tensor maps that the manifest asks for");
  }
  return compiled;
}

template <typename Run>
Compiled timed(Nvrtc &nvrtc, const CompileUnit &unit, Run run) {
  const auto start = std::chrono::steady_clock::now();
  CompileAnswer answer = run();
  const auto taken = std::chrono::steady_clock::now() - start;
  Compiled compiled =
      checked(unit, std::move(answer), std::filesystem::path(nvrtc.path()).parent_path().string() + "/");
  compiled.milliseconds = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(taken).count());
  return compiled;
}

}  // namespace

Compiled compile(Nvrtc &nvrtc, const CompileUnit &unit) {
  const NvrtcApi &api = nvrtc.need();
  return timed(nvrtc, unit, [&] { return run_nvrtc(api, job_of(unit)); });
}

Compiled compile_apart(Nvrtc &nvrtc, const CompileUnit &unit, const CompileChild &child) {
  const std::string path = nvrtc.path();
  return timed(nvrtc, unit, [&] { return child.run(path, job_of(unit), described(unit)); });
}

std::string nvrtc_build(Nvrtc &nvrtc) {
  const NvrtcApi &api = nvrtc.need();
  const CompileAnswer answer = run_nvrtc(api, {"empty.cu", "", {}, {"--gpu-architecture=compute_75"}, true});
  if (answer.outcome != CompileOutcome::kCompiled) {
    fail(QUERN_NVRTC_UNAVAILABLE, "NVRTC at ", nvrtc.path(), " cannot compile an empty file: ", first_error(answer.log),
         "; put libnvrtc-builtins of its version beside it");
  }
  const std::string ptx(answer.code.begin(), answer.code.end());
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
