# Writes a C++ file that holds every file below kernel_sources/: cmake -DSOURCE_DIR=... -DOUTPUT=... -P this
file(GLOB_RECURSE files RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/*.json ${SOURCE_DIR}/*.cu ${SOURCE_DIR}/*.cuh ${SOURCE_DIR}/*.h)
list(SORT files)
set(rows "")
foreach(file IN LISTS files)
  file(READ ${SOURCE_DIR}/${file} content)
  string(FIND "${content}" ")QUERN\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${file} contains the end of a raw string")
  endif()
  string(APPEND rows "    {\"${file}\", R\"QUERN(${content})QUERN\"},\n")
endforeach()
file(WRITE ${OUTPUT}.new "#include \"registry/package/builtin_files.hpp\"

namespace quern {
namespace {
constexpr BuiltinFile kFiles[] = {
${rows}};
}  // namespace

std::span<const BuiltinFile> builtin_files() { return kFiles; }

}  // namespace quern
")
file(COPY_FILE ${OUTPUT}.new ${OUTPUT} ONLY_IF_DIFFERENT)
