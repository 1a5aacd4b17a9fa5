"""`quern dequantize` and `quern inspect` on small checkpoints, against an independent decoder."""
import json
import os
import resource
import signal
import struct
import subprocess
import time

from quern_cli import (PROGRAM, CliTest, decode, main, pack, random_bytes, read_safetensors, same_floats,
                       write_safetensors)

E, R, K = 2, 64, 96
NAME = "model.layers.0.mlp.experts.gate_up_proj"
BLOCKS = random_bytes(E * R * K // 2, seed=2)
SCALES = random_bytes(E * R * K // 32, 0, 255, seed=3)
BIAS = pack([i / 8 for i in range(E * R)], "BF16")
ROWS = decode(BLOCKS, SCALES, K)  # [E * R][K]


def gpt_oss(**changes):
    tensors = {
        "odd": ("U8", [3], b"abc"),  # so that what follows is not aligned
        NAME + "_blocks": ("U8", [E, R, K // 32, 16], BLOCKS),
        NAME + "_scales": ("U8", [E, R, K // 32], SCALES),
        NAME + "_bias": ("BF16", [E, R], BIAS),
        "model.norm.weight": ("F32", [0, 4], b""),
    }
    tensors.update(changes)
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def transposed():
    return [ROWS[e * R + r][k] for e in range(E) for k in range(K) for r in range(R)]


def flat(rows):
    return [value for row in rows for value in row]


class DequantizeTest(CliTest):
    def dequantize(self, tensors, *arguments, metadata=None):
        write_safetensors(self.path("in.safetensors"), tensors, metadata)
        self.succeed("dequantize", self.path("in.safetensors"), "-o", self.path("out.safetensors"), "--device", "cpu",
                     *arguments)
        self.assertEqual(sorted(os.listdir(self.directory)), sorted({"in.safetensors", "out.safetensors"} |
                                                                    set(os.listdir(self.directory)) & {"cache"}))
        return read_safetensors(self.path("out.safetensors"))

    def refuse(self, code, says, tensors=None, *arguments, output=None, **keywords):
        if tensors is not None:
            write_safetensors(self.path("in.safetensors"), tensors)
        before = set(os.listdir(self.directory))
        output = output or self.path("out.safetensors")
        self.fail_with(code, says, "dequantize", self.path("in.safetensors"), "-o", output, "--device", "cpu",
                       *arguments, **keywords)
        self.assertEqual(set(os.listdir(self.directory)) - {"cache"}, before - {"cache"})

    def test_gpt_oss_is_transposed_per_expert(self):
        out, metadata = self.dequantize(gpt_oss(), metadata={"format": "pt"})
        self.assertEqual(metadata, {"format": "pt"})
        self.assertEqual(set(out), {"odd", NAME, NAME + "_bias", "model.norm.weight"})
        dtype, shape, content = out[NAME]
        self.assertEqual((dtype, shape), ("BF16", [E, K, R]))
        same_floats(self, content, transposed(), "BF16")
        self.assertEqual(out["odd"], ("U8", [3], b"abc"))
        self.assertEqual(out[NAME + "_bias"], ("BF16", [E, R], BIAS))
        self.assertEqual(out["model.norm.weight"], ("F32", [0, 4], b""))

    def test_keep_rows_and_types(self):
        for dtype in ("bf16", "f16", "f32"):
            out, metadata = self.dequantize(gpt_oss(), "--keep-rows", "--dtype", dtype)
            self.assertIsNone(metadata)
            self.assertEqual(out[NAME][:2], (dtype.upper(), [E, R, K]))
            same_floats(self, out[NAME][2], flat(ROWS), dtype.upper())
            out, _ = self.dequantize(gpt_oss(), "--dtype", dtype)
            same_floats(self, out[NAME][2], transposed(), dtype.upper())

    def test_policies_read_0_and_255_their_way(self):
        blocks, scales = bytes([0x10, 0x97] * 32), bytes([0, 255, 127, 254])
        tensors = {"w_blocks": ("U8", [4, 1, 16], blocks), "w_scales": ("U8", [4, 1], scales)}
        pattern = [0.0, 0.5, 6.0, -0.5] * 8
        ocp, _ = self.dequantize(tensors, "--dtype", "f32")
        self.assertEqual(ocp["w"][1], [4, 32])
        values = [v * 2.0**-127 for v in pattern] + [float("nan")] * 32 + pattern + [v * 2.0**127 for v in pattern]
        same_floats(self, ocp["w"][2], values, "F32")
        transformers, _ = self.dequantize(tensors, "--dtype", "f32", "--policy", "transformers")
        values[32:64] = [v * 2.0**128 for v in pattern]
        same_floats(self, transformers["w"][2], values, "F32")
        self.refuse(2, "ocp", tensors, "--policy", "nobody")

    def test_every_naming(self):
        blocks, scales, rows = BLOCKS[:R * K // 2], SCALES[:R * K // 32], ROWS[:R]
        gpt_blocks, fused_blocks = ("U8", [R, K // 32, 16], blocks), ("U8", [R, K // 2], blocks)
        u8_scales, e8m0_scales = ("U8", [R, K // 32], scales), ("F8_E8M0", [R, K // 32], scales)
        for result, tensors in {
                "a.weight": {"a.weight_blocks": gpt_blocks, "a.weight_scales": u8_scales},
                "b": {"b.blocks": gpt_blocks, "b.scales": u8_scales},
                "c.weight": {"c.weight": ("I8",) + fused_blocks[1:], "c.scale": e8m0_scales},
                "d.weight": {"d.weight": fused_blocks, "d.scale": u8_scales},
                "e.weight": {"e.weight_packed": fused_blocks, "e.weight_scale": u8_scales},
                "f.weight": {"f.weight": fused_blocks, "f.weight_scale": u8_scales},
        }.items():
            out, _ = self.dequantize(tensors)
            self.assertEqual({name: tensor[:2] for name, tensor in out.items()}, {result: ("BF16", [R, K])})
            same_floats(self, out[result][2], flat(rows), "BF16")

    def test_names_first_published_keep_their_rows(self):
        out, _ = self.dequantize({"block.0.mlp.mlp1_weight.blocks": ("U8", [E, R, K // 32, 16], BLOCKS),
                                  "block.0.mlp.mlp1_weight.scales": ("U8", [E, R, K // 32], SCALES)})
        self.assertEqual(out["block.0.mlp.mlp1_weight"][1], [E, R, K])
        same_floats(self, out["block.0.mlp.mlp1_weight"][2], flat(ROWS), "BF16")

    def test_other_quantizations_are_left_alone(self):
        other = {"q.weight": ("I8", [2, 2], b"abcd"), "q.scale": ("F32", [2], b"\0" * 8),
                 "g.qweight": ("I8", [2, 2], b"abcd"), "g.scales": ("F16", [2], b"\0" * 4),
                 "u.weight": ("U8", [4], b"abcd")}
        out, _ = self.dequantize(gpt_oss(**other))
        self.assertEqual({name: out[name] for name in other}, other)

    def test_what_cannot_be_read_is_refused(self):
        shape = ("U8", [R, K // 2], BLOCKS[:R * K // 2])
        self.refuse(1, "has no '" + NAME + "_scales'", gpt_oss(**{NAME + "_scales": None}))
        self.refuse(1, "has no '" + NAME + "_blocks'", gpt_oss(**{NAME + "_blocks": None}))
        self.refuse(1, NAME, gpt_oss(**{NAME + "_scales": ("U8", [E, R, K // 32 - 1], SCALES[:E * R * 2])}))
        self.refuse(1, "BF16", gpt_oss(**{NAME + "_scales": ("BF16", [E, R, K // 32], SCALES * 2)}))
        self.refuse(1, "rotated", {"m.qweight": shape, "m.scales": ("U8", [R, K // 32], SCALES[:R * K // 32])})
        self.refuse(1, "NVFP4", {"m.weight_packed": shape, "m.weight_scale": ("F8_E4M3", [R, K // 16], bytes(R * 6))})
        self.refuse(1, "two tensors", gpt_oss(**{NAME: ("U8", [1], b"x")}))
        self.refuse(3, "no MXFP4", {"a": ("BF16", [2], b"abcd")})

    def test_damaged_files(self):
        write_safetensors(self.path("whole"), gpt_oss())
        with open(self.path("whole"), "rb") as file:
            whole = file.read()
        for length in (0, 7, 8, 100, len(whole) - 1):
            with open(self.path("in.safetensors"), "wb") as file:
                file.write(whole[:length])
            self.refuse(1, "in.safetensors")
        os.remove(self.path("in.safetensors"))
        self.refuse(1, "No such file")

    def test_outputs_that_cannot_be_written(self):
        self.refuse(1, "No such file", gpt_oss(), output=self.path("no/such/out"))
        self.refuse(1, "Not a directory", output=self.path("in.safetensors/out"))
        self.refuse(2, "is a directory", output=self.directory)
        if os.geteuid() != 0:
            os.mkdir(self.path("locked"), 0o500)
            self.refuse(1, "Permission denied", output=self.path("locked/out"))

    def test_a_full_disk_leaves_nothing(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        self.refuse(1, "cannot be written", gpt_oss(), preexec_fn=limit)

    def test_output_over_input(self):
        write_safetensors(self.path("model"), gpt_oss())
        self.succeed("dequantize", self.path("model"), "-o", self.path("model"), "--device", "cpu")
        out, _ = read_safetensors(self.path("model"))
        same_floats(self, out[NAME][2], transposed(), "BF16")

    def test_an_interrupt_leaves_nothing(self):
        experts, rows, k = 128, 512, 2048
        blocks, scales = experts * rows * k // 2, experts * rows * k // 32
        header = json.dumps({
            "w_blocks": {"dtype": "U8", "shape": [experts, rows, k // 32, 16], "data_offsets": [0, blocks]},
            "w_scales": {"dtype": "U8", "shape": [experts, rows, k // 32], "data_offsets": [blocks, blocks + scales]},
        }).encode()
        with open(self.path("in"), "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            file.truncate(8 + len(header) + blocks + scales)
        process = subprocess.Popen([PROGRAM, "dequantize", self.path("in"), "-o", self.path("out"), "--device", "cpu"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environment())
        deadline = time.monotonic() + 60
        while not any(name.startswith("out.tmp") for name in os.listdir(self.directory)):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(stdout, b"")
        self.assertEqual(set(os.listdir(self.directory)) - {"cache"}, {"in"})

    def write_sharded(self):
        os.mkdir(self.path("model"))
        tensors = gpt_oss()
        shards = {"model-00001-of-00003.safetensors": {n: tensors[n] for n in ("odd", NAME + "_scales")},
                  "model-00002-of-00003.safetensors": {n: tensors[n] for n in (NAME + "_blocks", NAME + "_bias")},
                  "model-00003-of-00003.safetensors": {"other_scales": ("BF16", [1], b"ab")}}
        for name, shard in shards.items():
            write_safetensors(self.path("model/" + name), shard, {"format": "pt"})
        weight_map = {tensor: name for name, shard in shards.items() for tensor in shard}
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        for name, document in {"model.safetensors.index.json": index,
                               "config.json": {"hidden_size": 96, "quantization_config": {"quant_method": "mxfp4"}},
                               "tokenizer.json": {"version": "1.0"}}.items():
            with open(self.path("model/" + name), "w") as file:
                json.dump(document, file)
        return weight_map

    def test_a_sharded_directory(self):
        self.write_sharded()
        self.succeed("dequantize", self.path("model"), "-o", self.path("out"), "--device", "cpu")
        with open(self.path("out/model.safetensors.index.json")) as file:
            index = json.load(file)
        total = 0
        for shard in set(index["weight_map"].values()):
            tensors, metadata = read_safetensors(self.path("out/" + shard))
            self.assertEqual(metadata, {"format": "pt"})
            self.assertEqual(set(tensors), {n for n, s in index["weight_map"].items() if s == shard})
            total += sum(len(content) for _, _, content in tensors.values())
            if NAME in tensors:
                same_floats(self, tensors[NAME][2], transposed(), "BF16")
        self.assertEqual(index["metadata"]["total_size"], total)
        self.assertEqual(set(index["weight_map"]), {"odd", NAME, NAME + "_bias", "other_scales"})
        with open(self.path("out/config.json")) as file:
            self.assertEqual(json.load(file), {"hidden_size": 96})
        self.assertTrue(os.path.exists(self.path("out/tokenizer.json")))

    def test_directories_that_are_refused(self):
        weight_map = self.write_sharded()
        model, index = self.path("model"), self.path("model/model.safetensors.index.json")
        arguments = ("dequantize", model, "-o", self.path("out"), "--device", "cpu")
        os.mkdir(self.path("out"))
        os.mkdir(self.path("out/full"))
        self.fail_with(1, "no empty directory", *arguments)
        os.rmdir(self.path("out/full"))
        os.rmdir(self.path("out"))
        for broken, says in ((b"{", "JSON"), (b"[" * 100000, "nested"), (b"{}", "weight_map"),
                             (json.dumps({"weight_map": {"a": "../x"}}).encode(), "no file of the directory"),
                             (json.dumps({"weight_map": {"a": "missing"}}).encode(), "No such file"),
                             (json.dumps({"weight_map": weight_map | {"ghost": weight_map["odd"]}}).encode(), "ghost")):
            with open(index, "wb") as file:
                file.write(broken)
            self.fail_with(1, says, *arguments)
        self.assertEqual(set(os.listdir(self.directory)) - {"cache"}, {"model"})

    def test_inspect(self):
        write_safetensors(self.path("in"), gpt_oss(), {"format": "pt"})
        document = self.read_json("inspect", self.path("in"))
        self.assertEqual(document["metadata"], {"format": "pt"})
        self.assertEqual(len(document["tensors"]), 5)
        self.assertEqual(document["bytes"], 3 + len(BLOCKS) + len(SCALES) + len(BIAS))
        (pair,) = document["quantized"]
        self.assertEqual((pair["name"], pair["leading"], pair["rows"], pair["k"], pair["convention"]),
                         (NAME, [E], R, K, "gpt-oss"))
        self.assertEqual((pair["scale_min"], pair["scale_max"]), (min(SCALES), max(SCALES)))
        self.assertEqual((pair["scales_0"], pair["scales_255"]), (SCALES.count(0), SCALES.count(255)))
        self.assertIn(NAME, self.succeed("inspect", self.path("in")))
        write_safetensors(self.path("in"), gpt_oss(**{NAME + "_scales": None}))
        self.assertIn("has no", self.read_json("inspect", self.path("in"))["problems"][0])


if __name__ == "__main__":
    main()
