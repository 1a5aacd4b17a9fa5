#!/usr/bin/env bash
# The library is called libquern.so.0 and loads nothing but the C and C++ runtimes: no CUDA and no NVRTC, which are opened
# when first needed, and no library that is linked in from its archive.
#   dependencies_test.sh libquern.so [NAME...]      further libraries allowed, as libcrypto
set -euo pipefail
further=$(printf '|%s' "${@:2}")
allowed="^(libc|libm|libpthread|libdl|libstdc\\+\\+|libgcc_s|ld-linux.*${further%|})\.so\.[0-9]+$"

soname=$(readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[[ $soname == libquern.so.0 ]] || { echo "SONAME is '$soname', not libquern.so.0" >&2; exit 1; }
needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if extra=$(grep -vE "$allowed" <<<"$needed"); then
  echo "needs what it should not: $extra" >&2
  exit 1
fi
if readelf -d "$1" | grep -E '\((RPATH|RUNPATH|TEXTREL)\)'; then
  echo "has an entry it should not" >&2
  exit 1
fi
echo "$soname needs: $(tr '\n' ' ' <<<"$needed")"
