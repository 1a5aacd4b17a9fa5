"""`quern bench` from outside: on the CPU, and on a driver that does nothing in a known time."""
import os
import unittest
import xml.etree.ElementTree as xml

from quern_cli import CliTest, main

SVG = "{http://www.w3.org/2000/svg}"
DATE = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"


class BenchTest(CliTest):
    def check_time(self, time):
        self.assertGreater(time["min_us"], 0)
        self.assertLessEqual(time["min_us"], time["median_us"])
        self.assertLessEqual(time["median_us"], time["max_us"])
        self.assertGreaterEqual(time["runs"], 1)

    def check_facts(self, document, operation, memory):
        self.assertEqual(document["operation"], operation)
        self.assertRegex(document["date"], DATE)
        self.assertRegex(document["version"], r"^\d+\.\d+\.\d+")
        self.assertEqual(document["roofs"]["memory"]["measured"], memory)
        self.assertGreater(document["roofs"]["memory"]["tb_per_s"], 0)

    def test_gemm_on_the_cpu(self):
        plot = self.path("plot.svg")
        document = self.read_json("bench", "gemm", "--device", "cpu", "--shape", "64x64,96x32", "--m", "2,1,2",
                                  "--repeat", "2", "--svg", plot)
        self.check_facts(document, "gemm", "read")
        self.assertIsNone(document["roofs"]["compute"])
        self.assertEqual([(s["n"], s["k"], s["layout"]) for s in document["shapes"]],
                         [(64, 64, "canonical"), (96, 32, "canonical")])
        for shape in document["shapes"]:
            self.assertEqual([point["m"] for point in shape["points"]], [1, 2])
            for point in shape["points"]:
                self.check_time(point["time"])
                self.assertTrue(point["kernel"].startswith("cpu/gemm"))
                self.assertIsNone(point["cublas"])
                us = point["time"]["median_us"]
                n, k, m = shape["n"], shape["k"], point["m"]
                self.assertAlmostEqual(point["tflop_per_s"], 2 * m * n * k / us / 1e6)
                self.assertAlmostEqual(point["tb_per_s"], (n * k * 17 / 32 + 2 * m * (n + k)) / us / 1e6)
                self.assertAlmostEqual(point["percent_of_roof"], 100 * point["roof_us"] / us)
        root = xml.parse(plot).getroot()
        self.assertEqual(root.tag, SVG + "svg")
        words = [element.text for element in root.iter(SVG + "text")]
        for word in ("64x64", "96x32", "M 1", "M 2"):
            self.assertIn(word, words)
        self.assertEqual(len(list(root.iter(SVG + "polyline"))), 2)

    def test_text_and_layouts(self):
        text = self.succeed("bench", "gemm", "--device", "cpu", "--shape", "64x64", "--m", "1", "--repeat", "1",
                            "--layout", "packed", "--dtype", "f16")
        for part in ("device cpu", "gemm f16", "64x64, W mma16_f16", "% of roof", "may stay in a cache"):
            self.assertIn(part, text)
        self.assertNotIn("cuBLAS", text)

    def test_dequantize_on_the_cpu(self):
        document = self.read_json("bench", "dequantize", "--device", "cpu", "--shape", "256x64", "--repeat", "1")
        self.check_facts(document, "dequantize", "copy")
        self.assertEqual([r["dst_dtype"] for r in document["results"]], ["bf16", "f16", "f32"])
        for result in document["results"]:
            self.check_time(result["time"])
        text = self.succeed("bench", "dequantize", "--device", "cpu", "--shape", "64x64", "--dtype", "bf16",
                            "--repeat", "1")
        self.assertIn("cpu/dequantize", text)

    def test_quantize_on_the_cpu(self):
        document = self.read_json("bench", "quantize", "--device", "cpu", "--shape", "256x64", "--dtype",
                                  "bf16,f16,f32", "--repeat", "1")
        self.check_facts(document, "quantize", "copy")
        self.assertEqual([r["src_dtype"] for r in document["results"]], ["bf16", "f16", "f32"])
        for result in document["results"]:
            self.check_time(result["time"])
        text = self.succeed("bench", "quantize", "--device", "cpu", "--m", "2", "--repeat", "1")
        self.assertIn("cpu/quantize", text)
        self.assertIn("2x2880", text)
        self.assertIn("2x4096", text)

    def test_w4a8_on_the_cpu(self):
        gemm = ("bench", "gemm", "--device", "cpu", "--shape", "64x64", "--m", "1,2", "--repeat", "1")
        for flag, x_dtype, w4a8 in (("--w4a8", "e4m3", "promoted"), ("--w4a8=fast", "e4m3", "fast")):
            document = self.read_json(*gemm, flag)
            self.assertEqual((document["x_dtype"], document["y_dtype"], document["w4a8"]), (x_dtype, "bf16", w4a8))
            self.assertEqual(document["shapes"][0]["layout"], "mma16_e5m2")
        document = self.read_json(*gemm, "--w4a8", "--with-quantize", "--dtype", "f16")
        self.assertEqual((document["x_dtype"], document["w4a8"]), ("f16", "promoted"))
        self.assertIn("X e4m3, W4A8 fast", self.succeed(*gemm, "--w4a8=fast"))
        self.assertIsNone(self.read_json(*gemm)["w4a8"])

    def test_wrong_use(self):
        gemm = ("bench", "gemm", "--device", "cpu", "-q")
        for code, says, arguments in (
                (2, "1 to 2147483647", (*gemm, "--m", "0")),
                (2, "1 to 2147483647", (*gemm, "--m", "1,-4")),
                (2, "quern --help", (*gemm, "--m", "many")),
                (2, "multiple of 32", (*gemm, "--shape", "64x33")),
                (2, "ROWSxK", (*gemm, "--shape", "64")),
                (2, "gpt-oss-20b, gpt-oss-120b", (*gemm, "--model", "nobody")),
                (2, "quern --help", (*gemm, "--repeat", "0")),
                (2, "quern --help", (*gemm, "--layout", "round")),
                (2, "--cublas", (*gemm, "--cublas", "on")),
                (2, "--w4a8", (*gemm, "--with-quantize")),
                (2, "--layout", (*gemm, "--w4a8", "--layout", "packed")),
                (2, "quern --help", (*gemm, "--w4a8=slow")),
                (2, "multiple of 32", ("bench", "quantize", "--device", "cpu", "--shape", "64x33")),
                (1, "60%", ("bench", "quantize", "--device", "cpu", "-q", "--shape", "2147483616x2147483616")),
                (3, "no/such", (*gemm, "--kernel", "no/such:variant")),
                (1, "No such file", (*gemm, "--svg", "/no/such/place/plot.svg")),
                (1, "60%", (*gemm, "--shape", "2147483616x2147483616", "--m", "1")),
                (2, "without hardware", ("bench", "gemm", "--device", "sm_90a")),
                (2, "without hardware", ("bench", "dequantize", "--device", "sm_90a")),
                (2, "multiple of 32", ("bench", "dequantize", "--device", "cpu", "--shape", "64x33")),
                (1, "60%", ("bench", "dequantize", "--device", "cpu", "-q", "--shape", "2147483616x2147483616")),
                (2, "quern --help", ("bench",)),
                (4, "cuda", ("bench", "gemm", "--device", "cuda:99"))):
            with self.subTest(arguments=arguments):
                self.fail_with(code, says, *arguments)

    def test_a_plot_that_comes_to_nothing_leaves_nothing(self):
        plot = self.path("plot.svg")
        self.fail_with(3, "no/such", "bench", "gemm", "--device", "cpu", "--kernel", "no/such:variant", "--svg", plot)
        self.assertFalse(os.path.exists(plot))
        with open(plot, "w") as file:
            file.write("before")
        self.fail_with(3, "no/such", "bench", "gemm", "--device", "cpu", "--kernel", "no/such:variant", "--svg", plot)
        with open(plot) as file:
            self.assertEqual(file.read(), "before")


@unittest.skipUnless(os.environ.get("QUERN_FAKE_GRAPHS"), "not built")
class BenchCudaTest(CliTest):
    """Kernels do nothing and every replay takes a millisecond."""
    GEMM = ("bench", "gemm", "--device", "cuda:0", "--shape", "64x64", "--m", "1,16", "--layout", "canonical",
            "--kernel", "quern/mxfp4-gemm:generic", "--repeat", "3", "-q")

    def setUp(self):
        super().setUp()
        driver = os.environ["QUERN_FAKE_GRAPHS"]
        self.variables = {"QUERN_DRIVER_PATH": driver, "QUERN_CUBLAS_PATH": driver}
        if os.environ.get("QUERN_NO_NVRTC") == "1":
            self.skipTest("no NVRTC")

    def test_gemm_beside_cublas(self):
        document = self.read_json(*self.GEMM)
        self.assertEqual(document["device"]["driver"], "13.0")
        self.assertEqual(document["cublas"], {"version": "13.1.0", "missing": ""})
        # 1 GiB read and written, 24 times in a millisecond; 8192^3 multiplications and additions as often.
        self.assertAlmostEqual(document["roofs"]["memory"]["tb_per_s"], 2 * 2**30 * 24 / 1e9)
        self.assertAlmostEqual(document["roofs"]["compute"]["tflop_per_s"], 2 * 8192**3 * 24 / 1e9)
        (shape,) = document["shapes"]
        self.assertEqual(shape["copies"], 1024)
        for point in shape["points"]:
            self.assertEqual(point["kernel"], "quern/mxfp4-gemm:generic")
            for time in (point["time"], point["cublas"]):
                self.assertEqual(time["runs"], 1024)
                self.assertAlmostEqual(time["median_us"], 1000 / 1024)
            self.assertAlmostEqual(point["speedup"], 1)
            self.assertIsNone(point["difference"])  # nothing wrote Y, and that is noticed
        self.assertTrue(any("differs from cuBLAS" in note for note in document["notes"]), document["notes"])

    def test_without_cublas(self):
        for more, says in ((("--cublas", "off"), "cuBLAS is off"), ((), "QUERN_CUBLAS_PATH")):
            self.variables["QUERN_CUBLAS_PATH"] = "/no/such/libcublas.so"
            document = self.read_json(*self.GEMM, *more)
            self.assertIn(says, document["cublas"]["missing"])
            self.assertIsNone(document["roofs"]["compute"])
            self.assertIsNone(document["shapes"][0]["points"][0]["cublas"])
        self.fail_with(1, "QUERN_CUBLAS_PATH", *self.GEMM, "--cublas", "on")

    def test_a_variant_serves_only_some_sizes(self):
        arguments = list(self.GEMM)
        arguments[arguments.index("--kernel") + 1] = "quern/mxfp4-gemm:mma_sm80_m8"
        document = self.read_json(*arguments, "--cublas", "off")
        self.assertEqual([point["m"] for point in document["shapes"][0]["points"]], [1])
        self.assertTrue(any("does not serve M 16" in note for note in document["notes"]))
        arguments[arguments.index("--m") + 1] = "16"
        self.fail_with(3, "serves", *arguments)

    def test_dequantize(self):
        document = self.read_json("bench", "dequantize", "--device", "cuda:0", "--shape", "1024x64", "--dtype", "bf16",
                                  "--repeat", "1", "-q")
        (result,) = document["results"]
        self.assertAlmostEqual(result["time"]["median_us"], 1000 / result["time"]["runs"])

    def test_failures_of_the_driver(self):
        for symbol, says in (("cuStreamBeginCapture_v2", "begin a capture"), ("cuStreamEndCapture", "end the capture"),
                             ("cuGraphInstantiateWithFlags", "instantiate"), ("cuGraphLaunch", "launch the graph"),
                             ("cuEventSynchronize", "wait"), ("cublasGemmEx", "--cublas off")):
            self.variables["FAKE_GRAPHS_FAIL"] = symbol
            with self.subTest(symbol=symbol):
                self.fail_with(1, says, *self.GEMM)
        self.variables["FAKE_GRAPHS_FAIL"] = "cublasCreate_v2"
        self.assertIn("cublasCreate", self.read_json(*self.GEMM)["cublas"]["missing"])

    def test_a_driver_that_lacks_graphs(self):
        self.variables["QUERN_DRIVER_PATH"] = os.environ["QUERN_FAKE_CUDA"]
        self.fail_with(4, "cuStreamCreate", *self.GEMM)


if __name__ == "__main__":
    main()
