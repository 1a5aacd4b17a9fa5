#include "cli/checkpoint.hpp"

#include <filesystem>
#include <set>

#include "cli/failure.hpp"
#include "cli/json_file.hpp"
#include "cli/printable.hpp"

namespace quern::cli {

namespace fs = std::filesystem;

Checkpoint::Checkpoint(const std::string &path) : path_(path) {
  std::error_code error;
  is_directory_ = fs::is_directory(path, error);
  if (is_directory_) {
    open_directory(path);
  } else {
    files_.emplace_back(path);
  }
}

void Checkpoint::open_directory(const std::string &path) {
  const fs::path directory(path);
  const std::string index_path = (directory / kIndexName).string();
  if (!fs::exists(index_path)) {
    const std::string single = (directory / "model.safetensors").string();
    if (!fs::exists(single)) {
      fail(kFailed, printable(path), " has neither ", kIndexName, " nor model.safetensors; name a .safetensors file");
    }
    files_.emplace_back(single);
    return;
  }
  const Json index = read_json_file(index_path);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) fail(kFailed, printable(index_path), ": weight_map is missing");
  std::set<std::string> shards;
  for (const auto &[tensor, shard] : map->items()) {
    const std::string *name = shard.get_ptr<const std::string *>();
    // Only files of this directory: an index must not reach elsewhere.
    if (!name || name->empty() || *name == "." || *name == ".." || name->find('/') != std::string::npos) {
      fail(kFailed, printable(index_path), ": '", printable(tensor), "' is in no file of the directory");
    }
    shards.insert(*name);
  }
  for (const std::string &shard : shards) files_.emplace_back((directory / shard).string());
  check_names();
  for (const auto &item : map->items()) {
    if (!find(item.key())) {
      fail(kFailed, printable(index_path), ": tensor '", printable(item.key()), "' is in none of the files");
    }
  }
}

void Checkpoint::check_names() const {
  std::set<std::string_view> names;
  for (const auto &file : files_) {
    for (const auto &tensor : file.header().tensors) {
      if (!names.insert(tensor.name).second) {
        fail(kFailed, printable(file.path()), ": tensor '", printable(tensor.name), "' is in another file too");
      }
    }
  }
}

void Checkpoint::refuse_as_output(const std::string &output) const {
  const auto refuse = [&](const fs::path &file) {
    std::error_code absent;
    if (fs::equivalent(file, output, absent)) fail(kUsage, printable(output), " is what is read; name another file");
  };
  for (const safetensors::MappedFile &file : files_) refuse(file.path());
  if (is_directory_) refuse(fs::path(path_) / kIndexName);
}

Located Checkpoint::find(std::string_view name) const {
  for (const auto &file : files_) {
    if (const safetensors::Tensor *tensor = file.header().find(name)) return {&file, tensor};
  }
  return {};
}

}  // namespace quern::cli
