#include "registry/trust/configuration.hpp"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "simulated_registry.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

std::string quoted_key(uint8_t number) { return "\"" + test_key(number).public_key().text() + "\""; }

Configuration parse(const std::string &document) { return parse_configuration(document, "/etc/quern", "config.json"); }

TEST(Configuration, ReadsEverything) {
  const Configuration read = parse(
      R"({"schema":1,"registries":[{"name":"main","url":"https://kernels.acme.example/q/","mirrors":["https://m.example",
          "file:///mnt/usb/"],"root_keys":[)" +
      quoted_key(1) + "," + quoted_key(2) +
      R"(],"threshold":2,"token_file":"../token"},{"name":"hf","url":"hf://","token_file":"/run/token"}],
          "cache":{"max_size":"5GiB","max_age":"90d"},"offline":true})");
  ASSERT_EQ(read.registries.size(), 2u);
  EXPECT_EQ(read.registries[0].url, "https://kernels.acme.example/q");
  EXPECT_EQ(read.registries[0].mirrors, (std::vector<std::string>{"https://m.example", "file:///mnt/usb"}));
  EXPECT_EQ(read.registries[0].root_keys.size(), 2u);
  EXPECT_EQ(read.registries[0].threshold, 2u);
  EXPECT_EQ(read.registries[0].token_file, "/etc/token");
  EXPECT_EQ(read.registries[1].url, "hf://");
  EXPECT_EQ(read.registries[1].token_file, "/run/token");
  EXPECT_TRUE(read.registries[1].root_keys.empty());
  EXPECT_EQ(read.cache_max_bytes, INT64_C(5) << 30);
  EXPECT_EQ(read.cache_max_age_s, 90 * 86400);
  EXPECT_TRUE(read.offline);
}

TEST(Configuration, EverythingHasADefault) {
  for (const Configuration &read : {parse(R"({"schema":1})"), load_configuration(""), load_configuration("/nowhere")}) {
    EXPECT_TRUE(read.registries.empty());
    EXPECT_FALSE(read.cache_max_bytes || read.cache_max_age_s || read.offline);
  }
}

TEST(Configuration, HostileFiles) {
  using namespace std::string_literals;
  const auto registry = [](const std::string &inside) { return R"({"schema":1,"registries":[{)" + inside + "}]}"; };
  const std::string main = R"("name":"main","url":"https://a")", key = quoted_key(1);
  EXPECT_EQ(status_of([&] { parse(registry(main)); }), QUERN_OK);
  const std::string bad[] = {"",
                             "{}",
                             "[]",
                             R"({"schema":2})",
                             R"({"schema":1,"schema":1})",
                             R"({"schema":1,"ofline":true})",
                             R"({"schema":1,"offline":1})",
                             R"({"schema":1,"offline":"true"})",
                             R"({"schema":1,"registries":{}})",
                             R"({"schema":1,"cache":{"max_size":5}})",
                             R"({"schema":1,"cache":{"max_size":"5 GiB"}})",
                             R"({"schema":1,"cache":{"max_age":"90"}})",
                             R"({"schema":1,"cache":{"size":"5GiB"}})",
                             R"({"schema":1}x)",
                             R"({"schema":1})" + "\0"s,
                             std::string(100000, '['),
                             registry(R"("name":"main")"),
                             registry(R"("url":"https://a")"),
                             registry(R"("name":"","url":"https://a")"),
                             registry(R"("name":"..","url":"https://a")"),
                             registry(R"("name":"a/b","url":"https://a")"),
                             registry(R"("name":"Main","url":"https://a")"),
                             registry(R"("name":"-a","url":"https://a")"),
                             registry(R"("name":"a\u0000","url":"https://a")"),
                             registry(R"("name":"main","url":"ftp://a")"),
                             registry(R"("name":"main","url":"a")"),
                             registry(R"("name":"main","url":"/srv")"),
                             registry(R"("name":"main","url":"https://")"),
                             registry(R"("name":"main","url":"file:///")"),
                             registry(R"("name":"main","url":"https://me:secret@a")"),
                             registry(R"("name":"main","url":"https://a?b")"),
                             registry(R"("name":"main","url":"https://a#b")"),
                             registry(R"("name":"main","url":"https://a b")"),
                             registry(R"("name":"main","url":"https://a\nb")"),
                             registry(main + R"(,"mirrors":"https://b")"),
                             registry(main + R"(,"mirrors":["b"])"),
                             registry(main + R"(,"root_keys":["00"])"),
                             registry(main + R"(,"root_keys":[)" + key + "," + key + "]"),
                             registry(main + R"(,"root_keys":[)" + key + R"(],"threshold":2)"),
                             registry(main + R"(,"root_keys":[)" + key + R"(],"threshold":0)"),
                             registry(main + R"(,"threshold":2)"),
                             registry(main + R"(,"token":"secret")"),
                             registry(main + R"(,"token_file":1)"),
                             registry(R"("name":"hf","url":"hf://","root_keys":[)" + key + "]"),
                             R"({"schema":1,"registries":[{)" + main + "},{" + main + "}]}"};
  for (const std::string &file : bad) {
    EXPECT_EQ(status_of([&] { parse(file); }), QUERN_INVALID_ARGUMENT) << file.substr(0, 200);
    EXPECT_EQ(message_of([&] { parse(file); }).rfind("config.json: ", 0), 0u);
  }
}

TEST(Configuration, SizesAndAges) {
  const std::pair<const char *, int64_t> sizes[] = {{"0", 0},
                                                    {"4096", 4096},
                                                    {"7B", 7},
                                                    {"2kB", 2000},
                                                    {"500MB", 500000000},
                                                    {"1GB", 1000000000},
                                                    {"1KiB", 1024},
                                                    {"5GiB", INT64_C(5) << 30},
                                                    {"3TiB", INT64_C(3) << 40}};
  for (const auto &[text, bytes] : sizes) EXPECT_EQ(parse_byte_size(text), bytes) << text;
  for (const char *text : {"", "GiB", "-1", "+1", "1.5GiB", "5gib", "5G", "5 GiB", "5GiB ", " 5GiB", "0x10", "1e3",
                           "inf", "9223372036854775808", "9000000TiB", "5GiBB"}) {
    EXPECT_FALSE(parse_byte_size(text)) << text;
  }
  const std::pair<const char *, int64_t> ages[] = {
      {"45s", 45}, {"30m", 1800}, {"12h", 43200}, {"90d", 7776000}, {"2w", 1209600}};
  for (const auto &[text, seconds] : ages) EXPECT_EQ(parse_age(text), seconds) << text;
  for (const char *text : {"", "90", "d", "-1d", "1.5d", "90D", "90 d", "1y", "99999999999999999d"}) {
    EXPECT_FALSE(parse_age(text)) << text;
  }
}

class FindConfigurationTest : public ::testing::Test {
 protected:
  FindConfigurationTest() {
    places_.home = directory_ / "home";
    places_.system = directory_ / "system";
  }
  TemporaryDirectory directory_;
  ConfigurationPlaces places_;
};

TEST_F(FindConfigurationTest, FromTheOperatorsFolderElseTheSystems) {
  EXPECT_EQ(find_configuration(places_).config, "");
  EXPECT_EQ(find_configuration(places_).trust, directory_ / "home/.config/quern/trust.json");
  write_text(directory_ / "system/trust.json", "{}");
  EXPECT_EQ(find_configuration(places_).trust, directory_ / "system/trust.json");
  write_text(directory_ / "system/config.json", "{}");
  EXPECT_EQ(find_configuration(places_).config, directory_ / "system/config.json");
  EXPECT_EQ(find_configuration(places_).trust, directory_ / "system/trust.json");
  write_text(directory_ / "home/.config/quern/config.json", "{}");
  EXPECT_EQ(find_configuration(places_).config, directory_ / "home/.config/quern/config.json");
  EXPECT_EQ(find_configuration(places_).trust,
            directory_ / "home/.config/quern/trust.json");  // beside it, there or not
  places_.xdg_config_home = "relative";
  EXPECT_EQ(find_configuration(places_).config, directory_ / "home/.config/quern/config.json");
  places_.xdg_config_home = directory_ / "xdg";
  EXPECT_EQ(find_configuration(places_).config, directory_ / "system/config.json");  // in place of ~/.config
  write_text(directory_ / "xdg/quern/config.json", "{}");
  EXPECT_EQ(find_configuration(places_).config, directory_ / "xdg/quern/config.json");
}

TEST_F(FindConfigurationTest, WhatAVariableNamesMustExist) {
  places_.config = directory_ / "mine.json";
  EXPECT_EQ(status_of([&] { find_configuration(places_); }), QUERN_NOT_FOUND);
  write_text(directory_ / "mine.json", "{}");
  EXPECT_EQ(find_configuration(places_).config, directory_ / "mine.json");
  EXPECT_EQ(find_configuration(places_).trust, directory_ / "trust.json");
  places_.trust = directory_ / "whom.json";
  EXPECT_EQ(message_of([&] { find_configuration(places_); }),
            "QUERN_TRUST is " + places_.trust + ", which does not exist; correct it");
  write_text(directory_ / "whom.json", "{}");
  EXPECT_EQ(find_configuration(places_).trust, directory_ / "whom.json");
}

TEST_F(FindConfigurationTest, WithoutHomeTheSystemsServes) {
  places_.home = "";
  EXPECT_EQ(find_configuration(places_).trust, directory_ / "system/trust.json");
}

TEST(LoadConfiguration, RefusesAFileThatEverybodyCanWrite) {
  TemporaryDirectory directory;
  write_text(directory / "config.json",
             R"({"schema":1,"offline":true,"registries":[{"name":"a","url":"hf://","token_file":"t"}]})");
  EXPECT_TRUE(load_configuration(directory / "config.json").offline);
  EXPECT_EQ(load_configuration(directory / "config.json").registries[0].token_file, directory / "t");
  ASSERT_EQ(::chmod((directory / "config.json").c_str(), 0666), 0);
  EXPECT_EQ(status_of([&] { load_configuration(directory / "config.json"); }), QUERN_UNTRUSTED);
}

}  // namespace
}  // namespace quern
