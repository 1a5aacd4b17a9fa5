#!/usr/bin/env bash
# What a host's author does: install Quern, move the tree, build the example and README.md's program against it through
# pkg-config and through CMake, and run them on the CPU. Nothing of the build tree may be needed.
#   example_host_test.sh BUILD_DIR EXAMPLES_DIR
set -euo pipefail
build=$1
examples=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CFLAGS LDFLAGS LD_LIBRARY_PATH
export QUERN_CACHE_DIR=$work/cache

cmake --install "$build" --prefix "$work/first" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
mv "$work/first" "$work/moved"
prefix=$work/moved
libdir=$(dirname "$(find "$prefix" -name libquern.so)")
if grep -rlF -e "$work/first" -e "$build" "$prefix" --include='*.cmake' --include='*.pc'; then
  echo "the files above name a directory of this build" >&2
  exit 1
fi

# The same files for every builder: what is compiled is a copy, so no header beside it can help.
mkdir "$work/source"
cp "$examples/host.c" "$examples/CMakeLists.txt" "$examples/Makefile" "$work/source"

make -s -C "$work/source" PKG_CONFIG_PATH="$libdir/pkgconfig"
LD_LIBRARY_PATH=$libdir "$work/source/host" cpu

# The program in README.md, as it says there.
sed -n '/^```c$/,/^```$/{//!p}' "$examples/../README.md" >"$work/program.c"
flags=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --cflags --libs quern)
# shellcheck disable=SC2086 # these are words
cc -std=c99 -Wall -Wextra -Werror "$work/program.c" $flags -o "$work/program"
said=$(LD_LIBRARY_PATH=$libdir "$work/program")
[[ $said == "2 4 0" ]] || { echo "README.md's program prints '$said'" >&2; exit 1; }

cmake -S "$work/source" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log" ||
  { cat "$work/configure.log"; exit 1; }
cmake --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/cmake/host" cpu

# A newer minor version may break the ABI while the major one is 0, so CMake must refuse it.
sed -i 's/find_package(quern 0.1/find_package(quern 0.2/' "$work/source/CMakeLists.txt"
if cmake -S "$work/source" -B "$work/newer" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then
  echo "find_package(quern 0.2) accepts this version" >&2
  exit 1
fi

"$prefix/bin/quern" version
for file in mxfp4-gemm/kernel.json include/quern/mxfp4.h; do
  [[ -e $prefix/share/quern/kernels/$file ]] || { echo "share/quern/kernels/$file is not installed" >&2; exit 1; }
done
