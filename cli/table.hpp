// Text for people: columns as wide as their widest cell, two spaces between.
#pragma once

#include <string>
#include <vector>

namespace quern::cli {

class Table {
 public:
  // A header that starts with '>' makes a column of numbers, aligned to the right.
  explicit Table(std::vector<std::string> headers);

  void add(std::vector<std::string> cells);
  size_t rows() const { return rows_.size(); }
  std::string text() const;  // ends with a newline

 private:
  std::vector<bool> right_;
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace quern::cli
