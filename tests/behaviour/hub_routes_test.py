#!/usr/bin/env python3
"""Kernel repositories of the Hugging Face Hub, from a server that answers as the Hub does.

  hub_routes_test.py FETCH_PROBE HANGING_RESOLVER CASE
"""

import hashlib
import json
import pathlib
import random
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

from lying_server import LyingServer, answer, redirect  # noqa: E402
from fetch_probe import CORRUPT, INVALID, NETWORK, NOT_FOUND, OFFLINE, Probe, sha256, expect  # noqa: E402

program = None
COMMIT, OLDER = "a" * 40, "b" * 40
MANIFEST = b'{"schema": 1, "id": "acme/gemm"}\n'
SIGNATURE = b"0" * 64 + b" " + b"1" * 128 + b"\n"
SOURCE = random.randbytes(3000)
FILE = dict(path="src/gemm main.cu", sha256=sha256(SOURCE), size=len(SOURCE))
REFS = {"branches": [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit} for name, commit in
                     (("main", COMMIT), ("v10", COMMIT), ("v2", COMMIT), ("v1", OLDER), ("v01", OLDER), ("v1.5", OLDER),
                      ("vx", OLDER), ("v", OLDER), ("v-1", OLDER), ("refs/v3", OLDER))],
        "converts": [], "tags": [{"name": "v7", "ref": "refs/tags/v7", "targetCommit": OLDER}]}


def resolve(revision, path):
    return f"/kernels/acme/gemm/resolve/{revision}/quern/{path}"


def facts(body, commit=COMMIT):
    return dict(x_repo_commit=commit, x_linked_size=len(body), x_linked_etag=f'"{sha256(body)}"', etag='W/"abc"')


class Hub:
    """A hub with one repository; `cdn` is where large files lie."""

    def __init__(self):
        self.server, self.cdn = LyingServer(), LyingServer(address="127.0.0.2")
        plan = self.server.plan
        plan("/api/kernels/acme/gemm/refs", answer(200, json.dumps(REFS).encode()))
        for revision, commit in (("v2", COMMIT), (COMMIT, COMMIT), ("v1", OLDER), (OLDER, OLDER)):
            plan(resolve(revision, "kernel.json"), answer(200, MANIFEST, **facts(MANIFEST, commit)))
            plan(resolve(revision, "kernel.json.sig"), answer(200, SIGNATURE, **facts(SIGNATURE, commit)))
            plan(f"/api/kernels/acme/gemm/revision/{revision}", answer(200, json.dumps({"sha": commit}).encode()))
        plan(resolve(COMMIT, "src/gemm%20main.cu"),
             redirect(self.cdn.origin + "/xet/file?X-Signature=abc%2F", **facts(SOURCE)))
        self.cdn.plan("/xet/file?X-Signature=abc%2F", answer(200, SOURCE))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.__exit__()
        self.cdn.__exit__()

    def probe(self, **env):
        return Probe(program, None, **{"HF_ENDPOINT": self.server.origin, "HF_HOME": "/nonexistent", **env})

    def log(self):
        log = [(request.method, request.path) for request in self.server.asked()]
        self.server.forget()
        return log


def fail_with(status, code=None, message=None):
    return answer(status, b"<html>", x_error_code=code, x_error_message=message)


def versions(_):
    """Branches v<N>, and no others."""
    with Hub() as hub, hub.probe() as probe:
        result = probe.hub("versions")
        assert result["versions"] == [[1, OLDER], [2, COMMIT], [10, COMMIT]], result
        assert hub.log() == [("GET", "/api/kernels/acme/gemm/refs")]
        for wrong in (b"<html>", b"[]", b"{}", b'{"branches": 1}', b'{"branches": [1]}', b'{"branches": [{"name": 5}]}',
                      b'{"branches": [], "branches": []}', b"[" * 100000):
            hub.server.plan("/api/kernels/acme/gemm/refs", answer(200, wrong))
            expect(probe.hub("versions"), NETWORK, "no list of branches", "HF_ENDPOINT")
        hub.server.plan("/api/kernels/acme/gemm/refs", answer(200, b" " * 300000))
        expect(probe.hub("versions"), CORRUPT, "at most 262144")
        for name in ("gemm", "acme/gemm/more", "acme/", "/gemm", "../gemm", "acme/..", "acme/ge mm", "acme/ge\nmm", ""):
            expect(probe.call(op="hub", id=name, call="versions"), INVALID, "owner/name")


def release(_):
    """A version is fixed to a commit first, so that manifest, signature and files belong together."""
    with Hub() as hub, hub.probe() as probe:
        result = probe.hub("release", revision="v2")
        assert result["commit"] == COMMIT, result
        assert result["manifest"]["sha256"] == sha256(MANIFEST)
        assert result["signature"]["sha256"] == sha256(SIGNATURE)
        wanted = [("GET", resolve(COMMIT, "kernel.json")), ("GET", resolve(COMMIT, "kernel.json.sig"))]
        assert hub.log() == [("HEAD", resolve("v2", "kernel.json"))] + wanted
        assert probe.hub("release", revision=COMMIT)["commit"] == COMMIT
        assert hub.log() == wanted  # nothing to fix
        hub.server.plan(resolve(COMMIT, "kernel.json.sig"), fail_with(404, "EntryNotFound", "Entry not found"))
        result = probe.hub("release", revision="v2")
        assert result["status"] == 0 and "signature" not in result
        # A branch with a slash in its name is one segment; a renamed repository answers from elsewhere on the Hub.
        hub.server.plan(resolve("refs%2Fpr%2F1", "kernel.json"), redirect("/renamed", 307))
        hub.server.plan("/renamed", answer(200, MANIFEST, **facts(MANIFEST, OLDER)))
        assert probe.hub("release", revision="refs/pr/1")["commit"] == OLDER
        hub.server.plan(resolve(COMMIT, "kernel.json"), answer(200, b"x" * (256 * 1024 + 1)))
        expect(probe.hub("release", revision="v2"), CORRUPT, "at most 262144")
        # A head that points to the content network is not followed: it has told the commit already.
        hub.server.plan(resolve("v2", "kernel.json"), redirect(hub.cdn.origin + "/xet/other", **facts(MANIFEST)))
        hub.server.plan(resolve(COMMIT, "kernel.json"), redirect(hub.cdn.origin + "/xet/manifest", **facts(MANIFEST)))
        hub.cdn.plan("/xet/manifest", answer(200, MANIFEST))
        assert probe.hub("release", revision="v2")["manifest"]["sha256"] == sha256(MANIFEST)
        assert [request.path for request in hub.cdn.asked()] == ["/xet/manifest"]


def files(_):
    """Only the right bytes, wherever they lie."""
    with Hub() as hub, hub.probe() as probe:
        assert probe.hub("file", revision=COMMIT, **FILE)["sha256"] == FILE["sha256"]
        assert hub.log() == [("GET", resolve(COMMIT, "src/gemm%20main.cu"))]
        hub.cdn.plan("/xet/file?X-Signature=abc%2F", answer(200, bytes(3000)))
        result = probe.hub("file", revision=COMMIT, **FILE)
        expect(result, CORRUPT, "sends other bytes", "hf://acme/gemm")
        assert "X-Signature" not in result["message"]
        hub.server.plan(resolve(COMMIT, "src/gemm%20main.cu"), fail_with(404, "EntryNotFound"))
        expect(probe.hub("file", revision=COMMIT, **FILE), NETWORK, "has no quern/src/gemm main.cu")
        expect(probe.hub("file", revision=COMMIT, **{**FILE, "path": "../../other/file"}), INVALID, "no path")


def errors(_):
    """What the Hub says is wrong is told in its words, with what to do."""
    with Hub() as hub, hub.probe() as probe, hub.probe(HF_TOKEN="hf_x") as known:
        cases = [
            (404, "RepoNotFound", None, NOT_FOUND, ("does not exist", "set HF_TOKEN")),
            (401, "RepoNotFound", "Repository not found", NOT_FOUND, ("Repository not found",)),
            (401, None, None, NOT_FOUND, ("does not exist, or may not be seen",)),
            (404, "RevisionNotFound", "Invalid rev id: v9", NOT_FOUND, ("has no revision v9",)),
            (403, "GatedRepo", "Access is restricted", NETWORK, ("is gated: Access is restricted", "ask for access")),
            (401, "GatedRepo", None, NETWORK, ("is gated", "set HF_TOKEN")),
            (403, None, "Forbidden by policy", NETWORK, ("Forbidden by policy",)),
        ]
        for status, code, message, wanted, words in cases:
            for path in (resolve("v9", "kernel.json"), "/api/kernels/acme/gemm/revision/v9"):
                hub.server.plan(path, fail_with(status, code, message))
            expect(probe.hub("release", revision="v9"), wanted, *words)
            hub.server.plan("/api/kernels/acme/gemm/refs", fail_with(status, code, message))
            assert probe.hub("versions")["status"] == wanted
        expect(known.hub("release", revision="v9"), NETWORK, "use a token that has it")
        expect(known.hub("versions"), NETWORK, "use a token that has it")
        # Without a package in it, it is no repository for Quern.
        hub.server.plan(resolve("v9", "kernel.json"), fail_with(404, "EntryNotFound"))
        hub.server.plan("/api/kernels/acme/gemm/revision/v9", answer(200, json.dumps({"sha": COMMIT}).encode()))
        hub.server.plan(resolve(COMMIT, "kernel.json"), fail_with(404, "EntryNotFound"))
        expect(probe.hub("release", revision="v9"), NOT_FOUND, "has no quern/kernel.json at v9")
        # Its words are kept to one line of text.
        hub.server.plan("/api/kernels/acme/gemm/refs", fail_with(403, None, "a\tb\x1b[31m" + "x" * 1000))
        result = probe.hub("versions")
        assert len(result["message"]) < 500 and "\x1b" not in result["message"], result
        # Too many requests: the time that the Hub asks for is waited.
        hub.server.forget()
        hub.server.plan("/api/kernels/acme/gemm/refs", answer(429, ratelimit='"api";r=0;t=1'),
                        answer(200, json.dumps(REFS).encode()))
        result = probe.hub("versions")
        assert result["status"] == 0 and 1 <= result["seconds"] < 8, result
        hub.server.plan("/api/kernels/acme/gemm/refs", answer(503))
        hub.server.forget()
        expect(probe.hub("versions"), NETWORK, "answers 503 (4 attempts)", "HF_ENDPOINT")
        assert len(hub.server.asked()) == 4


def headers_dropped(_):
    """Behind a proxy that passes on nothing but bytes, and one that refuses HEAD."""
    with Hub() as hub, hub.probe() as probe:
        for head in (answer(200, MANIFEST), answer(405), answer(404)):
            hub.server.plan(resolve("v2", "kernel.json"), head)
            assert probe.hub("release", revision="v2")["commit"] == COMMIT
        # Not even the API: the branch itself then, and the digests of what it has.
        hub.server.plan("/api/kernels/acme/gemm/revision/v2", answer(404))
        hub.server.plan(resolve("v2", "kernel.json"), answer(200, MANIFEST))
        result = probe.hub("release", revision="v2")
        assert result["commit"] == "v2" and result["manifest"]["sha256"] == sha256(MANIFEST), result
        hub.server.plan(resolve("v2", "src/gemm%20main.cu"), answer(200, SOURCE))
        assert probe.hub("file", revision="v2", **FILE)["sha256"] == FILE["sha256"]
        hub.server.plan("/api/kernels/acme/gemm/revision/v2", answer(200, b'{"sha": "not a commit"}'))
        assert probe.hub("release", revision="v2")["commit"] == "v2"
        # No codes of errors either.
        hub.server.plan(resolve("v9", "kernel.json"), answer(404))
        expect(probe.hub("release", revision="v9"), NOT_FOUND, "has no quern/kernel.json at v9")


def tokens(directory):
    """Where a token comes from, and that it stays with the Hub."""
    home = directory / "home"
    (home / ".cache/huggingface").mkdir(parents=True)
    (home / ".cache/huggingface/token").write_text("hf_home\n")
    (directory / "hf").mkdir()
    (directory / "hf/token").write_text("hf_hf_home")
    (directory / "file").write_text(" hf_file \n")
    base = {"HOME": str(home), "HF_HOME": "", "XDG_CACHE_HOME": ""}
    cases = [
        ({}, "hf_home"),
        ({"XDG_CACHE_HOME": str(directory)}, None),
        ({"HF_HOME": str(directory / "hf")}, "hf_hf_home"),
        ({"HF_HOME": "~/.cache/huggingface"}, "hf_home"),
        ({"HF_HOME": str(directory / "hf"), "HF_TOKEN_PATH": str(directory / "file")}, "hf_file"),
        ({"HF_TOKEN": "hf_env\n", "HF_TOKEN_PATH": str(directory / "file")}, "hf_env"),
        ({"HF_TOKEN": " \n", "HF_TOKEN_PATH": str(directory / "file")}, "hf_file"),
        ({"HF_TOKEN_PATH": str(directory / "absent")}, None),
        ({"HF_TOKEN": "hf_env", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes"}, None),
        ({"HF_TOKEN": "hf_env", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "no"}, "hf_env"),
    ]
    for env, token in cases:
        with Hub() as hub, hub.probe(**{**base, **env}) as probe:
            assert probe.hub("file", revision=COMMIT, **FILE)["status"] == 0
            sent = [request.headers.get("authorization") for request in hub.server.asked()]
            assert sent == [token and f"Bearer {token}"], (env, sent)
            assert [request.headers.get("authorization") for request in hub.cdn.asked()] == [None], env
    with Hub() as hub, hub.probe(HF_TOKEN="hf_a\nb") as probe:
        result = probe.hub("versions")
        expect(result, INVALID, "HF_TOKEN")
        assert "hf_a" not in result["message"] and hub.log() == []


def offline(_):
    """HF_HUB_OFFLINE as the Hub's own tools read it; times that are none."""
    truths = [("1", True), ("ON", True), ("yes", True), ("TrUe", True), ("0", False), ("off", False), ("", False),
              ("2", False), ("t", False)]
    with Hub() as hub:
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            for value, is_offline in truths:
                with hub.probe(**{name: value}) as probe:
                    result = probe.hub("versions")
                    assert result["status"] == (OFFLINE if is_offline else 0), (name, value, result)
                    assert (hub.log() == []) == is_offline
        with hub.probe(QUERN_OFFLINE="1") as probe:
            expect(probe.hub("versions"), OFFLINE, "forbidden")
        assert hub.log() == []
        for value in ("x", "0", "-1", "1.5", "100000"):
            for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
                with hub.probe(**{name: value}) as probe:
                    expect(probe.hub("versions"), INVALID, name)
        # The one is for facts, the other for files.
        hub.server.plan("/api/kernels/acme/gemm/refs", lambda connection, request: connection.stall())
        hub.server.plan(resolve(COMMIT, "src/gemm%20main.cu"), lambda connection, request: connection.stall())
        with hub.probe(HF_HUB_ETAG_TIMEOUT="1", HF_HUB_DOWNLOAD_TIMEOUT="6") as probe:
            result = probe.hub("versions")
            expect(result, NETWORK)
            assert 0.9 < result["seconds"] < 5.5, result
            result = probe.hub("file", revision=COMMIT, **FILE)
            expect(result, NETWORK)
            assert 5.5 < result["seconds"] < 20, result
        with hub.probe(HF_ENDPOINT=hub.server.origin + "/") as probe:
            hub.server.plan("/api/kernels/acme/gemm/refs", answer(200, json.dumps(REFS).encode()))
            assert probe.hub("versions")["status"] == 0
        with hub.probe(HF_ENDPOINT="http://hub.example") as probe:
            expect(probe.hub("versions"), INVALID, "not https")


def git_name(body):
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def cache(directory):
    """What the Hub's own tools have of a commit is not asked for again, unless it is damaged or leads elsewhere."""
    repository = directory / "hub/kernels--acme--gemm"
    package = repository / "snapshots" / COMMIT / "quern"
    (package / "src").mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path, body, blob in (("kernel.json", MANIFEST, git_name(MANIFEST)),
                             ("kernel.json.sig", SIGNATURE, git_name(SIGNATURE)),
                             (FILE["path"], SOURCE, FILE["sha256"])):
        (repository / "blobs" / blob).write_bytes(body)
        (package / path).symlink_to("../" * (3 + path.count("/")) + "blobs/" + blob)
    with Hub() as hub, hub.probe(HF_HUB_CACHE=str(directory / "hub")) as probe:
        head = [("HEAD", resolve("v2", "kernel.json"))]
        asked = {path: [("GET", resolve(COMMIT, path.replace(" ", "%20")))]
                 for path in ("kernel.json", "kernel.json.sig", FILE["path"])}

        def expect_release(revision, *requests):
            result = probe.hub("release", revision=revision)
            assert result["status"] == 0 and result["commit"] == COMMIT, result
            assert result["manifest"]["sha256"] == sha256(MANIFEST)
            assert hub.log() == list(requests)
            return result

        def expect_file(*requests):
            assert probe.hub("file", revision=COMMIT, **FILE)["sha256"] == FILE["sha256"]
            assert hub.log() == list(requests)

        assert expect_release(COMMIT)["signature"]["sha256"] == sha256(SIGNATURE)
        expect_file()
        # Which commit a branch is only the Hub knows.
        expect_release("v2", *head)
        # Another commit is not held.
        assert probe.hub("release", revision=OLDER)["commit"] == OLDER
        assert len(hub.log()) == 2
        # A file that the Hub did not have then, and one that was never asked for.
        (package / "kernel.json.sig").unlink()
        assert "signature" in expect_release(COMMIT, *asked["kernel.json.sig"])
        absent = repository / ".no_exist" / COMMIT / "quern"
        absent.mkdir(parents=True)
        (absent / "kernel.json.sig").touch()
        assert "signature" not in expect_release(COMMIT)
        # Damaged, dangling, and leading elsewhere.
        (repository / "blobs" / FILE["sha256"]).write_bytes(bytes(len(SOURCE)))
        expect_file(*asked[FILE["path"]])
        (repository / "blobs" / FILE["sha256"]).unlink()
        expect_file(*asked[FILE["path"]])
        (directory / "outside").write_bytes(MANIFEST)
        (package / "kernel.json").unlink()
        (package / "kernel.json").symlink_to(directory / "outside")
        expect_release(COMMIT, *asked["kernel.json"])
        (package / "kernel.json").unlink()
        (package / "kernel.json").symlink_to("../../../../../outside")
        expect_release(COMMIT, *asked["kernel.json"])
    # The place follows HF_HOME, and HF_HUB_OFFLINE leaves it.
    with Hub() as hub, hub.probe(HF_HOME=str(directory), HF_HUB_OFFLINE="1") as probe:
        expect(probe.hub("release", revision=COMMIT), OFFLINE, "HF_HUB_OFFLINE")
        (package / "kernel.json").unlink()
        (package / "kernel.json").symlink_to("../../../blobs/" + git_name(MANIFEST))
        assert probe.hub("release", revision=COMMIT)["status"] == 0
        assert hub.log() == []


def main():
    global program
    program = sys.argv[1]
    cases = (versions, release, files, errors, headers_dropped, tokens, offline, cache)
    case = {case.__name__: case for case in cases}[sys.argv[3]]
    with tempfile.TemporaryDirectory() as directory:
        case(pathlib.Path(directory))


if __name__ == "__main__":
    main()
