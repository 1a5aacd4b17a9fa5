#include "runtime/compile/compile_unit.hpp"

#include <algorithm>
#include <cctype>

#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

// On disk: the order and kind of what is hashed never changes without a new first field.
std::string request_of(const UnitFields &unit) {
  FieldHash hash;
  hash.add("quern request 1");
  hash.add(unit.target.ptx ? "ptx" : "cubin");
  hash.add(unit.target.name());
  hash.add(unit.source->digest);
  hash.add(static_cast<uint32_t>(unit.options.size()));
  for (const std::string &option : unit.options) hash.add(option);
  hash.add(unit.entry);
  return hex(hash.finish());
}

}  // namespace

CompileUnit::CompileUnit(UnitFields fields) : fields_(std::move(fields)), request_(request_of(fields_)) {}

CompileUnit make_compile_unit(const Package &package, const Variant &variant, const Target &target,
                              const Specialization &values) {
  UnitFields unit;
  unit.source = package.source(variant);
  unit.target = target;
  unit.entry = variant.entry;
  if (!package.manifest.operation->is_hosts_own()) {
    unit.parameter_sizes = {package.manifest.operation->params_bytes};
    unit.parameter_sizes.resize(1 + variant.launch.tensor_maps.size(), kTensorMapBytes);
  }
  unit.kernel = package.kernel_name(variant);
  unit.digest = package.digest;
  unit.built_in = package.trust == Trust::kBuiltIn;
  unit.options = {"--gpu-architecture=" + target.name(), "--std=c++17", "--no-source-include"};
  // ptxas reports registers and spills into the log; PTX is left to the driver's own.
  if (!target.ptx) unit.options.push_back("--ptxas-options=-v");
  for (size_t i = 0; i < variant.specialize.size(); ++i) {
    const Field field = variant.specialize.field(i, *package.manifest.operation);
    std::string name(field.name);
    unit.types += text(unit.types.empty() ? "" : ",", name, "=", value_name(field, values[i]));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    unit.options.push_back(text("-DQUERN_", name, "=", values[i]));
  }
  for (const auto &[name, value] : variant.defines) unit.options.push_back(text("-D", name, "=", value));
  return CompileUnit(std::move(unit));
}

}  // namespace quern
