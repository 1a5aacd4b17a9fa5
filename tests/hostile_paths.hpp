// Paths that no package may have, for every test that offers them.
#pragma once

#include <string>
#include <vector>

namespace quern {

inline std::string repeated(const std::string &part, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += part;
  return out;
}

inline std::vector<std::string> hostile_paths() {
  using namespace std::string_literals;
  return {
      // out of the package
      "../x.cu", "..", "a/..", "a/../x.cu", "a/../../x.cu", "../../../../etc/passwd", "a/b/../../../x", "./x.cu", ".",
      "a/./b.cu", "a/.", "...", "a/.../b", "/etc/passwd", "/", "//x.cu", "//server/share/x", "~/x.cu", "~root/x.cu",
      "$HOME/x.cu", "%2e%2e/x.cu", "..%2fx.cu", "\xef\xbc\x8e\xef\xbc\x8e/x.cu", "file:///etc/passwd", "..;/x.cu",
      // other systems' separators, drives, devices
      "\\", "a\\b.cu", "..\\x.cu", "C:\\x.cu", "C:x.cu", "C:/x.cu", "\\\\server\\x", "\\\\?\\C:\\x", "refs\\v1", "CON",
      "con", "Nul", "aux.cuh", "a/PRN", "COM1", "com9.txt", "a/lpt1.cu", "x.cu:stream", "x.cu::$DATA",
      // empty parts and odd ends
      "", "a//b.cu", "a/", "/a", "a/b/", " ", "x.cu ", " x.cu", "x.cu.", "a./b.cu", "a /b.cu", "a.", "x.cu\n", "x\r.cu",
      // hidden files and look-alikes of the cache's own
      ".hidden", "a/.hidden/b.h", ".quern-ok", ".git/config", "a/.git", "../refs/v1", "/refs/v1", "refs//v1",
      "./refs/v1", "kernel.json", "KERNEL.JSON", "kernel.json.sig",
      // bytes that are no plain characters
      "a\0b.cu"s, "\0"s, "x.cu\0.png"s, "x\ty.cu", "x\x01.cu", "x\x7f.cu", "x\x1b[31m.cu", "caf\xc3\xa9.cu",
      "cafe\xcc\x81.cu", "x\xff.cu", "\xc0\xae\xc0\xae/x.cu", "x\xe2\x80\xae.cu", "\xe2\x80\x8b.cu", "a b.cu", "a*b.cu",
      "a?b.cu", "a\"b.cu", "a'b.cu", "a|b.cu", "a<b.cu", "a;b.cu", "a&b.cu", "a`b.cu", "a$b.cu", "-\n.cu", "@x.cu",
      // too much
      std::string(201, 'a'), std::string(4096, 'a'), repeated("a/", 8) + "b", repeated("a/", 300) + "b",
      repeated("../", 50) + "x", std::string(70000, '/')};
}

}  // namespace quern
