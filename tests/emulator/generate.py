#!/usr/bin/env python3
"""The sm_90a kernels of a package as C++ for the emulator: a file for each, as kernel.json has them.

  generate.py KERNEL_JSON OUT_DIR    prints the files; those that did not change are left alone
"""
import json
import pathlib
import sys

DTYPES = {"f16": 2, "bf16": 3, "e4m3": 4}
TEXT = """// Made by generate.py.
#include "emulator/cuda.hpp"
{defines}
#define QUERN_X_DTYPE {dtype}
#define {entry} {symbol}
#include "{unit}"

#include "emulator/emulated_kernels.hpp"

static const emulator::Registration registration("{name}", {dtype}, emulator::kernel_call({symbol}));
"""


def main(manifest, out):
    out.mkdir(parents=True, exist_ok=True)
    package = json.loads(manifest.read_text())
    for family in package["variants"]:
        if "sm_90a" not in family.get("archs", []):
            continue
        for number, instance in enumerate(family["instances"]):
            # Every instance for one type, and one of the family for the others too.
            dtypes = family["accepts"]["x_dtype"]
            for dtype in reversed(dtypes) if number == 0 else dtypes[-1:]:
                defines = {**family.get("defines", {}), **instance.get("defines", {})}
                path = out / f"{instance['name']}_{dtype}.cpp"
                text = TEXT.format(defines="\n".join(f"#define {name} {value}" for name, value in defines.items()),
                                   dtype=DTYPES[dtype], entry=family["entry"], unit=family["unit"],
                                   symbol=f"emulated_{instance['name']}_{dtype}", name=instance["name"])
                if not path.exists() or path.read_text() != text:
                    path.write_text(text)
                print(path)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
