"""`quern tune` on a driver whose kernels compute nothing: none of them may win, and nothing is remembered. And what a
remembered choice does to plans."""
import json
import os
import pathlib
import unittest

from quern_cli import CliTest, main

SOURCE = """#include <quern/gemm_params.h>
extern "C" __global__ void idle(const __grid_constant__ quern::GemmParams p) { if (p.m < 0) *(int *)p.y = UNLIKE; }
"""


class TuneTest(CliTest):
    def setUp(self):
        super().setUp()
        self.variables["QUERN_DRIVER_PATH"] = os.environ["QUERN_FAKE_GRAPHS"]
        package = pathlib.Path(self.path("packages")) / "idle"
        package.mkdir(parents=True)
        (package / "idle.cu").write_text(SOURCE)
        variant = {"name": "idle", "unit": "idle.cu", "entry": "idle", "archs": ["sm_90a"], "priority": 1000,
                   "accepts": {"format": ["mxfp4"], "x_dtype": ["bf16", "e4m3"], "y_dtype": ["bf16"],
                               "bias_dtype": ["none"], "layout": ["mma16_bf16", "mma16_e5m2"],
                               "accumulation": ["promoted", "fast"]},
                   "launch": {"grid": [1, 1, 1], "block": [32, 1, 1]}, "cost": "SLOPE",
                   "instances": [{"name": name, "defines": {"UNLIKE": value}, "constants": {"SLOPE": value}}
                                 for name, value in (("slow", 2), ("fast", 1))]}
        (package / "kernel.json").write_text(json.dumps(
            {"schema": 1, "id": "me/idle", "version": 1, "operation": "gemm", "params": 3, "files": ["idle.cu"],
             "variants": [variant]}))
        self.variables["QUERN_KERNEL_PATH"] = str(package.parent)
        self.cache = pathlib.Path(self.path("cache"))
        self.variables["QUERN_CACHE_DIR"] = str(self.cache)

    def test_a_wrong_result_does_not_win(self):
        document = self.read_json("tune", "--shape", "64x64", "--m-max", "2", "--device", "cuda:0", code=1)
        self.assertEqual(len(document["failures"]), 4)  # two kernels at M = 1 and 2
        for failure in document["failures"]:
            self.assertIn("gives a wrong result", failure)
        self.assertEqual(document["times"], [])
        self.assertFalse((self.cache / "tuned").exists())

    def test_w4a8_is_compared_with_canonical_weights_too(self):
        for flag in ("--w4a8", "--w4a8=fast"):
            document = self.read_json("tune", "--shape", "64x64", "--m-max", "2", "--device", "cuda:0", flag, code=1)
            self.assertEqual(len(document["failures"]), 4)
            for failure in document["failures"]:
                self.assertIn("gives a wrong result", failure)
            where = document["measured"][0]["where"]
            self.assertEqual((where["x_dtype"], where["layout"]), ("e4m3", "mma16_e5m2"))
            self.assertEqual(where["accumulation"], "fast" if "fast" in flag else "promoted")

    def test_what_cannot_be_tuned(self):
        self.fail_with(3, "no kernels to choose from", "tune", "--shape", "64x64", "--device", "cpu")
        self.fail_with(2, "multiple of 32", "tune", "--shape", "64x65", "--device", "cuda:0")
        self.variables["QUERN_DRIVER_PATH"] = os.environ["QUERN_FAKE_CUDA"]
        self.fail_with(4, "graphs", "tune", "--shape", "64x64", "--m-max", "1", "--device", "cuda:0")


if __name__ == "__main__":
    main()
