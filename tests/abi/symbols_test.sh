#!/usr/bin/env bash
# The library exports exactly the functions that quern.h declares, and the linker script names exactly those.
#   symbols_test.sh libquern.so quern.h quern.map
set -euo pipefail
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The version script's own nodes are absolute symbols (A), not functions.
nm -D --defined-only "$1" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort >"$work/exported"
# Declarations: comments away, lines joined, then what stands before the parenthesis of a QUERN_API declaration.
sed '/^#/d' "$2" | tr '\n' ' ' | sed -e 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/: :g' | grep -o 'QUERN_API [^;(]*(' |
  sed 's/.*[ *]\(quern_[a-z0-9_]*\) *($/\1/' | sort >"$work/declared"
sed -e 's:/\*.*\*/::' -e 's:#.*::' "$3" | grep -o 'quern_[a-z0-9_]*;' | tr -d ';' | sort >"$work/mapped"

[[ -s "$work/declared" ]] || { echo "no declarations found in $2" >&2; exit 1; }
if grep -q '\*;' <(sed -n '/global:/,/local:/p' "$3"); then echo "$3 exports by wildcard" >&2; exit 1; fi
diff -u --label "declared in quern.h" --label "exported by the library" "$work/declared" "$work/exported"
diff -u --label "declared in quern.h" --label "named in quern.map" "$work/declared" "$work/mapped"
echo "$(wc -l <"$work/declared") functions declared, exported and mapped alike"
