// How a verb comes to be parsed, for main.cpp and the files that add verbs for it. Nobody else sees CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/exit_code.hpp"
#include "cli/global_options.hpp"

namespace quern::cli {

// What the parser writes to whatever the verb. It lives as long as the program, so actions may refer to it.
struct ParsedLine {
  GlobalOptions global;
  std::function<ExitCode()> action;
};

// A verb whose action is one function of the global options and its own.
template <typename Options>
CLI::App *add_verb(CLI::App &parent, ParsedLine &line, const char *name, const char *description,
                   ExitCode (*run)(const GlobalOptions &, const Options &), Options &options) {
  CLI::App *verb = parent.add_subcommand(name, description);
  verb->callback(
      [&line, &options, run] { line.action = [&line, &options, run] { return run(line.global, options); }; });
  return verb;
}

inline CLI::App *add_verb(CLI::App &parent, ParsedLine &line, const char *name, const char *description,
                          ExitCode (*run)(const GlobalOptions &)) {
  CLI::App *verb = parent.add_subcommand(name, description);
  verb->callback([&line, run] { line.action = [&line, run] { return run(line.global); }; });
  return verb;
}

}  // namespace quern::cli
