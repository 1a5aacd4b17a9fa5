"""The program's manners: exit codes, one line per error, JSON on every reading verb."""
import os
import pathlib
import re
import subprocess
import unittest

from quern_cli import PROGRAM, CliTest, main

RFC_3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


class CommandsTest(CliTest):
    def test_help_lists_every_exit_code_and_verb(self):
        text = self.succeed("--help")
        for code in (0, 1, 2, 3, 4, 5, 6, 130):
            self.assertRegex(text, rf"(?m)^  {code} +\w")
        for verb in ("info", "kernels", "prefetch", "cache", "dequantize", "gemm", "inspect", "selftest", "bench",
                     "keygen", "pack", "publish", "registry", "version"):
            self.assertRegex(text, rf"(?m)^  {verb} +\w")
            self.succeed(verb, "--help")

    def test_wrong_use(self):
        for arguments in ((), ("nonsense",), ("info", "--nonsense"), ("info", "--jit", "maybe"), ("kernels",),
                          ("kernels", "show"), ("cache",), ("dequantize", "a"),
                          ("dequantize", "a", "-o", "b", "--dtype", "f64"), ("kernels", "explain", "gemm", "--n", "64"),
                          ("kernels", "explain", "gemm", "--n", "64", "--k", "-32"), ("kernels", "explain", "conv", "--k", "32")):
            self.fail_with(2, "quern --help", *arguments)
        self.fail_with(2, "use size, used,", "cache", "scan", "--sort", "colour")

    def test_failures(self):
        for code, says, arguments in (
                (2, "nonsense", ("info", "--device", "nonsense")),
                (4, "cuda", ("info", "--device", "cuda:99")),
                (3, "kernels list", ("kernels", "show", "no/such")),
                (3, "no/such/place", ("kernels", "check", "/no/such/place")),
                (2, "30d", ("cache", "prune", "--older-than", "yesterday")),
                (2, "5GiB", ("cache", "prune", "--max-size", "big")),
                (3, "matches", ("cache", "scan", "--filter", "zzz")),
                (2, "sm_1", ("prefetch", "--arch", "sm_1")),
                (2, "policy", ("kernels", "explain", "dequantize", "--k", "32", "--device", "cpu", "--policy", "nobody")),
                (2, "32", ("kernels", "explain", "dequantize", "--k", "33", "--device", "cpu")),
                (2, "without hardware", ("selftest", "--device", "sm_90a")),
                (3, "no kernel", ("selftest", "--device", "cpu", "--kernel", "no/such")),
                (1, "No such file", ("inspect", "/no/such/file"))):
            with self.subTest(arguments=arguments):
                self.fail_with(code, says, *arguments)
                self.fail_with(code, says, *arguments, "--json")

    def test_info(self):
        document = self.read_json("info", "--device", "cpu")
        self.assertEqual(document["device"]["kind"], "cpu")
        self.assertGreater(document["device"]["threads"], 0)
        self.assertIn("quern/mxfp4-gemm", [package["id"] for package in document["packages"]])
        for finding in document["findings"]:
            self.assertTrue(all(finding[key] for key in ("what", "fact", "fix")), finding)
        for what in ("driver", "nvrtc"):
            self.assertNotEqual(bool(document[what]["version"]), bool(document[what]["missing"]))
        self.assertIn("quern/mxfp4-gemm", self.succeed("info", "--device", "cpu"))

    def test_kernels(self):
        kernels = self.read_json("kernels", "list")["kernels"]
        names = [kernel["kernel"] for kernel in kernels]
        self.assertIn("quern/mxfp4-gemm:generic", names)
        self.assertEqual(len(names), len(set(names)))
        shown = self.read_json("kernels", "show", "quern/mxfp4-gemm")
        self.assertEqual(shown["manifest"]["id"], "quern/mxfp4-gemm")
        self.assertEqual(len(self.read_json("kernels", "show", "quern/mxfp4-gemm:generic")["kernels"]), 1)
        self.assertIn("quern/mxfp4-gemm:generic", self.succeed("kernels", "list"))
        self.assertIn('"operation"', self.succeed("kernels", "show", "quern/mxfp4-gemm:generic"))

    def test_a_broken_package_is_listed_with_its_reason(self):
        os.mkdir(self.path("broken"))
        with open(self.path("broken/kernel.json"), "w") as file:
            file.write("{")
        path = ("--kernel-path", self.path("broken"))
        refused = [k for k in self.read_json("kernels", "list", *path)["kernels"] if k["refused"]]
        self.assertEqual(len(refused), 1)
        self.assertIn("refused", self.succeed("kernels", "list", *path))
        findings = self.read_json("info", "--device", "cpu", *path)["findings"]
        self.assertTrue(any(f["what"].startswith("package") for f in findings))
        self.fail_with(1, "kernel.json", "kernels", "check", self.path("broken"))

    def test_explain(self):
        document = self.read_json("kernels", "explain", "gemm", "--m", "64", "--n", "2880", "--k", "2880", "--arch", "sm_90a")
        self.assertTrue(document["accepted"])
        chosen = [c for c in document["candidates"] if c["chosen"]]
        self.assertEqual((chosen[0]["first"], chosen[-1]["last"]), (1, 64))
        for candidate in document["candidates"]:
            self.assertNotEqual(candidate["chosen"], bool(candidate["reason"]))
        self.assertTrue(self.read_json("kernels", "explain", "dequantize", "--k", "96", "--device", "cpu")["accepted"])
        self.read_json("kernels", "explain", "gemm", "--n", "32", "--k", "32", "--device", "cpu")
        self.assertIn("quern/mxfp4-gemm", self.succeed("kernels", "explain", "gemm", "--n", "64", "--k", "64", "--arch", "sm_80"))
        self.variables["QUERN_KERNEL_FORCE"] = "quern/mxfp4-gemm:mma_sm80"
        refused = self.read_json("kernels", "explain", "gemm", "--n", "64", "--k", "64", "--arch", "sm_75", code=3)
        self.assertFalse(refused["accepted"])
        self.assertFalse(any(c["chosen"] for c in refused["candidates"]))

    def test_cache(self):
        directory = self.path("own")
        own = ("--cache-dir", directory)
        self.assertEqual(self.succeed("cache", "path", *own).strip(), directory)
        self.assertEqual(self.read_json("cache", "path", *own)["path"], directory)
        empty = self.read_json("cache", "scan", *own)
        self.assertEqual((empty["entries"], empty["count"], empty["size_bytes"]), ([], 0, 0))
        self.assertTrue(self.read_json("cache", "prune", "--all", "--dry-run", *own)["dry_run"])
        if self.read_json("info", "--device", "cpu")["nvrtc"]["missing"]:
            return
        first = self.read_json("prefetch", "--arch", "sm_80", "--package", "quern/mxfp4-dequantize", *own)
        self.assertGreater(first["compiled"], 0)
        again = self.read_json("prefetch", "--arch", "sm_80", "--package", "quern/mxfp4-dequantize", *own)
        self.assertEqual((again["compiled"], again["cached"]), (0, first["compiled"]))
        scan = self.read_json("cache", "scan", "--sort", "size", *own)
        self.assertEqual(scan["count"], first["compiled"])
        for entry in scan["entries"]:
            self.assertEqual((entry["state"], entry["target"]), ("good", "sm_80"))
            self.assertRegex(entry["created"], RFC_3339)
            self.assertIsInstance(entry["size_bytes"], int)
        self.assertEqual(self.read_json("cache", "scan", "--filter", "sm_80", *own)["count"], scan["count"])
        self.check_selection(own, scan["entries"])
        self.check_care(own, directory, scan["entries"][0])
        count = self.read_json("cache", "scan", *own)["count"]
        self.assertEqual(self.read_json("cache", "prune", "--all", "--dry-run", *own)["removed"], count)
        self.assertEqual(self.read_json("cache", "prune", "--all", *own)["removed"], count)
        self.assertEqual(self.read_json("cache", "scan", *own)["count"], 0)
        self.fail_with_jit_forbidden(own)

    def check_selection(self, own, entries):
        def count(*words):
            return self.read_json("cache", "ls", *words, *own)["count"]
        self.assertEqual(count("-f", "size>1", "-f", "state=good", "-f", "target=sm_80"), len(entries))
        self.assertEqual(count("-f", "kernel=quern/*", "-f", "used<1h", "-f", "rooted=no"), len(entries))
        self.assertEqual(count("--limit", "1"), 1)
        self.fail_with(3, "matches", "cache", "ls", "-f", "target!=sm_80", *own)
        for bad in ("size>big", "colour=red", "target>sm_80", "used!"):
            self.fail_with(2, bad, "cache", "ls", "-f", bad, *own)
        sizes = [entry["size_bytes"] for entry in self.read_json("cache", "ls", "--sort", "size:asc", *own)["entries"]]
        self.assertEqual(sizes, sorted(sizes))
        keys = self.succeed("cache", "ls", "-q", "--sort", "name", *own).split()
        self.assertEqual(sorted(keys), sorted(entry["key"] for entry in entries))
        self.assertIn("Found ", self.succeed("cache", "ls", *own))

    def check_care(self, own, directory, entry):
        key = entry["key"]
        file = pathlib.Path(directory) / "jit" / key[:2] / f"{key}.{entry['nvrtc']}.qkc"
        exported = self.path("kernel.cubin")
        self.assertEqual(self.read_json("cache", "export", key[:16], "-o", exported, *own)["key"], key)
        self.assertEqual(pathlib.Path(exported).read_bytes()[:4], b"\x7fELF")
        self.fail_with(3, "begins with", "cache", "export", "0" * 64, "-o", exported, *own)
        self.assertEqual(self.read_json("cache", "verify", *own)["problems"], [])
        self.assertIn("Nothing is wrong.", self.succeed("cache", "doctor", *own))
        sound = file.read_bytes()
        file.chmod(0o600)
        file.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        self.assertEqual(self.read_json("cache", "verify", *own, code=6)["problems"][0]["repaired"], False)
        self.assertEqual(self.read_json("cache", "doctor", "--repair", *own)["repaired"], 2)  # and its row in the index
        self.assertFalse(file.exists())
        stats = self.read_json("cache", "stats", *own)
        self.assertGreater(stats["compiles"], 0)
        self.assertGreater(stats["hits"], 0)
        self.assertTrue(self.read_json("cache", "stats", "--zero", *own)["zeroed"])
        self.assertEqual(self.read_json("cache", "stats", *own)["compiles"], 0)
        left = self.read_json("cache", "ls", *own)["entries"]
        victim = left[0]["key"]
        self.fail_with(2, "pass -y", "cache", "rm", victim, *own)
        self.fail_with(2, "pass -y", "cache", "clear", *own)
        self.assertEqual(self.read_json("cache", "rm", victim[:10], "--dry-run", *own)["removed"], 0)
        self.assertEqual(self.read_json("cache", "rm", victim[:10], "-y", *own)["removed"], 1)
        self.assertEqual(self.succeed("cache", "rm", victim, "-y", *own), "Nothing to delete.\n")
        self.assertEqual(self.read_json("cache", "clear", "--dry-run", *own)["removed"], len(left) - 1)

    def test_scan_lists_a_hugging_face_cache(self):
        hub = pathlib.Path(self.path("hub"))
        repo = hub / "kernels--acme--gemm"
        commit = "c" * 40
        for folder in ("refs", "blobs", f"snapshots/{commit}/build"):
            (repo / folder).mkdir(parents=True)
        (repo / "blobs" / "one").write_text("12345")
        (repo / "refs" / "v1").write_text(commit)
        (repo / "snapshots" / commit / "build" / "one").symlink_to("../../../blobs/one")
        (repo / "snapshots" / commit / "gone").symlink_to("../../blobs/absent")
        (hub / "models--acme--gemm").mkdir()
        (hub / "kernels--broken").mkdir()
        self.variables["HF_HUB_CACHE"] = str(hub)
        found = self.read_json("cache", "scan", "--cache-dir", self.path("own"))
        self.assertEqual(found["hugging_face"]["kernels"],
                         [{"repo": "acme/gemm", "revision": commit, "refs": ["v1"], "size_bytes": 5, "files": 1,
                           "broken_links": 1, "last_modified": found["hugging_face"]["kernels"][0]["last_modified"]}])
        self.assertTrue(any(package["trust"] == "builtin" for package in found["packages"]))
        self.assertIn("acme/gemm", self.succeed("cache", "scan", "--cache-dir", self.path("own")))

    def fail_with_jit_forbidden(self, own):
        result = self.run_quern("prefetch", "--arch", "sm_80", "--jit", "forbid", "-q", *own)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(result.stdout, "")

    def test_prefetch_needs_a_gpu_for_native(self):
        if self.read_json("info")["cuda_devices"] == 0:
            self.fail_with(4, "quern: ", "prefetch")

    def test_compiling_starts_no_driver(self):
        """NVRTC would, for a cache of its own; the loader says which libraries were looked for."""
        self.variables |= {"QUERN_DRIVER_PATH": self.path("none.so"), "LD_DEBUG": "libs",
                           "LD_DEBUG_OUTPUT": self.path("loader")}
        self.succeed("prefetch", "--arch", "sm_80", "--package", "quern/mxfp4-dequantize")
        said = "".join(path.read_text() for path in pathlib.Path(self.directory).glob("loader.*"))
        searched = re.findall(r"(?:find library=|calling init: \S*/)(lib\w+)", said)
        self.assertIn("libnvrtc", searched)
        self.assertNotIn("libcuda", searched)

    def test_version(self):
        self.assertRegex(self.succeed("version"), r"^quern \d+\.\d+\.\d+")
        self.assertIn("version", self.read_json("version"))

    def test_selftest_on_the_cpu(self):
        document = self.read_json("selftest", "--device", "cpu", "--quick")
        self.assertEqual((document["failed"], document["refused"]), (0, 0))
        self.assertEqual({r["operation"] for r in document["results"]}, {"gemm", "dequantize", "quantize"})
        for result in document["results"]:
            self.assertGreater(result["cases"], 20)
            self.assertLessEqual(result["worst_error_over_bound"], 1)

    @unittest.skipUnless(os.environ.get("QUERN_FAULTY_KERNELS"), "not built")
    def test_selftest_notices_faults(self):
        self.variables["LD_PRELOAD"] = os.environ["QUERN_FAULTY_KERNELS"]
        for kernel_fault in ("sign", "hole", "before", "behind", "between", "low-bit", "unsteady"):
            self.variables["QUERN_TEST_FAULT"] = kernel_fault
            with self.subTest(fault=kernel_fault):
                document = self.read_json("selftest", "--device", "cpu", "--quick", code=1)
                # What is spoilt once only is seen by the first test of a GEMM, not by those of packed weights.
                once = kernel_fault in ("sign", "hole", "before", "behind")
                self.assertEqual(document["failed"], 3 if once else 5)
                for result in document["results"]:
                    self.assertEqual(result["result"] == "failed", bool(result["detail"]))
        self.variables["QUERN_TEST_FAULT"] = "none"
        self.read_json("selftest", "--device", "cpu", "--quick")

    def test_quiet_and_verbose(self):
        result = self.run_quern("info", "--device", "cpu", "-q")
        self.assertEqual(result.stderr, "")
        for line in self.run_quern("info", "--device", "cpu", "-vv").stderr.splitlines():
            self.assertTrue(line.startswith("quern: ["), line)

    def test_stdout_that_is_full(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, "version"], stdout=full, stderr=subprocess.PIPE, text=True,
                                    env=self.environment(), timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output", result.stderr)


if __name__ == "__main__":
    main()
