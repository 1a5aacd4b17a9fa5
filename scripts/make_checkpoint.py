#!/usr/bin/env python3
"""Write a small checkpoint with the names, shapes and types of gpt-oss, and a file of activations.

  make_checkpoint.py CHECKPOINT.safetensors ACTIVATIONS.safetensors

One layer with two experts; hidden and intermediate size are the real 2880, so the expert weights have their real shape.
The attention is left out except for its small tensors. The values are random and the same in every run.
"""

import json
import random
import struct
import sys

EXPERTS, HIDDEN, INTERMEDIATE, TOKENS = 2, 2880, 2880, 16

# bf16 by its high byte: signs and exponents of values between 2^-7 and 2, any mantissa.
BF16_HIGH = bytes([0x3C, 0x3D, 0x3E, 0x3F, 0xBC, 0xBD, 0xBE, 0xBF] * 32)
# E8M0: 2^-17 to 2^-2, where the scales of trained weights lie.
SCALE = bytes([110 + byte % 16 for byte in range(256)])


def count(shape):
    total = 1
    for size in shape:
        total *= size
    return total


def nibbles(rng, shape):
    return rng.randbytes(count(shape))


def scales(rng, shape):
    return rng.randbytes(count(shape)).translate(SCALE)


def bf16(rng, shape):
    data = bytearray(rng.randbytes(2 * count(shape)))
    data[1::2] = data[1::2].translate(BF16_HIGH)
    return bytes(data)


def checkpoint(rng):
    experts = "model.layers.0.mlp.experts"
    attention = "model.layers.0.self_attn"
    up, groups, inner = 2 * INTERMEDIATE, HIDDEN // 32, INTERMEDIATE // 32
    yield f"{experts}.gate_up_proj_blocks", "U8", [EXPERTS, up, groups, 16], nibbles
    yield f"{experts}.gate_up_proj_scales", "U8", [EXPERTS, up, groups], scales
    yield f"{experts}.gate_up_proj_bias", "BF16", [EXPERTS, up], bf16
    yield f"{experts}.down_proj_blocks", "U8", [EXPERTS, HIDDEN, inner, 16], nibbles
    yield f"{experts}.down_proj_scales", "U8", [EXPERTS, HIDDEN, inner], scales
    yield f"{experts}.down_proj_bias", "BF16", [EXPERTS, HIDDEN], bf16
    yield "model.layers.0.mlp.router.weight", "BF16", [EXPERTS, HIDDEN], bf16
    yield "model.layers.0.mlp.router.bias", "BF16", [EXPERTS], bf16
    yield "model.layers.0.input_layernorm.weight", "BF16", [HIDDEN], bf16
    yield "model.layers.0.post_attention_layernorm.weight", "BF16", [HIDDEN], bf16
    yield f"{attention}.k_proj.weight", "BF16", [512, HIDDEN], bf16
    yield f"{attention}.k_proj.bias", "BF16", [512], bf16
    yield f"{attention}.sinks", "BF16", [64], bf16
    yield "model.norm.weight", "BF16", [HIDDEN], bf16


def write(path, rng, tensors):
    """A safetensors file: the length of the header, the header, the data in the header's order."""
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, dtype, shape, make in tensors:
        blobs.append(make(rng, shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(blobs[-1])]}
        offset += len(blobs[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the data begins aligned
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for blob in blobs:
            file.write(blob)
    print(f"{path}: {len(blobs)} tensors, {(8 + len(text) + offset) / 1e6:.1f} MB")


def main(arguments):
    if len(arguments) != 2:
        sys.stderr.write(__doc__)
        return 2
    rng = random.Random(20)
    write(arguments[0], rng, checkpoint(rng))
    write(arguments[1], rng, [("x", "BF16", [TOKENS, HIDDEN], bf16)])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
