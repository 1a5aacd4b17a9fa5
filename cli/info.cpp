// What is there, and for what is missing one reason and one fix.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/quantity.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

struct Finding {
  std::string what, fact, fix;
};

// The library's lines are "fact; fix"; where one has no fix, ours.
Finding finding(const std::string &what, const std::string &line, const std::string &fix) {
  const size_t split = line.rfind("; ");
  if (split == std::string::npos) return {what, line, fix};
  return {what, line.substr(0, split), line.substr(split + 2)};
}

struct Package {
  std::string id, origin, digest, refused;
  int version = 0, build = 0, variants = 0;
};

std::vector<Package> list_packages(const host::Hub &hub) {
  std::vector<Package> packages;
  hub.visit_kernels([&](const quern_kernel_info &info) {
    const bool same = !packages.empty() && packages.back().id == info.package &&
                      packages.back().origin == info.origin && !*info.refused;
    if (!same) {
      packages.push_back({info.package, info.origin, info.digest, info.refused, info.version, info.build, 0});
    }
    if (!*info.refused) ++packages.back().variants;
  });
  return packages;
}

std::vector<Finding> find_missing(const quern_hub_info &info, const std::vector<Package> &packages) {
  std::vector<Finding> findings;
  if (*info.driver_missing) {
    findings.push_back(
        finding("driver", info.driver_missing, "install the NVIDIA driver; the CPU device works without"));
  } else if (info.cuda_device_count == 0) {
    findings.push_back({"device", "the driver sees no GPU", "check CUDA_VISIBLE_DEVICES and nvidia-smi"});
  }
  if (*info.nvrtc_missing) {
    findings.push_back(finding("nvrtc", info.nvrtc_missing, "install NVRTC or set QUERN_NVRTC_PATH to its file"));
  }
  const std::string cache_state = info.cache_state;
  if (!cache_state.starts_with("read-write")) {
    findings.push_back(finding("cache", cache_state, "pass --cache-dir with a directory of yours"));
  }
  if (!info.jit_allowed) findings.push_back({"jit", "compiling is forbidden", "pass --jit allow or unset QUERN_JIT"});
  for (const Package &package : packages) {
    if (package.refused.empty()) continue;
    const std::string name = package.id.empty() ? package.origin : package.id;
    findings.push_back(finding("package " + name, package.refused, "run 'quern kernels check' on its directory"));
  }
  return findings;
}

Json device_json(const quern_device_info &device) {
  static constexpr const char *kKinds[] = {"", "cpu", "cuda", "target"};
  Json json = {{"name", device.name}, {"kind", kKinds[device.kind]}, {"model", device.model}};
  if (device.kind == QUERN_DEVICE_CPU) {
    json["threads"] = device.sm_count;
  } else {
    json["arch"] = device.arch;
    json["capability"] = text(device.capability_major, ".", device.capability_minor);
    json["sm_count"] = device.sm_count;
  }
  json["memory_bytes"] = device.memory_bytes;
  json["shared_memory_bytes"] = device.shared_memory_bytes;
  json["l2_bytes"] = device.l2_bytes;
  return json;
}

std::string device_text(const quern_device_info &device) {
  const std::string name = text(device.name, ": ", device.model);
  if (device.kind == QUERN_DEVICE_CPU) return text(name, ", ", device.sm_count, " threads");
  return text(name, ", ", device.arch, ", ", device.sm_count, " SMs, ", format_bytes(device.memory_bytes));
}

void print_text(const quern_hub_info &info, const quern_device_info &device, const std::vector<Package> &packages,
                const std::vector<Finding> &findings) {
  const auto or_none = [](const std::string &value) { return value.empty() ? std::string("none") : value; };
  std::string out = text("quern        ", info.version, "\n");
  out += text("device       ", device_text(device), "\n");
  out += text("CUDA devices ", info.cuda_device_count, "\n");
  out += text("driver       ", *info.driver_version ? text("CUDA ", info.driver_version) : "none", "\n");
  out += text("NVRTC        ", *info.nvrtc_version ? text(info.nvrtc_version, ", ", info.nvrtc_path) : "none", "\n");
  out += text("compiling    ", info.jit_allowed ? "allowed" : "forbidden", "\n");
  out += text("cache        ", or_none(info.cache_dir), " (", info.cache_state, ")\n");
  out += text("kernel path  ", or_none(info.kernel_path), "\n");
  out += text("registries   ", info.registries, *info.config_file ? text(", ", info.config_file) : "",
              info.offline ? ", offline" : "", "\n");
  out += text("trust        ", info.sealed ? "sealed bundles only" : info.trust_file, "\n");
  out += text("lock file    ", or_none(info.lock_file), "\n");
  out += text("packages     ", info.packages, " accepted, ", info.packages_refused, " refused\n");
  if (!packages.empty()) {
    Table table({"", "package", "version", ">variants", "origin"});
    for (const Package &package : packages) {
      if (!package.refused.empty()) continue;
      table.add({"", package.id, text(package.version, ".", package.build), text(package.variants), package.origin});
    }
    if (table.rows() > 0) out += "\n" + table.text();
  }
  for (const Finding &f : findings) out += text("\n", f.what, ": ", f.fact, "\n  fix: ", f.fix, "\n");
  print(out);
}

}  // namespace

ExitCode run_info(const GlobalOptions &global, const InfoOptions &options) {
  const host::Hub hub = open_hub(global);
  const host::Device device = open_device(hub, options.device);
  const quern_hub_info info = hub.info();
  const quern_device_info device_info = device.info();
  const std::vector<Package> packages = list_packages(hub);
  const std::vector<Finding> findings = find_missing(info, packages);
  if (!global.json) {
    print_text(info, device_info, packages, findings);
    return kDone;
  }

  Json json = {
      {"version", info.version},
      {"device", device_json(device_info)},
      {"cuda_devices", info.cuda_device_count},
      {"driver", {{"version", info.driver_version}, {"missing", info.driver_missing}}},
      {"nvrtc", {{"version", info.nvrtc_version}, {"path", info.nvrtc_path}, {"missing", info.nvrtc_missing}}},
      {"jit_allowed", info.jit_allowed != 0},
      {"cache", {{"path", info.cache_dir}, {"state", info.cache_state}}},
      {"kernel_path", info.kernel_path},
      {"config_file", info.config_file},
      {"trust_file", info.trust_file},
      {"lock_file", info.lock_file},
      {"registries", info.registries},
      {"offline", info.offline != 0},
      {"sealed", info.sealed != 0},
      {"packages", Json::array()},
      {"findings", Json::array()},
  };
  for (const Package &p : packages) {
    json["packages"].push_back({{"id", p.id},
                                {"version", p.version},
                                {"build", p.build},
                                {"digest", p.digest},
                                {"origin", p.origin},
                                {"variants", p.variants},
                                {"refused", p.refused}});
  }
  for (const Finding &f : findings) json["findings"].push_back({{"what", f.what}, {"fact", f.fact}, {"fix", f.fix}});
  print_json(json);
  return kDone;
}

}  // namespace quern::cli
