// Feeds every file of the folders named to a fuzzer's function, where no libFuzzer does: each as it is, every beginning
// of it, and each with single bytes changed.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr size_t kMostChanges = 512;  // of one file, spread over it

// From a buffer of its own, so that a sanitizer sees a read behind its end.
void feed(std::vector<uint8_t> bytes) {
  bytes.shrink_to_fit();
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void replay(const std::vector<uint8_t> &bytes) {
  feed(bytes);
  const size_t step = std::max<size_t>(1, bytes.size() / kMostChanges);
  for (size_t i = 0; i < bytes.size(); i += step) {
    feed({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i)});
    for (const int change : {0x01, 0x80, 0xff}) {
      std::vector<uint8_t> changed = bytes;
      changed[i] = static_cast<uint8_t>(changed[i] ^ change);
      feed(std::move(changed));
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto &item : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!item.is_regular_file()) continue;
      std::ifstream in(item.path(), std::ios::binary);
      replay({std::istreambuf_iterator<char>(in), {}});
      ++files;
    }
  }
  std::printf("%d files replayed\n", files);
  return files > 0 ? 0 : 1;
}
