#!/usr/bin/env python3
"""Several processes on one cache, and places where no cache can be.

  race_test.py PLAN_ONCE CASE    CASE: cold_cache, killed, no_home, cache_is_a_file
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

PROCESSES = 16
ROUNDS = 5
VICTIMS = 8  # so many that some of them are compiling when it comes

program = None


def environment(**changes):
    """This process's, less whatever would steer the library. A change to None removes a variable."""
    steering = ("QUERN_CACHE_DIR", "QUERN_CACHE_MODE", "QUERN_KERNEL_PATH", "QUERN_KERNEL_FORCE", "QUERN_JIT",
                "QUERN_LOG")
    kept = {name: value for name, value in os.environ.items() if name not in steering and name not in changes}
    kept.update({name: value for name, value in changes.items() if value is not None})
    return kept


def start(cache, env=None):
    return subprocess.Popen([program, str(cache)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=env or environment())


def finish(process):
    """What a process that must succeed printed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, f"exit {process.returncode}: {err}"
    assert err == "", err
    return json.loads(out)


def scan(cache):
    """(state, key, target, types, kernel) of every entry, verified."""
    listed = subprocess.run([program, str(cache), "scan"], check=True, capture_output=True, text=True,
                            env=environment())
    return [line.split() for line in listed.stdout.splitlines()]


def check_cache(cache):
    entries = scan(cache)
    assert entries, "the cache is empty"
    assert all(entry[0] == "0" for entry in entries), entries
    keys = collections.Counter(entry[1] for entry in entries)
    assert max(keys.values()) == 1, keys
    assert not list(cache.glob("*.damaged")), "the index was judged damaged"
    return len(entries)


def cold_cache(directory):
    """However many start at once, each key is compiled once."""
    for number in range(ROUNDS):
        cache = directory / f"round{number}"
        results = [finish(process) for process in [start(cache) for _ in range(PROCESSES)]]
        entries = check_cache(cache)
        compiles = sum(result["compiles"] for result in results)
        hits = sum(result["disk_hits"] for result in results)
        assert compiles == entries, f"{compiles} compiles for {entries} entries"
        assert hits == entries * PROCESSES - compiles, f"{hits} hits"
        assert all(result["corrupt"] == 0 for result in results), results
        assert not list((cache / "tmp").iterdir()), "temporary files are left"
        print(f"round {number}: {compiles} compiles, {hits} hits")


def killed(directory):
    """Those that are killed at any moment stop nobody else and leave nothing that counts."""
    for number in range(ROUNDS):
        cache = directory / f"round{number}"
        began = time.monotonic()
        processes = [start(cache) for _ in range(PROCESSES)]
        time.sleep(random.uniform(0.02, 0.6))
        victims = random.sample(processes, VICTIMS)
        for victim in victims:
            victim.kill()
        for victim in victims:
            victim.communicate()
        results = [finish(process) for process in processes if process not in victims]
        entries = check_cache(cache)
        compiles = sum(result["compiles"] for result in results)
        # A victim may have published what it compiled, or died before.
        assert entries - 2 <= compiles <= entries, f"{compiles} compiles for {entries} entries"
        assert finish(start(cache))["compiles"] == 0
        print(f"round {number}: {compiles} compiles for {entries} entries in {time.monotonic() - began:.1f} s")


def no_home(directory):
    """Without a place for a cache, kernels are compiled and used from memory."""
    result = finish(start("-", environment(HOME=None, XDG_CACHE_HOME=None)))
    assert result["compiles"] > 0 and result["writes"] == 0, result
    assert result["cache_state"].startswith("off: no directory"), result
    home = finish(start("-", environment(HOME=str(directory), XDG_CACHE_HOME=None)))
    assert home["cache_state"] == "read-write" and home["writes"] == home["compiles"] > 0, home
    check_cache(directory / ".cache" / "quern")


def cache_is_a_file(directory):
    """A cache that cannot be one is told, and is no failure."""
    place = directory / "file"
    place.write_text("mine")
    result = finish(start(place))
    assert result["compiles"] > 0 and result["writes"] == 0, result
    assert not result["cache_state"].startswith("read-write") and "is not a directory" in result["cache_state"], result
    assert place.read_text() == "mine"


def main():
    global program
    program = sys.argv[1]
    cases = {case.__name__: case for case in (cold_cache, killed, no_home, cache_is_a_file)}
    case = cases[sys.argv[2]]
    with tempfile.TemporaryDirectory() as directory:
        case(pathlib.Path(directory))


if __name__ == "__main__":
    main()
