#!/usr/bin/env python3
"""Check what the quickstart computed, with arithmetic of its own.

  check_quickstart.py CHECKPOINT DEQUANTIZED ACTIVATIONS Y EXPERT

DEQUANTIZED must hold, for each pair of _blocks and _scales, the values transposed per expert, [E, K, R], as
transformers' convert_moe_packed_tensors gives them, and every other tensor unchanged. Y must be the activations times
expert EXPERT of gate_up_proj. Whole rows and scattered elements are compared; any mismatch is told and the exit status 1.
"""

import json
import math
import mmap
import random
import struct
import sys

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
SIZE = {"U8": 1, "BF16": 2, "F16": 2, "F32": 4}
SUFFIX = "_blocks"


class Safetensors:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        length = struct.unpack_from("<Q", self.map)[0]
        self.header = json.loads(self.map[8:8 + length])
        self.header.pop("__metadata__", None)
        self.base = 8 + length

    def bytes(self, name):
        begin, end = self.header[name]["data_offsets"]
        return self.map[self.base + begin:self.base + end]

    def value(self, name, index):
        """Element `index` of a float tensor, exactly."""
        dtype = self.header[name]["dtype"]
        at = self.base + self.header[name]["data_offsets"][0] + index * SIZE[dtype]
        if dtype == "BF16":
            return struct.unpack("<f", b"\0\0" + self.map[at:at + 2])[0]
        return struct.unpack_from("<e" if dtype == "F16" else "<f", self.map, at)[0]


def decode_row(blocks, scales, row, k):
    """The K values of one row, from the definition of MXFP4."""
    values = []
    for block in range(k // 32):
        scale = math.ldexp(1.0, scales[row * (k // 32) + block] - 127)
        begin = (row * (k // 32) + block) * 16
        for byte in blocks[begin:begin + 16]:
            values.append(E2M1[byte & 15] * scale)  # the low nibble is the even element
            values.append(E2M1[byte >> 4] * scale)
    return values


def same(a, b):
    return a == b and math.copysign(1.0, a) == math.copysign(1.0, b)


def check_dequantized(checkpoint, dequantized, rng):
    compared = 0
    for name in checkpoint.header:
        if name.endswith(SUFFIX):
            experts, rows, groups, _ = checkpoint.header[name]["shape"]
            k, out = groups * 32, name[:-len(SUFFIX)]
            blocks, scales = checkpoint.bytes(name), checkpoint.bytes(out + "_scales")
            if out not in dequantized.header:
                sys.exit(f"check: no {out} in the dequantized file, which has {sorted(dequantized.header)}")
            if dequantized.header[out]["shape"] != [experts, k, rows]:
                sys.exit(f"check: {out} has shape {dequantized.header[out]['shape']}, not {[experts, k, rows]}")
            for expert in range(experts):
                for row in {0, 1, rows - 1, *rng.sample(range(rows), 24)}:
                    for column, want in enumerate(decode_row(blocks, scales, expert * rows + row, k)):
                        got = dequantized.value(out, (expert * k + column) * rows + row)
                        if not same(got, want):
                            sys.exit(f"check: {out}[{expert}, {column}, {row}] is {got!r}, not {want!r}")
                        compared += 1
        elif not name.endswith("_scales"):
            if name not in dequantized.header or dequantized.bytes(name) != checkpoint.bytes(name):
                sys.exit(f"check: {name} did not come through unchanged")
    return compared


def check_product(checkpoint, activations, y, expert, rng):
    name = "model.layers.0.mlp.experts.gate_up_proj"
    _, n, groups, _ = checkpoint.header[name + "_blocks"]["shape"]
    k = groups * 32
    m = activations.header["x"]["shape"][0]
    blocks, scales = checkpoint.bytes(name + "_blocks"), checkpoint.bytes(name + "_scales")
    out = next(iter(y.header))
    if y.header[out]["shape"] != [m, n]:
        sys.exit(f"check: {out} has shape {y.header[out]['shape']}, not {[m, n]}")
    precision = {"BF16": 8, "F16": 11, "F32": 24}[y.header[out]["dtype"]]
    compared, worst = 0, 0.0
    x = [[activations.value("x", row * k + j) for j in range(k)] for row in range(m)]
    for column in {0, n - 1, *rng.sample(range(n), 62)}:
        w = decode_row(blocks, scales, expert * n + column, k)
        for row in rng.sample(range(m), 4) + [0, m - 1]:
            products = [a * b for a, b in zip(x[row], w)]
            want, size = math.fsum(products), math.fsum(map(abs, products))
            got = y.value(out, row * n + column)
            ulp = math.ldexp(1.0, math.frexp(want)[1] - precision)
            bound = ulp + 1e-5 * size  # what quern.h promises
            if not abs(got - want) <= bound:  # also refuses NaN
                sys.exit(f"check: {out}[{row}, {column}] is {got!r}, not {want!r}; {bound:g} apart is allowed")
            worst = max(worst, abs(got - want) / bound)
            compared += 1
    return compared, worst


def main(arguments):
    if len(arguments) != 5:
        sys.stderr.write(__doc__)
        return 2
    checkpoint, dequantized, activations, y = map(Safetensors, arguments[:4])
    rng = random.Random(21)
    exact = check_dequantized(checkpoint, dequantized, rng)
    print(f"dequantized: {exact} values compared, all exact")
    products, worst = check_product(checkpoint, activations, y, int(arguments[4]), rng)
    print(f"product: {products} sums compared with float64, the worst at {100 * worst:.0f} % of the allowed error")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
