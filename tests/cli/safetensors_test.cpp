// The reader against files that lie, and the writer against the reader.
#include "cli/safetensors.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "cli/mapped_file.hpp"
#include "cli/safetensors_writer.hpp"

namespace quern::safetensors {
namespace {

std::string file_bytes(const std::string &header, size_t data_bytes) {
  std::string bytes(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, 'd');
}

Header parse(const std::string &bytes) { return parse_safetensors(std::as_bytes(std::span(bytes))); }

// The message, or "" if the file is accepted. Every message must be one line.
std::string refusal(const std::string &header, size_t data_bytes) {
  try {
    parse(file_bytes(header, data_bytes));
    return "";
  } catch (const FormatError &error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_LT(message.size(), 1000u);
    return message;
  }
}

void expect_refused(const std::string &header, size_t data_bytes, const std::string &because) {
  const std::string message = refusal(header, data_bytes);
  EXPECT_NE(message, "") << header;
  EXPECT_NE(message.find(because), std::string::npos) << message;
}

const std::string kGood = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
                          R"("b":{"dtype":"U8","shape":[4],"data_offsets":[12,16]}}  )";

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const Header header = parse(file_bytes(kGood, 16));
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.metadata.at("format"), "pt");
  EXPECT_EQ(header.data_start, 8 + kGood.size());
  const Tensor *a = header.find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->dtype, Dtype::kBf16);
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(a->bytes(), 12u);
  EXPECT_EQ(header.find("c"), nullptr);
}

TEST(Safetensors, OrderInTheHeaderDoesNotMatter) {
  const Header header = parse(file_bytes(R"({"z":{"dtype":"U8","shape":[1],"data_offsets":[3,4]},)"
                                         R"("y":{"data_offsets":[0,3],"shape":[3],"dtype":"I8"}})",
                                         4));
  EXPECT_EQ(header.tensors[0].name, "y");
}

TEST(Safetensors, EmptyTensorsAndNoTensors) {
  EXPECT_EQ(refusal("{}", 0), "");
  EXPECT_EQ(refusal(R"({"__metadata__":{}})", 0), "");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                    R"("b":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                    R"("c":{"dtype":"F64","shape":[3,0],"data_offsets":[4,4]}})",
                    4),
            "");
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string whole = file_bytes(kGood, 16);
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(parse(whole.substr(0, length)), FormatError) << length;
  }
  EXPECT_NO_THROW(parse(whole));
}

TEST(Safetensors, EveryFlippedByteIsReadOrRefused) {
  const std::string whole = file_bytes(kGood, 16);
  for (size_t i = 0; i < 8 + kGood.size(); ++i) {
    for (const char flip : {'\x01', '\x20', '\x80', '\xff'}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      try {
        parse(damaged);
      } catch (const FormatError &) {
      }
    }
  }
}

TEST(Safetensors, LyingHeaderLengths) {
  for (const uint64_t length : {uint64_t{0}, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 7, uint64_t{99'999'999}}) {
    std::string bytes = file_bytes(kGood, 16);
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_THROW(parse(bytes), FormatError) << length;
  }
}

TEST(Safetensors, LyingOffsets) {
  const auto one = [](const std::string &offsets) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + offsets + "}}";
  };
  EXPECT_EQ(refusal(one("[0,4]"), 4), "");
  expect_refused(one("[4,0]"), 4, "end before they begin");
  expect_refused(one("[0,5]"), 4, "reach beyond");
  expect_refused(one("[0,18446744073709551615]"), 4, "reach beyond");
  expect_refused(one("[0,3]"), 4, "takes 4 bytes");
  expect_refused(one("[0,4]"), 5, "belong to no tensor");
  expect_refused(one("[1,5]"), 5, "hole");
  expect_refused(one("[0]"), 4, "1 numbers");
  expect_refused(one("[0,4,4]"), 4, "more than 2");
  expect_refused(one("[-1,4]"), 4, "negative");
  expect_refused(one("[0,4.0]"), 4, "no integer");
  expect_refused(one("[0,18446744073709551616]"), 4, "no integer");
  expect_refused(one("\"0,4\""), 4, "string");
  expect_refused(one("[[0],4]"), 4, "array");
}

TEST(Safetensors, OverlapsAndHoles) {
  const auto two = [](const std::string &first, const std::string &second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  EXPECT_EQ(refusal(two("[0,4]", "[4,8]"), 8), "");
  EXPECT_EQ(refusal(two("[4,8]", "[0,4]"), 8), "");
  expect_refused(two("[0,4]", "[0,4]"), 4, "overlap");
  expect_refused(two("[0,4]", "[3,7]"), 7, "overlap");
  expect_refused(two("[0,4]", "[5,9]"), 9, "hole");
}

TEST(Safetensors, ShapesThatOverflow) {
  const auto shaped = [](const std::string &shape, const char *dtype = "F64") {
    return std::string(R"({"a":{"dtype":")") + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[0,0]}})";
  };
  expect_refused(shaped("[4294967296,4294967296]"), 0, "overflows");
  expect_refused(shaped("[9223372036854775807,2]"), 0, "overflows");
  expect_refused(shaped("[2305843009213693952]"), 0, "overflows");
  expect_refused(shaped("[9223372036854775807,9223372036854775807,0]"), 0, "overflows");
  expect_refused(shaped("[9223372036854775808]"), 0, "too large");
  expect_refused(shaped("[-1]"), 0, "negative");
  expect_refused(shaped("[3]", "F4"), 0, "whole bytes");
  std::string deep = "[0";
  for (int i = 0; i < 64; ++i) deep += ",0";
  expect_refused(shaped(deep + "]"), 0, "64 dimensions");
}

TEST(Safetensors, DuplicatesAndUnknowns) {
  const std::string tensor = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  expect_refused("{\"a\":" + tensor + ",\"a\":" + tensor + "}", 0, "twice");
  expect_refused(R"({"__metadata__":{"k":"1","k":"2"}})", 0, "twice");
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, "twice");
  expect_refused(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, "twice");
  expect_refused(R"({"a":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}})", 0, "twice");
  expect_refused(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", 0, "unknown key");
  expect_refused(R"({"a":{"dtype":"F6_E2M3","shape":[0],"data_offsets":[0,0]}})", 0, "dtype 'F6_E2M3' is unknown");
  expect_refused(R"({"a":{"dtype":"u8","shape":[0],"data_offsets":[0,0]}})", 0, "is unknown");
  expect_refused(R"({"a":{"shape":[0],"data_offsets":[0,0]}})", 0, "dtype is missing");
  expect_refused(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})", 0, "shape is missing");
  expect_refused(R"({"a":{"dtype":"U8","shape":[0]}})", 0, "data_offsets is missing");
  expect_refused(R"({"__metadata__":{"k":1}})", 0, "not a string");
  expect_refused(R"({"__metadata__":{"k":{}}})", 0, "not a string");
  expect_refused(R"({"__metadata__":[]})", 0, "not an object");
  expect_refused(R"({"a":null})", 0, "null");
  expect_refused(R"({"a":[]})", 0, "not an object");
  expect_refused("{\"a\":" + tensor + "}{}", 0, "JSON");
  expect_refused("{\"a\":" + tensor + ",}", 0, "JSON");
  expect_refused("{\"\xff\":" + tensor + "}", 0, "JSON");
  expect_refused("[]", 0, "no header");
  expect_refused(" {}", 0, "no header");
  expect_refused("{", 0, "JSON");
}

TEST(Safetensors, DepthBombs) {
  expect_refused("{\"a\":" + std::string(5'000'000, '['), 0, "array");
  std::string objects;
  for (int i = 0; i < 500'000; ++i) objects += "{\"shape\":";
  expect_refused(objects, 0, "object");
  expect_refused(R"({"a":{"dtype":"U8","shape":)" + std::string(5'000'000, '['), 0, "array");
}

TEST(Safetensors, NamesStayOnOneLine) {
  expect_refused(R"({"a\nb\u001b[31m":{"dtype":"U8","shape":[0]}})", 0, "a\\x0ab\\x1b[31m");
  expect_refused("{\"" + std::string(100'000, 'n') + R"(":{"dtype":"U8","shape":[0]}})", 0, "...");
}

TEST(Safetensors, EveryDtypeHasItsSize) {
  for (const auto &[name, bytes] : std::vector<std::pair<std::string, int>>{{"BOOL", 2},
                                                                            {"U8", 2},
                                                                            {"I8", 2},
                                                                            {"F8_E4M3", 2},
                                                                            {"F8_E5M2", 2},
                                                                            {"F8_E8M0", 2},
                                                                            {"I16", 4},
                                                                            {"U16", 4},
                                                                            {"F16", 4},
                                                                            {"BF16", 4},
                                                                            {"I32", 8},
                                                                            {"U32", 8},
                                                                            {"F32", 8},
                                                                            {"I64", 16},
                                                                            {"U64", 16},
                                                                            {"F64", 16},
                                                                            {"F4", 1}}) {
    EXPECT_EQ(tensor_bytes(find_dtype(name).value(), std::vector<int64_t>{2}), bytes) << name;
    EXPECT_EQ(dtype_name(find_dtype(name).value()), name);
  }
}

class SafetensorsFile : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / ("quern_safetensors_" + std::to_string(getpid()));
    std::filesystem::create_directory(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string &name) const { return (directory_ / name).string(); }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory_), {}));
  }

  std::filesystem::path directory_;
};

TEST_F(SafetensorsFile, WhatIsWrittenIsReadBack) {
  {
    Writer writer(path("a"), {{"w", Dtype::kF32, {2, 2}}, {"empty", Dtype::kU8, {0}}, {"b", Dtype::kU8, {3}}},
                  {{"format", "pt"}});
    EXPECT_FALSE(std::filesystem::exists(path("a")));
    const std::string data = "0123456789abcdefXYZ";
    writer.append(std::as_bytes(std::span(data).first(5)));
    writer.append(std::as_bytes(std::span(data).subspan(5)));
    writer.finish();
  }
  EXPECT_EQ(files(), 1u);
  const MappedFile file(path("a"));
  EXPECT_EQ(file.header().data_start % 8, 0u);
  EXPECT_EQ(file.header().metadata.at("format"), "pt");
  const auto b = file.data(*file.header().find("b"));
  EXPECT_EQ(std::string(reinterpret_cast<const char *>(b.data()), b.size()), "XYZ");
  EXPECT_EQ(file.header().find("empty")->bytes(), 0u);
}

TEST_F(SafetensorsFile, AnUnfinishedFileLeavesNothing) {
  { Writer writer(path("a"), {{"w", Dtype::kF32, {2}}}, {}); }
  EXPECT_EQ(files(), 0u);
}

TEST_F(SafetensorsFile, AFileThatIsReplacedKeepsItsContentsUntilTheEnd) {
  std::ofstream(path("a")) << "old";
  Writer writer(path("a"), {}, {});
  EXPECT_EQ(std::filesystem::file_size(path("a")), 3u);
  writer.finish();
  EXPECT_NO_THROW(MappedFile{path("a")});
}

TEST_F(SafetensorsFile, ThePlanIsHeld) {
  Writer writer(path("a"), {{"w", Dtype::kU8, {2}}}, {});
  const std::string data = "abc";
  EXPECT_THROW(writer.append(std::as_bytes(std::span(data))), std::logic_error);
  EXPECT_THROW(writer.finish(), std::logic_error);
  EXPECT_THROW(Writer(path("b"), {{"w", Dtype::kU8, {2}}, {"w", Dtype::kU8, {2}}}, {}), std::runtime_error);
  EXPECT_THROW(Writer(path("b"), {{"w", Dtype::kF64, {INT64_MAX, 4}}}, {}), std::runtime_error);
}

TEST_F(SafetensorsFile, FilesThatCannotBeRead) {
  EXPECT_THROW(MappedFile{path("missing")}, std::runtime_error);
  EXPECT_THROW(MappedFile{directory_.string()}, std::runtime_error);
  EXPECT_THROW(MappedFile{"/dev/null"}, std::runtime_error);
  std::ofstream(path("empty")).close();
  EXPECT_THROW(MappedFile{path("empty")}, std::runtime_error);
  EXPECT_THROW(Writer(path("no/such/a"), {}, {}), std::runtime_error);
}

}  // namespace
}  // namespace quern::safetensors
