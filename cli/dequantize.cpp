// `quern dequantize`: a checkpoint with MXFP4 tensors to one without, tensor by tensor.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "cli/dequantized_checkpoint.hpp"
#include "cli/dequantizer.hpp"
#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/json_file.hpp"
#include "cli/output.hpp"
#include "cli/printable.hpp"
#include "cli/progress.hpp"
#include "cli/quantity.hpp"
#include "cli/staged_directory.hpp"
#include "cli/transpose.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

namespace fs = std::filesystem;

safetensors::Dtype file_dtype(quern_dtype dtype) {
  if (dtype == QUERN_DTYPE_F32) return safetensors::Dtype::kF32;
  return dtype == QUERN_DTYPE_F16 ? safetensors::Dtype::kF16 : safetensors::Dtype::kBf16;
}

struct Totals {
  int64_t dequantized = 0, unchanged = 0, bytes = 0;
};

class Conversion {
 public:
  Conversion(const host::Device &device, const DequantizeOptions &options, bool quiet)
      : options_(options),
        dequantizer_(device, dtype(options.dtype), decode_policy(options.policy)),
        progress_(quiet) {}

  void write(const DequantizedFile &file, const std::string &path) {
    safetensors::Writer writer(path, file.planned(), file.source->header().metadata);
    for (const DequantizedTensor &tensor : file.tensors) {
      if (tensor.quantized) {
        progress_.step("dequantize " + printable(tensor.planned.name));
        append_dequantized(*tensor.quantized, writer);
        ++totals_.dequantized;
      } else {
        append_unchanged(tensor.unchanged, writer);
        ++totals_.unchanged;
      }
    }
    writer.finish();
  }

  void finish() { progress_.clear(); }
  const Totals &totals() const { return totals_; }

 private:
  void append(std::span<const std::byte> bytes, safetensors::Writer &writer) {
    writer.append(bytes);
    totals_.bytes += static_cast<int64_t>(bytes.size());
  }

  void append_unchanged(Located tensor, safetensors::Writer &writer) {
    constexpr size_t kAtOnce = 64 << 20;
    std::span<const std::byte> rest = tensor.data();
    while (!rest.empty()) {
      check_interrupt();
      const auto piece = rest.first(std::min(rest.size(), kAtOnce));
      append(piece, writer);
      rest = rest.subspan(piece.size());
    }
  }

  // Rows follow one another through all matrices, so a piece may span several; but a transposed matrix is needed whole.
  void append_dequantized(const QuantizedTensor &tensor, safetensors::Writer &writer) {
    const bool transposed = tensor.transposed && !options_.keep_rows;
    const int64_t pieces = transposed ? tensor.matrices : 1;
    const int64_t rows = transposed ? tensor.rows : tensor.matrices * tensor.rows;
    const auto row_bytes = static_cast<size_t>(tensor.k * dequantizer_.element_bytes());
    const int64_t at_once = std::min(dequantizer_.rows_at_once(tensor.k), std::max<int64_t>(rows, 1));
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(at_once) * row_bytes);
    std::unique_ptr<std::byte[]> matrix;
    if (transposed) matrix = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(rows) * row_bytes);

    for (int64_t piece = 0; piece < pieces; ++piece) {
      for (int64_t first = 0; first < rows; first += at_once) {
        check_interrupt();
        const int64_t count = std::min(at_once, rows - first);
        const int64_t row = piece * rows + first;
        dequantizer_.run(tensor.blocks.data().data() + row * (tensor.k / 2),
                         tensor.scales.data().data() + row * (tensor.k / 32), count, tensor.k, buffer.get());
        if (transposed) {
          transpose_rows(buffer.get(), dequantizer_.element_bytes(), count, tensor.k, matrix.get(), first, rows);
        } else {
          append({buffer.get(), static_cast<size_t>(count) * row_bytes}, writer);
        }
        progress_.move(text("dequantize ", printable(tensor.name), ", ", format_bytes(totals_.bytes), " written"));
      }
      if (transposed) append({matrix.get(), static_cast<size_t>(rows) * row_bytes}, writer);
    }
  }

  const DequantizeOptions &options_;
  Dequantizer dequantizer_;
  Progress progress_;
  Totals totals_;
};

// What else makes a directory of weights a model: small files, copied as they are, and config.json without the
// quantization that is no longer there.
void copy_companions(const std::string &input, const StagedDirectory &directory) {
  for (const fs::directory_entry &entry : fs::directory_iterator(input)) {
    const std::string name = entry.path().filename().string();
    const std::string extension = entry.path().extension().string();
    if (!entry.is_regular_file() || name == kIndexName) continue;
    if (name == "config.json") {
      Json config = read_json_file(entry.path().string());
      config.erase("quantization_config");
      write_json_file(directory.file(name), config);
    } else if (std::set<std::string>{".json", ".jinja", ".txt", ".model", ".md"}.contains(extension)) {
      fs::copy_file(entry.path(), directory.file(name));
    }
  }
}

void write_index(const std::vector<DequantizedFile> &files, int64_t bytes, const StagedDirectory &directory) {
  std::map<std::string, std::string> map;
  for (const DequantizedFile &file : files) {
    const std::string name = fs::path(file.source->path()).filename().string();
    for (const DequantizedTensor &tensor : file.tensors) map.emplace(tensor.planned.name, name);
  }
  write_json_file(directory.file(kIndexName), {{"metadata", {{"total_size", bytes}}}, {"weight_map", map}});
}

void write_directory(const DequantizeOptions &options, const Checkpoint &checkpoint,
                     const std::vector<DequantizedFile> &files, Conversion &conversion) {
  StagedDirectory directory(options.output);
  for (const DequantizedFile &file : files) {
    conversion.write(file, directory.file(fs::path(file.source->path()).filename().string()));
  }
  copy_companions(options.input, directory);
  const bool indexed = fs::exists(fs::path(options.input) / kIndexName);
  if (indexed || checkpoint.files().size() > 1) write_index(files, conversion.totals().bytes, directory);
  directory.publish();
}

}  // namespace

ExitCode run_dequantize(const GlobalOptions &global, const DequantizeOptions &options) {
  const Checkpoint checkpoint(options.input);
  if (!checkpoint.is_directory() && fs::is_directory(options.output)) {
    fail(kUsage, printable(options.output), " is a directory; name the file to write");
  }
  const QuantizedTensors quantized = find_quantized(checkpoint);
  if (!quantized.problems.empty()) fail(kFailed, quantized.problems.front());
  if (quantized.found.empty()) {
    fail(kNothingMatched, printable(options.input), " has no MXFP4 tensors; 'quern inspect' lists what it has");
  }
  const auto files = plan_dequantized(checkpoint, quantized.found, file_dtype(dtype(options.dtype)), options.keep_rows);

  const host::Hub hub = open_hub(global);
  const host::Device device = open_device(hub, options.device);
  Conversion conversion(device, options, global.quiet);
  if (checkpoint.is_directory()) {
    write_directory(options, checkpoint, files, conversion);
  } else {
    conversion.write(files.front(), options.output);
  }

  conversion.finish();
  const Totals &totals = conversion.totals();
  if (global.json) {
    print_json({{"output", options.output},
                {"device", device.info().name},
                {"dequantized", totals.dequantized},
                {"unchanged", totals.unchanged},
                {"bytes", totals.bytes}});
  } else if (!global.quiet) {
    print(text(options.output, ": ", totals.dequantized, " tensors dequantized, ", totals.unchanged, " unchanged, ",
               format_bytes(totals.bytes), "\n"));
  }
  return kDone;
}

}  // namespace quern::cli
