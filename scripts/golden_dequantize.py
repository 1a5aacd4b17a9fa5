#!/usr/bin/env python3
"""Write tests/golden/mxfp4_dequantize.json from the measured golden vectors.

  golden_dequantize.py MEASURED.json OUTPUT.json

MEASURED["dq"]["system.dtype.device"][scale byte] holds 16 f32 patterns in hex, for nibbles 0 to 15, as independent
implementations produced them. The output holds the same numbers, every distinct row once:
  rows     distinct rows of 16 patterns; any NaN is written as 7fc00000, for payloads differ between devices
  tables   distinct tables: 256 indices into rows, in base 36, separated by blanks
  systems  "system.dtype.device" -> index into tables
"""

import json
import sys

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number):
    digits = DIGITS[number % 36]
    while number >= 36:
        number //= 36
        digits = DIGITS[number % 36] + digits
    return digits


def without_payloads(row):
    patterns = [row[i : i + 8] for i in range(0, len(row), 8)]
    return "".join("7fc00000" if int(p, 16) & 0x7FFFFFFF > 0x7F800000 else p for p in patterns)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        measured = json.load(file)
    rows, tables, systems = {}, {}, {}
    for system, table in measured["dq"].items():
        indices = [rows.setdefault(without_payloads(row), len(rows)) for row in table]
        text = " ".join(base36(index) for index in indices)
        systems[system] = tables.setdefault(text, len(tables))
    result = {
        "source": "python3 scripts/golden_dequantize.py on values measured by running each system",
        "produced_by": measured["produced_by"],
        "rows": list(rows),
        "tables": list(tables),
        "systems": systems,
    }
    with open(sys.argv[2], "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
