// Kernel packages written by tests: manifests as JSON values to be edited, and directories that hold them.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include <quern/gemm_params.h>
#include "temporary_directory.hpp"

// A variant of operation "gemm" that accepts every valid problem.
inline nlohmann::json gemm_variant(const std::string &name) {
  return {{"name", name},
          {"unit", "kernel.cu"},
          {"entry", "test_gemm"},
          {"capability", {{"min", "7.5"}}},
          {"priority", 0},
          {"accepts",
           {{"format", {"mxfp4"}},
            {"x_dtype", {"f16", "bf16"}},
            {"y_dtype", {"f16", "bf16"}},
            {"bias_dtype", {"none", "f32", "f16", "bf16"}},
            {"scale_zero", {"exact", "flush"}}}},
          {"launch", {{"grid", {1, 1, 1}}, {"block", {32, 1, 1}}}}};
}

// A package of these variants, all from the one file kernel.cu.
inline nlohmann::json gemm_manifest(const std::string &id, nlohmann::json variants) {
  return {{"schema", 1},
          {"id", id},
          {"version", 1},
          {"build", 1},
          {"operation", "gemm"},
          {"params", quern::kGemmParamsVersion},
          {"files", {"kernel.cu"}},
          {"variants", std::move(variants)}};
}

// A kernel that compiles, takes the right block and does nothing.
inline constexpr const char *kEmptyGemm =
    "#include <quern/gemm_params.h>\n"
    "extern \"C\" __global__ void test_gemm(const __grid_constant__ quern::GemmParams p) {}\n";

inline std::filesystem::path write_package(const std::filesystem::path &directory, const nlohmann::json &manifest,
                                           const std::string &source = kEmptyGemm) {
  write_text(directory / "kernel.json", manifest.dump(2));
  write_text(directory / "kernel.cu", source);
  return directory;
}
