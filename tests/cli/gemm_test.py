"""`quern gemm` against a product in Python, within the bound that quern.h promises."""
import math
import os
import pathlib
import stat

from quern_cli import CliTest, decode, main, pack, random_bytes, read_safetensors, unpack, write_safetensors

E, N, K, M = 2, 64, 96, 5
BLOCKS = random_bytes(E * N * K // 2, seed=5)
SCALES = random_bytes(E * N * K // 32, 118, 132, seed=6)
X = [((i * 37) % 101 - 50) / 64 for i in range(M * K)]
BIAS = [i / 4 - 8 for i in range(N)]


def unit_in_last_place(value, dtype):
    bits, least = (8, -126) if dtype == "BF16" else (11, -14)
    exponent = max(math.frexp(value)[1] - 1 if value else least, least)
    return 2.0 ** (exponent - bits + 1)


class GemmTest(CliTest):
    def setUp(self):
        super().setUp()
        write_safetensors(self.path("w"), {
            "pad": ("U8", [1], b"p"),
            "experts_blocks": ("U8", [E, N, K // 32, 16], BLOCKS),
            "experts_scales": ("U8", [E, N, K // 32], SCALES),
            "flat.weight": ("I8", [N, K // 2], BLOCKS[:N * K // 2]),
            "flat.scale": ("F8_E8M0", [N, K // 32], SCALES[:N * K // 32]),
        })
        for dtype in ("BF16", "F16"):
            write_safetensors(self.path("x" + dtype), {"pad": ("U8", [1], b"p"), "x": (dtype, [M, K], pack(X, dtype))})
        write_safetensors(self.path("b"), {"b32": ("F32", [N], pack(BIAS, "F32")),
                                           "b16": ("BF16", [N], pack(BIAS, "BF16"))})

    def gemm(self, weights, x="BF16", *arguments, output="y"):
        self.succeed("gemm", "--weights", self.path("w:" + weights), "--x", self.path(f"x{x}:x"), "-o",
                     self.path(output), "--device", "cpu", *arguments)
        tensors, _ = read_safetensors(self.path(output.split(":")[0]))
        return tensors

    def check(self, y, expert, dtype, bias=None):
        self.assertEqual(y[:2], (dtype, [M, N]))
        half = N * K // 2
        w = decode(BLOCKS[expert * half:(expert + 1) * half], SCALES[expert * half // 16:(expert + 1) * half // 16], K)
        got = unpack(y[2], dtype)
        for m in range(M):
            for n in range(N):
                products = [X[m * K + k] * w[n][k] for k in range(K)]
                expected = math.fsum(products) + (bias[n] if bias else 0)
                bound = unit_in_last_place(expected, dtype) + 1e-5 * math.fsum(map(abs, products))
                self.assertLessEqual(abs(got[m * N + n] - expected), bound, (m, n))

    def test_experts_and_types(self):
        self.check(self.gemm("experts@0")["y"], 0, "BF16")
        self.check(self.gemm("experts@1")["y"], 1, "BF16")
        self.check(self.gemm("experts_blocks@1", "F16")["y"], 1, "F16")
        self.check(self.gemm("flat", "BF16", "--dtype", "f16")["y"], 0, "F16")
        self.check(self.gemm("flat.weight", "F16", "--dtype", "bf16")["y"], 0, "BF16")

    def test_bias_and_names(self):
        self.check(self.gemm("experts@1", "BF16", "--bias", self.path("b:b32"))["y"], 1, "BF16", BIAS)
        self.check(self.gemm("flat", "BF16", "--bias", self.path("b:b16"), output="y:out")["out"], 0, "BF16", BIAS)

    def test_json(self):
        document = self.read_json("gemm", "--weights", self.path("w:flat"), "--x", self.path("xBF16:x"), "-o",
                                  self.path("y"), "--device", "cpu")
        self.assertEqual((document["shape"], document["dtype"], document["device"]), ([M, N], "bf16", "cpu"))

    def relative_error(self, y, w):
        got = unpack(y[2], y[0])
        expected = [math.fsum(X[m * K + k] * w[n][k] for k in range(K)) for m in range(M) for n in range(N)]
        return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(got, expected)) / math.fsum(b * b for b in expected))

    def test_w4a8_rounds_x(self):
        w = decode(BLOCKS[:N * K // 2], SCALES[:N * K // 32], K)
        for flag in ("--w4a8", "--w4a8=promoted", "--w4a8=fast"):
            error = self.relative_error(self.gemm("flat", "F16", flag)["y"], w)
            self.assertTrue(3e-3 < error < 4e-2, error)
        document = self.read_json("gemm", "--weights", self.path("w:flat"), "--x", self.path("xBF16:x"), "-o",
                                  self.path("y"), "--device", "cpu", "--w4a8")
        self.assertEqual(document["layout"], "mma16_e5m2")
        self.fail_with(2, "quern --help", "gemm", "--weights", self.path("w:flat"), "--x", self.path("xBF16:x"), "-o",
                       self.path("y"), "--device", "cpu", "--w4a8=slow")

    def test_w4a8_of_weights_that_span_too_far_keeps_x(self):
        scales = random_bytes(N * K // 32, 90, 128, seed=8)
        write_safetensors(self.path("w"), {"wide.weight": ("I8", [N, K // 2], BLOCKS[:N * K // 2]),
                                           "wide.scale": ("F8_E8M0", [N, K // 32], scales)})
        self.assertLess(self.relative_error(self.gemm("wide", "BF16", "--w4a8")["y"],
                                            decode(BLOCKS[:N * K // 2], scales, K)), 3e-3)
        document = self.read_json("gemm", "--weights", self.path("w:wide"), "--x", self.path("xBF16:x"), "-o",
                                  self.path("y"), "--device", "cpu", "--w4a8=fast")
        self.assertEqual(document["layout"], "mma16_bf16")
        # f16 X has no such way out.
        self.fail_with(3, "span more than 26", "gemm", "--weights", self.path("w:wide"), "--x", self.path("xF16:x"),
                       "-o", self.path("y"), "--device", "cpu", "--w4a8")

    def test_refusals(self):
        w, x, y = self.path("w:experts@0"), self.path("xBF16:x"), self.path("y")
        weights = pathlib.Path(self.path("w")).read_bytes()
        os.mkfifo(self.path("pipe"))
        os.symlink("w", self.path("link"))
        write_safetensors(self.path("bad"), {"x": ("BF16", [M, K - 32], bytes(M * (K - 32) * 2)),
                                             "x3": ("BF16", [1, M, K], bytes(M * K * 2)),
                                             "x32": ("F32", [M, K], bytes(M * K * 4)),
                                             "b": ("F32", [N + 1], bytes(N * 4 + 4))})
        for code, says, arguments in (
                (2, "FILE:TENSOR", ("--weights", self.path("w"), "--x", x)),
                (2, "add @0 to @1", ("--weights", self.path("w:experts"), "--x", x)),
                (2, "no @2", ("--weights", self.path("w:experts@2"), "--x", x)),
                (3, "no MXFP4 tensor", ("--weights", self.path("w:nothing"), "--x", x)),
                (3, "no tensor", ("--weights", w, "--x", self.path("xBF16:nothing"))),
                (1, "not [M, 96]", ("--weights", w, "--x", self.path("bad:x"))),
                (1, "not [M, 96]", ("--weights", w, "--x", self.path("bad:x3"))),
                (1, "F32", ("--weights", w, "--x", self.path("bad:x32"))),
                (1, "not [64]", ("--weights", w, "--x", x, "--bias", self.path("bad:b"))),
                (1, "No such file", ("--weights", self.path("gone:w"), "--x", x)),
                (2, "quern --help", ("--weights", w, "--x", x, "--dtype", "f32")),
                (2, "--help", ("--weights", w))):
            self.fail_with(code, says, "gemm", *arguments, "-o", y, "--device", "cpu")
            self.assertFalse(os.path.exists(y))
        for code, says, output in (
                (1, "No such file", "no/y"), (1, "no regular file", "."), (1, "no regular file", "pipe"),
                (2, "is what is read", "w"), (2, "is what is read", "xBF16:z"), (2, "is what is read", "link")):
            self.fail_with(code, says, "gemm", "--weights", w, "--x", x, "-o", self.path(output), "--device", "cpu")
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("pipe")).st_mode))
        self.assertEqual(pathlib.Path(self.path("w")).read_bytes(), weights)


if __name__ == "__main__":
    main()
