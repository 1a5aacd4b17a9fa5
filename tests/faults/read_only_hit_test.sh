#!/usr/bin/env bash
# A hit on a read-only cache, and in a lower layer, makes no system call that writes.
#   read_only_hit_test.sh fault_test
set -euo pipefail
command -v strace >/dev/null || { echo "strace is missing; scripts/install test installs it" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export FAULT_CACHE=$work/cache
unset FAKE_NVRTC_LOG FAKE_NVRTC_DELAY_MS

case_of() { "${@:2}" --gtest_also_run_disabled_tests --gtest_filter="DiskFault.DISABLED_$1" >"$work/out" || { cat "$work/out"; exit 1; }; }

case_of Fill "$1"
for name in HitReadOnly HitInALowerLayer; do
  case_of "$name" strace -f -qq -o "$work/trace" "$1"
  # Output to 1 and 2 is the test's own.
  grep -E '^[0-9]+ +((write|pwrite64|writev)\((1|2),)' "$work/trace" >"$work/own" || true
  writes=$(grep -E '^[0-9]+ +(write|pwrite64|writev|rename|renameat|renameat2|unlink|unlinkat|mkdir|mkdirat|link|linkat|symlink|symlinkat|chmod|fchmod|fchmodat|chown|fchown|truncate|ftruncate|fallocate|fsync|fdatasync|utime|utimensat|flock|mknod|mknodat)\(' "$work/trace" | grep -vFf "$work/own" || true)
  opened=$(grep -E '^[0-9]+ +(open|openat|creat)\(.*O_(WRONLY|RDWR|CREAT)' "$work/trace" | grep -v '/dev/null' || true)
  hits=$(grep -c 'qkc' "$work/trace" || true)
  [[ $hits -ge 3 ]] || { echo "$name: the trace shows no entry being read" >&2; exit 1; }
  if [[ -n $writes$opened ]]; then
    printf '%s: calls that write:\n%s\n%s\n' "$name" "$writes" "$opened" >&2
    exit 1
  fi
  echo "$name: 3 hits, 0 write system calls"
done
