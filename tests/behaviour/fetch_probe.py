"""The program fetch_probe as an object, and what the tests of fetching share."""

import hashlib
import json
import os
import random
import socket
import subprocess
import time

# Printed by each test, so that a failure can be had again.
SEED = random.randrange(1 << 32)
chance = random.Random(SEED)

CORRUPT, NETWORK, OFFLINE, CANCELLED, INVALID, NOT_FOUND, IO = 41, 42, 43, 45, 10, 32, 40


def environment(**changes):
    """This process's, less whatever would steer fetching."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("QUERN_", "HF_", "SSL_CERT", "TRANSFORMERS_")) and not name.lower().endswith("_proxy")}
    kept.update(changes)
    return kept


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def blob_path(data):
    return f"/blobs/{sha256(data)[:2]}/{sha256(data)}"


def expect(result, status, *words):
    """It failed with this status, or worked if it is 0, and its message has these words."""
    assert result["status"] == status, result
    for word in words:
        assert word in result["message"], (word, result)


def some_bytes(size):
    return chance.randbytes(size)


def black_hole():
    """An address where nobody takes a connection, and what must be kept for it to stay so."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    kept = [listener]
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        kept.append(client)
    time.sleep(0.2)
    return f"http://127.0.0.1:{listener.getsockname()[1]}", kept


class Probe:
    def __init__(self, program, settings=None, **env):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment(**env))
        if settings:
            self.client(**settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0, "the probe died"

    def call(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the probe died"
        return json.loads(answer)

    def client(self, **settings):
        return self.call(op="client", settings=settings)

    def blob(self, data, url, *mirrors, **more):
        """Fetch what `data` is; whatever happens, other bytes must not come out."""
        result = self.call(op="blob", url=url, mirrors=list(mirrors), sha256=sha256(data), size=len(data), **more)
        for one in result.get("outcomes", [result]):
            assert one["status"] != 0 or (one["sha256"], one["size"]) == (sha256(data), len(data)), one
            assert one["status"] == 0 or ("sha256" not in one and "\n" not in one["message"]), one
        return result

    def metadata(self, path, url, *mirrors, limit=16384, **more):
        return self.call(op="metadata", url=url, mirrors=list(mirrors), path=path, limit=limit, **more)

    def hub(self, name, **more):
        return self.call(op="hub", id="acme/gemm", call=name, **more)
