"""bench/measure and bench/tables.py: what they make of results, and what they say where there are none."""
import json
import pathlib
import subprocess
import sys
import unittest

from quern_cli import PROGRAM, CliTest, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "kernel_sources/mxfp4-gemm/kernel.json"


class TablesTest(CliTest):
    def setUp(self):
        super().setUp()
        self.results = pathlib.Path(self.path("results"))
        self.results.mkdir()

    def tables(self, *arguments):
        run = subprocess.run([sys.executable, "-B", ROOT / "bench/tables.py", self.results, *arguments],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        return (self.results / "tables.md").read_text()

    def test_a_benchmark_becomes_a_table(self):
        document = self.read_json("bench", "gemm", "--device", "cpu", "--shape", "64x96", "--m", "1,3", "--repeat", "1")
        (self.results / "gemm.json").write_text(json.dumps(document))
        (self.results / "failed.json").write_text("")
        text = self.tables()
        self.assertIn(f"gemm: {document['version']}, {document['date']}", text)
        self.assertIn("| N×K | M = 1 | 3 |\n| --- | --- | --- |\n| 64×96 | ", text)

    def test_slower_is_bold_and_w4a8_has_its_ratio(self):
        def point(m, ours, cublas):
            return {"m": m, "time": {"median_us": ours}, "cublas": {"median_us": cublas}, "speedup": cublas / ours}
        document = {"operation": "gemm", "version": "1", "date": "today", "device": {"model": "NVIDIA H200"},
                    "roofs": {"memory": {"tb_per_s": 4.56}, "compute": {"tflop_per_s": 681.4}}, "w4a8": None,
                    "shapes": [{"n": 4096, "k": 2880, "points": [point(1, 3.456, 10.04), point(64, 120.4, 99.96)]},
                               {"n": 8, "k": 32, "points": [point(64, 2, 3)]}]}
        (self.results / "w4a16.json").write_text(json.dumps(document))
        (self.results / "w4a8.json").write_text(json.dumps(document | {"w4a8": "promoted"}))
        text = self.tables()
        self.assertIn("w4a16: 1, today, NVIDIA H200, 4.56 TB/s, 681 TFLOP/s", text)
        self.assertIn("| 4096×2880 | 3.46 / 10.0 | **120 / 100** |\n| 8×32 |  | 2.00 / 3.00 |", text)
        self.assertIn("| 4096×2880 | 3.46 / 10.0, 2.91 × | 120 / 100, 0.83 × |", text)

    def test_tuned_tables_take_the_place_of_those_for_the_same_problem(self):
        before = MANIFEST.read_text()
        old = json.loads(before)["measured"]
        again = old[1] | {"steps": [[16, "some"], [8192, "other"]]}
        elsewhere = old[1] | {"device": "NVIDIA B200"}
        none = old[2] | {"steps": []}
        (self.results / "tune.json").write_text(json.dumps(
            {"model": "NVIDIA H200", "failures": [],
             "measured": [again | {"steps": [[16, "quern/mxfp4-gemm:some"], [8192, "other"]]}, elsewhere, none],
             "times": [{"shape": "64x96", "m": 1, "us": 3.0, "kernel": "some"}]}))
        self.assertIn("| N×K | M = 1 |\n| --- | --- |\n| 64×96 | 3.00 |", self.tables(MANIFEST))
        after = (self.results / "kernel.json").read_text()
        self.assertEqual(json.loads(after), json.loads(before) | {"measured": [old[0], again, *old[2:], elsewhere]})
        # Nothing else is written in another way.
        unchanged = [line for line in before.splitlines() if line not in after.splitlines()]
        self.assertLessEqual(len(unchanged), len(old[1]["steps"]))


class MeasureTest(CliTest):
    def measure(self, *arguments, code):
        run = subprocess.run([ROOT / "bench/measure", *arguments], capture_output=True, text=True, timeout=300,
                             env=self.environment() | {"PATH": "/usr/bin:/bin"})
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stderr

    def test_wrong_use(self):
        self.variables["QUERN_BIN"] = str(pathlib.Path(PROGRAM).parent)
        for arguments in ((), ("--help",), (self.path("out"), "gem")):
            self.assertIn("bench/measure OUT [STEP...]", self.measure(*arguments, code=2))
        self.variables["QUERN_BIN"] = self.path("")
        self.assertIn("quern is missing", self.measure(self.path("out"), code=1))

    def test_what_fails_is_named_and_the_rest_goes_on(self):
        self.variables |= {"QUERN_BIN": str(pathlib.Path(PROGRAM).parent), "QUERN_DRIVER_PATH": self.path("none.so")}
        said = self.measure(self.path("out"), "conversions", "gemm", code=1)
        self.assertIn("failed: prefetch.txt dequantize.json quantize.json gemm_few.json gemm_many.json", said)
        self.assertIn("quern: ", pathlib.Path(self.path("out"), "gemm_many.err").read_text())
        self.assertEqual(pathlib.Path(self.path("out"), "tables.md").read_text(), "")


if __name__ == "__main__":
    main()
