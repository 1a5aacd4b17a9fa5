#!/usr/bin/env python3
"""The program against a server that answers as the Hugging Face Hub does: fetch, lock, lock files of the Hub's own
tools, and what those tools keep on this machine.

  hub_verbs_test.py QUERN CASE
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

from lying_server import LyingServer, answer  # noqa: E402

QUERN, CASE = sys.argv[1:]
ID, COMMIT, LATER = "acme/dequantize", "a" * 40, "b" * 40
SOURCE = HERE.parent.parent / "kernel_sources" / "mxfp4-dequantize"
work = pathlib.Path(tempfile.mkdtemp(prefix="quern_hub_"))


def facts(body, commit):
    digest = hashlib.sha256(body).hexdigest()
    return dict(x_repo_commit=commit, x_linked_size=len(body), x_linked_etag=f'"{digest}"', etag='W/"abc"')


class Hub:
    """One repository with two commits, v1 at the later one; packages signed by a key that this user trusts."""

    def __init__(self):
        self.server = LyingServer()
        self.key = json.loads(self.run("keygen", work / "key.pem", "--json").stdout)["public_key"]
        for commit, build in ((COMMIT, 1), (LATER, 2)):
            self.add(commit, build, ("--key", work / "key.pem"))
        self.branch("v1", LATER)
        (work / ".config/quern").mkdir(parents=True)
        (work / ".config/quern/config.json").write_text(json.dumps(
            {"schema": 1, "registries": [{"name": "files", "url": f"file://{work}/none"}, {"name": "hf", "url": "hf://"}]}))
        self.trust({"acme": {"keys": [self.key], "allow": ["acme/*"]}})

    def trust(self, publishers):
        (work / ".config/quern/trust.json").write_text(json.dumps({"schema": 1, "publishers": publishers}))

    def add(self, commit, build, keys):
        author, packed = work / f"author{build}", work / f"packed-{commit}"
        shutil.copytree(SOURCE, author)
        manifest = json.loads((author / "kernel.json").read_text()) | {"id": ID, "build": build}
        (author / "kernel.json").write_text(json.dumps(manifest))
        assert self.run("pack", author, "-o", packed, *keys).returncode == 0
        for file in packed.rglob("*"):
            self.serve(commit, commit, file.relative_to(packed), file.read_bytes())
        self.server.plan(f"/api/kernels/{ID}/revision/{commit}", answer(200, json.dumps({"sha": commit}).encode()))

    def serve(self, revision, commit, path, body):
        self.server.plan(f"/kernels/{ID}/resolve/{revision}/quern/{path}", answer(200, body, **facts(body, commit)))

    def branch(self, name, commit):
        refs = {"branches": [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}], "converts": [],
                "tags": []}
        self.server.plan(f"/api/kernels/{ID}/refs", answer(200, json.dumps(refs).encode()))

    def run(self, *arguments, **variables):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("QUERN_", "HF_", "XDG_", "TRANSFORMERS_")) and not name.lower().endswith("_proxy")}
        if "QUERN_NVRTC_PATH" in os.environ:
            kept["QUERN_NVRTC_PATH"] = os.environ["QUERN_NVRTC_PATH"]
        return subprocess.run([QUERN, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                              env=kept | {"HOME": str(work), "HF_ENDPOINT": self.server.origin} | variables)

    def packages(self, *arguments, **variables):
        done = self.run(*arguments, "--json", **variables)
        assert done.returncode == 0, (arguments, done.stderr)
        return json.loads(done.stdout)["packages"]

    def refused(self, code, words, *arguments, **variables):
        done = self.run(*arguments, **variables)
        assert done.returncode == code and words in done.stderr, (arguments, done.returncode, done.stderr)

    def asked(self):
        paths = [request.path for request in self.server.asked()]
        self.server.forget()
        return paths


def fetch(hub):
    found = hub.packages("fetch", ID + "@1")[0]
    assert (found["build"], found["commit"], found["trust"], found["registry"]) == (2, LATER, "signed", "hf"), found
    assert any("/refs" in path for path in hub.asked())
    assert hub.packages("fetch", ID + "@1", "--offline")[0]["manifest"] == found["manifest"]
    assert hub.packages("fetch", ID + "@1", QUERN_OFFLINE="1")[0]["manifest"] == found["manifest"]
    hub.refused(5, "HF_HUB_OFFLINE", "fetch", "acme/other@1", HF_HUB_OFFLINE="1")
    assert hub.asked() == []
    hub.refused(3, "no version 2", "fetch", ID + "@2")
    hub.refused(3, "", "fetch", "acme/absent@1")
    hub.trust({})
    hub.refused(6, "signed by nobody you trust", "fetch", ID + "@1")


def locks(hub):
    """Both forms of kernels.lock name a commit; ours says its bytes as well."""
    old = [{"repo_id": ID, "sha": COMMIT, "variants": {"torch28": {"hash": "sha256-" + "0" * 64,
                                                                    "hash_type": "git_lfs_concat"}}}]
    new = [{"dependency": {"repo-id": ID, "version": 1}, "lock": {"commit": COMMIT}}]
    for name, document in (("old", old), ("new", new)):
        theirs, ours = work / f"{name}.kernels.lock", work / f"{name}.quern.lock"
        theirs.write_text(json.dumps(document))
        found = hub.packages("fetch", "--lock", theirs)[0]
        assert (found["build"], found["commit"], found["trust"]) == (1, COMMIT, "signed"), found
        assert hub.run("lock", "--from", theirs, "-o", ours).returncode == 0
        pinned = json.loads(ours.read_text())["kernels"][0]
        assert pinned["dependency"] == {"repo-id": ID, "version": 1}, pinned
        assert (pinned["lock"]["commit"], pinned["lock"]["registry"]) == (COMMIT, "hf"), pinned
        assert pinned["lock"]["manifest"] == found["manifest"] and "dequantize.cu" in pinned["lock"]["files"], pinned
        # From a bare cache, with nobody trusted: the lock vouches for the bytes.
        hub.trust({})
        hub.asked()
        cache = work / f"cache-{name}"
        done = hub.run("prefetch", "--lock", ours, "--arch", "sm_80", "--package", ID, "--cache-dir", cache)
        assert done.returncode == 0, done.stderr
        assert all(COMMIT in path for path in hub.asked())
        assert hub.packages("prefetch", "--check", "--lock", ours, "--arch", "sm_80", "--package", ID, "--cache-dir",
                            cache)[0]["trust"] == "locked"
        assert hub.asked() == []
        # The commit's files are others now, which the Hub does not prevent.
        hub.serve(COMMIT, COMMIT, "dequantize.cu", b"// other\n")
        hub.refused(6, "", "fetch", "--lock", ours, "--cache-dir", work / f"bare-{name}")
        hub.serve(COMMIT, COMMIT, "dequantize.cu", (work / "author1/dequantize.cu").read_bytes())
        hub.trust({"acme": {"keys": [hub.key], "allow": ["acme/*"]}})
    # Brought up to date on demand.
    assert hub.run("lock", "-o", ours).returncode == 0
    assert json.loads(ours.read_text())["kernels"][0]["lock"]["commit"] == LATER


def hub_cache(hub):
    """What the Hub's own tools fetched serves before the network, and without it."""
    repository = work / "hf/kernels--acme--dequantize"
    snapshot = repository / "snapshots" / COMMIT / "quern"
    shutil.copytree(work / f"packed-{COMMIT}", snapshot)
    (repository / "refs").mkdir()
    (repository / "refs/v1").write_text(COMMIT)
    variables = {"HF_HUB_CACHE": str(work / "hf")}
    found = hub.packages("fetch", ID + "@1", "--offline", **variables)[0]
    assert (found["build"], found["trust"]) == (1, "signed"), found
    assert hub.asked() == []
    lock = work / "kernels.lock"
    lock.write_text(json.dumps([{"dependency": {"repo-id": ID, "version": 1}, "lock": {"commit": COMMIT}}]))
    assert hub.packages("fetch", "--lock", lock, "--cache-dir", work / "second", **variables)[0]["commit"] == COMMIT
    assert not any("/resolve/" in path for path in hub.asked())
    # Wrong bytes there are as good as none.
    (snapshot / "dequantize.cu").write_text("// other\n")
    found = hub.packages("fetch", "--lock", lock, "--cache-dir", work / "third", **variables)[0]
    assert found["commit"] == COMMIT and any("dequantize.cu" in path for path in hub.asked())
    listed = json.loads(hub.run("cache", "scan", "--json", **variables).stdout)["hugging_face"]["kernels"]
    assert [(one["repo"], one["revision"]) for one in listed] == [(ID, COMMIT)], listed


try:
    {"fetch": fetch, "locks": locks, "hub_cache": hub_cache}[CASE](Hub())
    print("ok")
finally:
    shutil.rmtree(work)
