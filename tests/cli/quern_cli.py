"""What the tests of the program share: running it, safetensors files, and MXFP4 decoded without it."""
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ.get("QUERN_CLI") or sys.exit("set QUERN_CLI to the program")
DTYPE_BYTES = {"U8": 1, "I8": 1, "F8_E8M0": 1, "F8_E4M3": 1, "BF16": 2, "F16": 2, "F32": 4, "I64": 8}
E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]


class CliTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="quern_cli_")
        self.addCleanup(shutil.rmtree, self.directory)
        self.variables = {}  # more of the environment

    def path(self, name):
        return os.path.join(self.directory, name)

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("QUERN_") or k == "QUERN_NVRTC_PATH"}
        return kept | {"XDG_CACHE_HOME": self.path("cache"), "LC_ALL": "C"} | self.variables

    def run_quern(self, *arguments, **keywords):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=300,
                              env=self.environment(), stdin=subprocess.DEVNULL, **keywords)

    def succeed(self, *arguments):
        result = self.run_quern(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def read_json(self, *arguments, code=0):
        result = self.run_quern(*arguments, "--json")
        self.assertEqual(result.returncode, code, result.stderr)
        document = json.loads(result.stdout)
        self.assertEqual(document["schema"], 1)
        self.assertEqual(next(iter(document)), "schema")
        return document

    def fail_with(self, code, says, *arguments, **keywords):
        """The exit code, nothing on stdout, and one line on stderr that says so."""
        result = self.run_quern(*arguments, **keywords)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        lines = [line for line in result.stderr.splitlines() if not line.startswith("dequantize ")]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("quern: "), lines[0])
        self.assertIn(says, lines[0])
        return lines[0]


def write_safetensors(path, tensors, metadata=None):
    """tensors: {name: (dtype, shape, bytes)}."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, content) in tensors.items():
        assert len(content) == math.prod(shape) * DTYPE_BYTES[dtype], name
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """As write_safetensors takes them, with the metadata; checks what the format's reference reader checks."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__", None)
    data, tensors, covered = content[8 + length:], {}, 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = tensor["data_offsets"]
        size = math.prod(tensor["shape"]) * DTYPE_BYTES[tensor["dtype"]]
        assert begin == covered and end - begin == size, name
        assert begin % DTYPE_BYTES[tensor["dtype"]] == 0, f"{name} is not aligned"
        tensors[name] = (tensor["dtype"], tensor["shape"], data[begin:end])
        covered = end
    assert covered == len(data) and length % 8 == 0
    return tensors, metadata


def bf16_bits(value):
    try:
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
    except OverflowError:
        bits = 0xff800000 if value < 0 else 0x7f800000
    if math.isnan(value):
        return 0x7fc0
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16


def bf16_value(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def pack(values, dtype):
    if dtype == "BF16":
        return struct.pack(f"<{len(values)}H", *map(bf16_bits, values))
    out = b""
    for value in values:
        try:
            out += struct.pack("<e" if dtype == "F16" else "<f", value)
        except OverflowError:
            out += struct.pack("<e" if dtype == "F16" else "<f", math.copysign(math.inf, value))
    return out


def unpack(content, dtype):
    if dtype == "BF16":
        return [bf16_value(bits) for bits in struct.unpack(f"<{len(content) // 2}H", content)]
    count = len(content) // DTYPE_BYTES[dtype]
    return list(struct.unpack(f"<{count}{'e' if dtype == 'F16' else 'f'}", content))


def decode(blocks, scales, k):
    """MXFP4 rows to a list of rows of exact values, under the OCP reading of the scale bytes 0 and 255."""
    rows = []
    for row in range(len(blocks) * 2 // k):
        values = []
        for j in range(k):
            byte = blocks[(row * k + j) // 2]
            nibble = byte >> 4 if j % 2 else byte & 15
            scale = scales[(row * k + j) // 32]
            value = math.nan if scale == 255 else E2M1[nibble & 7] * 2.0 ** (scale - 127)
            values.append(-value if nibble & 8 else value)
        rows.append(values)
    return rows


def random_bytes(count, least=0, most=255, seed=1):
    generator = random.Random(seed)
    return bytes(generator.randint(least, most) for _ in range(count))


def same_floats(test, got, expected, dtype):
    """Equal bit for bit, but any NaN for a NaN."""
    wanted = pack(expected, dtype)
    width = DTYPE_BYTES[dtype]
    test.assertEqual(len(got), len(wanted))
    if got == wanted:
        return
    values = unpack(got, dtype)
    for i, value in enumerate(expected):
        if math.isnan(value):
            test.assertTrue(math.isnan(values[i]), i)
        else:
            test.assertEqual(got[i * width:(i + 1) * width], wanted[i * width:(i + 1) * width], (i, value, values[i]))


def main():
    unittest.main(verbosity=1)
