// Which headers a CUDA source includes, read strictly: a kernel package may include only what its manifest lists, so an
// include that this reader cannot see through is an error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quern {

// Names in #include directives, in order, without quotes or brackets. Throws QUERN_BAD_MANIFEST for an include whose
// operand is a macro, for __has_include, for alternative spellings of '#', for raw strings and other text in which an
// include could hide from this reader, and for __DATE__ and __TIME__, which would make equal sources compile to
// different code. `what` names the file.
std::vector<std::string> included_names(std::string_view source, const std::string &what);

}  // namespace quern
