#include "cli/table.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace quern::cli {
namespace {

// Columns on a terminal: UTF-8 continuation bytes take none.
size_t width(std::string_view cell) {
  return static_cast<size_t>(std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<std::string> headers) : headers_(std::move(headers)) {
  for (std::string &header : headers_) {
    right_.push_back(header.starts_with('>'));
    if (right_.back()) header.erase(0, 1);
  }
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(headers_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const std::string &header : headers_) widths.push_back(width(header));
  for (const auto &row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  const auto line = [&](const std::vector<std::string> &cells) {
    std::string built;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string space(widths[i] - width(cells[i]), ' ');
      if (i > 0) built += "  ";
      built += right_[i] ? space + cells[i] : cells[i] + space;
    }
    built.erase(built.find_last_not_of(' ') + 1);
    out += built + "\n";
  };
  line(headers_);
  for (const auto &row : rows_) line(row);
  return out;
}

}  // namespace quern::cli
