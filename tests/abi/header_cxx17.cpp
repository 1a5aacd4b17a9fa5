// quern.hpp alone: compiled with -std=c++17 -pedantic-errors and all warnings fatal.
#include <quern/quern.hpp>
