#!/usr/bin/env python3
"""The kernels of a package as C++ for the emulator: a file for each compile of each instance that kernel.json has.

  generate.py KERNEL_JSON OUT_DIR [few]    prints the files; those that did not change are left alone

few: of each family the first instance, and the first that has clusters.
"""
import itertools
import json
import pathlib
import sys

DTYPES = {"f16": 2, "bf16": 3, "e4m3": 4}
TEXT = """// Made by generate.py.
#include "emulator/cuda.hpp"
#define __shared__ {shared}
{defines}
#define QUERN_X_DTYPE {dtype}
#define {entry} {symbol}
#include "{unit}"

#include "emulator/emulated_kernels.hpp"

static const emulator::Registration registration("{name}", {dtype}, {{{kinds}}}, emulator::kernel_call({symbol}));
"""


def main(manifest, out, few):
    out.mkdir(parents=True, exist_ok=True)
    package = json.loads(manifest.read_text())
    for family in package["variants"]:
        # Shared memory that is not asked for at the launch is one array for all threads: one CTA runs at a time.
        shared = "" if family["launch"]["shared_bytes"] else "static"
        kinds_of_problems = [item["name"] for item in family["specialize"] if isinstance(item, dict)]
        seen = set()
        for number, instance in enumerate(family.get("instances", [family])):
            clustered = instance.get("defines", {}).get("CLUSTER_K", 1) > 1
            if few and clustered in seen:
                continue
            seen.add(clustered)
            # Every instance for one type, and one of the family for the others too.
            dtypes = family["accepts"]["x_dtype"]
            compiles = itertools.product(reversed(dtypes) if number == 0 else dtypes[-1:],
                                         itertools.product((0, 1), repeat=len(kinds_of_problems)))
            for dtype, kinds in compiles:
                defines = {**family.get("defines", {}), **instance.get("defines", {}),
                           **{f"QUERN_{name.upper()}": value for name, value in zip(kinds_of_problems, kinds)}}
                title = "_".join([instance["name"], dtype, *itertools.compress(kinds_of_problems, kinds)])
                path = out / f"{title}.cpp"
                text = TEXT.format(shared=shared, dtype=DTYPES[dtype], entry=family["entry"], unit=family["unit"],
                                   symbol=f"emulated_{title}", name=instance["name"], kinds=", ".join(map(str, kinds)),
                                   defines="\n".join(f"#define {name} {value}" for name, value in defines.items()))
                if not path.exists() or path.read_text() != text:
                    path.write_text(text)
                print(path)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), "few" in sys.argv[3:])
