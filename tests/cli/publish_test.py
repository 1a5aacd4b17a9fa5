"""From nothing to a registry that a stranger can verify: keygen, pack, publish, registry. What the program writes is
read by a reader of its own, with openssl for the signatures."""
import datetime
import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

from quern_cli import PROGRAM, CliTest, main

SOURCE = 'extern "C" __global__ void scale(float *x) { x[threadIdx.x] *= FACTOR; }\n'


def digest(content):
    return hashlib.sha256(content).hexdigest()


class Reader:
    """A client of a registry's directory that trusts the given root keys. Raises AssertionError for anything wrong."""

    def __init__(self, directory, root_keys, work):
        self.directory, self.work = pathlib.Path(directory), pathlib.Path(work)
        ids = {digest(bytes.fromhex(key)): key for key in root_keys}
        self.root = {"version": 0, "keys": ids, "roles": {"root": {"keys": list(ids), "threshold": 1}}}
        self.checked = {}

    def verify(self, key, role, content, signature):
        name = (key, role, content, signature)
        if name not in self.checked:
            public = self.work / "public.der"
            public.write_bytes(bytes.fromhex("302a300506032b6570032100" + key))
            (self.work / "message").write_bytes(b"quern-signed-v1\n" + role.encode() + b"\n" + content)
            (self.work / "signature").write_bytes(bytes.fromhex(signature))
            self.checked[name] = subprocess.run(
                ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", public, "-rawin", "-in",
                 self.work / "message", "-sigfile", self.work / "signature"], capture_output=True).returncode == 0
        return self.checked[name]

    def signers(self, keys, role, content, signatures):
        lines = [line.split(" ") for line in signatures.decode().splitlines()]
        return {key for key, signature in lines if key in keys and self.verify(keys[key], role, content, signature)}

    def is_signed(self, path, role, by):
        content, signatures = ((self.directory / (path + end)).read_bytes() for end in ("", ".sig"))
        trusted = {key: by["keys"][key] for key in by["roles"][role]["keys"]}
        return len(self.signers(trusted, role, content, signatures)) >= by["roles"][role]["threshold"]

    def signed(self, path, role, by):
        content = (self.directory / path).read_bytes()
        assert self.is_signed(path, role, by), path
        document = json.loads(content)
        assert document["schema"] == 1 and document["role"] == role, path
        assert datetime.datetime.fromisoformat(document["expires"][:-1]) > datetime.datetime.utcnow(), path
        return document

    def named(self, path, reference):
        content = (self.directory / path).read_bytes()
        assert (len(content), digest(content)) == (reference["size"], reference["sha256"]), path
        return content

    def blob(self, sha256, size):
        return self.named(f"blobs/{sha256[:2]}/{sha256}", {"sha256": sha256, "size": size})

    def releases(self):
        """Everything, down to the bytes of every file: {(id, version, build): release}."""
        version = 1
        while (self.directory / f"root/{version}.json").exists():
            path = f"root/{version}.json"
            if self.root["version"] > 0 or self.is_signed(path, "root", self.root):  # else one before ours
                self.root = self.signed(path, "root", self.signed(path, "root", self.root))
                assert self.root["version"] == version, path
            version += 1
        assert self.root["version"] > 0, "no root is signed by the keys that are trusted"
        timestamp = self.signed("timestamp.json", "timestamp", self.root)
        path = f"snapshot/{timestamp['snapshot']['version']}.json"
        snapshot = self.signed(path, "snapshot", self.root)
        self.named(path, timestamp["snapshot"])
        releases = {}
        for package, reference in snapshot["packages"].items():
            index = self.named(f"index/{package}/{reference['version']}.jsonl", reference)
            for release in map(json.loads, index.decode().splitlines()):
                assert release["id"] == package
                manifest = json.loads(self.blob(release["manifest"], release["size"]))
                assert (manifest["id"], manifest["version"]) == (release["id"], release["version"])
                release["contents"] = {file["path"]: self.blob(file["sha256"], file["size"])
                                       for file in manifest["files"]}
                if "signatures" in release:
                    release["sig"] = self.blob(release["signatures"]["sha256"], release["signatures"]["size"])
                releases[package, release["version"], release["build"]] = release
        return releases


class PublishTest(CliTest):
    def key(self, name):
        """A secret key's file, made when first named."""
        path = self.path(name + ".pem")
        if not os.path.exists(path):
            self.succeed("keygen", path)
        return path

    def public(self, name):
        return self.succeed("keygen", "--show", self.key(name), "-q").strip()

    def package(self, build=1, source=SOURCE, name="package", identity="acme/scale"):
        directory = pathlib.Path(self.path(name))
        directory.mkdir(exist_ok=True)
        (directory / "kernel.json").write_text(json.dumps({
            "schema": 1, "id": identity, "version": 1, "build": build, "operation": "custom", "params": 1,
            "files": ["scale.cu", "LICENSE"],
            "variants": [{"name": "twice", "unit": "scale.cu", "entry": "scale", "capability": {"min": "7.5"},
                          "defines": {"FACTOR": 2}}]}, indent=2))
        (directory / "scale.cu").write_text(source)
        (directory / "LICENSE").write_text("free\n")
        return str(directory)

    def publish(self, *more, build=1, **keywords):
        return self.read_json("publish", self.package(build, **keywords), "--registry", self.registry(), "--key",
                              self.key("publisher"), "--registry-key", self.key("registry"), *more)

    def change(self, action, *arguments, key="registry"):
        return self.read_json("registry", action, self.registry(), *arguments, "--registry-key", self.key(key))

    def registry(self):
        return self.path("registry")

    def read(self, key="registry"):
        return Reader(self.registry(), [self.public(key)], self.directory).releases()

    def files(self, directory):
        return {str(path.relative_to(directory)): path.read_bytes() for path in pathlib.Path(directory).rglob("*")
                if path.is_file() and ".tmp" not in path.parts}

    # ---- keygen

    def test_keygen(self):
        path = self.path("key.pem")
        document = self.read_json("keygen", path)
        self.assertEqual(list(document), ["schema", "file", "public_key", "key_id"])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(document["key_id"], digest(bytes.fromhex(document["public_key"])))
        told = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], capture_output=True,
                              check=True).stdout
        self.assertEqual(told.hex(), "302a300506032b6570032100" + document["public_key"])
        self.assertEqual(self.read_json("keygen", "--show", path), document)
        self.assertIn(document["public_key"], self.succeed("keygen", "--show", path))
        self.assertEqual(self.succeed("keygen", "--show", path, "-q"), document["public_key"] + "\n")
        self.assertNotEqual(self.read_json("keygen", self.path("second.pem"))["public_key"], document["public_key"])

    def test_keygen_under_a_lax_umask(self):
        self.run_quern("keygen", self.path("key.pem"), umask=0)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("key.pem")).st_mode), 0o600)

    def test_keygen_never_overwrites(self):
        before = pathlib.Path(self.key("key")).read_bytes()
        self.fail_with(1, "name a file that is not there", "keygen", self.key("key"))
        self.fail_with(1, "in a directory of yours", "keygen", self.path("none/key.pem"))
        os.symlink(self.path("elsewhere"), self.path("link.pem"))
        self.fail_with(1, "link.pem", "keygen", self.path("link.pem"))
        self.assertEqual(pathlib.Path(self.key("key")).read_bytes(), before)
        self.assertFalse(os.path.exists(self.path("elsewhere")))
        self.fail_with(1, "no/such", "keygen", self.path("no/such/key.pem"))
        self.fail_with(2, "FILE", "keygen")
        self.fail_with(3, "absent", "keygen", "--show", self.path("absent.pem"))
        os.chmod(self.key("key"), 0o644)
        self.fail_with(2, "chmod 600", "keygen", "--show", self.key("key"))

    # ---- pack

    def test_pack(self):
        package, output = self.package(), self.path("packed")
        document = self.read_json("pack", package, "-o", output, "--key", self.key("publisher"))
        self.assertEqual(list(document), ["schema", "release", "id", "version", "build", "manifest", "files",
                                          "size_bytes", "signers", "warnings", "output"])
        self.assertEqual((document["release"], document["files"], document["warnings"]), ("acme/scale@v1.1", 2, []))
        written = self.files(output)
        self.assertEqual(sorted(written), ["LICENSE", "kernel.json", "kernel.json.sig", "scale.cu"])
        self.assertEqual(digest(written["kernel.json"]), document["manifest"])
        self.assertEqual(document["size_bytes"], sum(map(len, written.values())) - len(written["kernel.json.sig"]))
        for file in json.loads(written["kernel.json"])["files"]:
            self.assertEqual(file["sha256"], digest(written[file["path"]]))
            self.assertEqual(file["size"], len(written[file["path"]]))
        key = self.public("publisher")
        signers = Reader("", [key], self.directory).signers({document["signers"][0]: key}, "manifest",
                                                            written["kernel.json"], written["kernel.json.sig"])
        self.assertEqual(signers, {digest(bytes.fromhex(key))})
        # The same directory gives the same bytes, and a packed one is packed to itself, signatures included.
        self.succeed("pack", package, "-o", self.path("again"), "--key", self.key("publisher"))
        self.assertEqual(self.files(self.path("again")), written)
        self.succeed("pack", output, "-o", self.path("third"))
        self.assertEqual(self.files(self.path("third")), written)
        # A second author signs what the first did.
        two = self.read_json("pack", output, "--key", self.key("second"), "-o", self.path("both"))
        self.assertEqual((len(two["signers"]), two["manifest"]), (2, document["manifest"]))
        # Without -o nothing is written; -q is for scripts.
        before = sorted(os.listdir(self.directory))
        self.assertEqual(self.succeed("pack", package, "-q"), document["manifest"] + "\n")
        self.assertIn("signed by  nobody", self.succeed("pack", package))
        self.assertIsNone(self.read_json("pack", package)["output"])
        self.assertEqual(sorted(os.listdir(self.directory)), before)

    def test_pack_warns(self):
        package = pathlib.Path(self.package())
        (package / "notes.txt").write_text("mine")
        self.assertEqual(self.read_json("pack", str(package))["warnings"],
                         ["notes.txt is not listed in files and is left out"])
        self.assertIn("warning    notes.txt", self.succeed("pack", str(package)))
        self.succeed("pack", str(package), "-o", self.path("packed"))
        self.assertNotIn("notes.txt", self.files(self.path("packed")))

    def test_pack_refuses(self):
        def refuse(says, code=1):
            before = sorted(os.listdir(self.directory))
            for more in ((), ("--json",)):
                self.fail_with(code, says, "pack", str(package), "-o", self.path("packed"), *more)
            self.assertEqual(sorted(os.listdir(self.directory)), before)

        package = pathlib.Path(self.package(source='#include "tile.cuh"\n' + SOURCE))
        refuse("tile.cuh")  # not listed
        (package / "tile.cuh").write_text("// there, and not listed\n")
        refuse("tile.cuh")
        self.package(source='#include "/etc/passwd"\n')
        refuse("/etc/passwd")
        self.package()
        (package / "LICENSE").unlink()
        refuse("LICENSE")
        os.symlink("/etc/passwd", package / "LICENSE")
        refuse("LICENSE is listed and cannot be read")
        (package / "LICENSE").unlink()
        os.mkfifo(package / "LICENSE")
        refuse("LICENSE")
        (package / "LICENSE").unlink()
        (package / "LICENSE").write_bytes(bytes((4 << 20) + 1))
        refuse("LICENSE")
        self.package()
        (package / "kernel.json").write_text("{")
        refuse("not JSON")
        self.fail_with(3, "kernel.json", "pack", self.path("absent"))
        self.package()
        refuse_key = ("pack", str(package), "-o", self.path("packed"), "--key")
        self.fail_with(3, "absent.pem", *refuse_key, self.path("absent.pem"))
        self.fail_with(2, "no Ed25519 secret key", *refuse_key, self.not_a_key())
        self.fail_with(2, "has a ':'", *refuse_key, "a:b")
        self.assertFalse(os.path.exists(self.path("packed")))

    def not_a_key(self):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                        self.path("ec.pem")], check=True, capture_output=True)
        os.chmod(self.path("ec.pem"), 0o600)
        return self.path("ec.pem")

    def test_pack_never_writes_over_what_is_there(self):
        os.mkdir(self.path("full"))
        pathlib.Path(self.path("full/mine")).write_text("mine")
        self.fail_with(2, "no empty directory", "pack", self.package(), "-o", self.path("full"))
        self.assertEqual(self.files(self.path("full")), {"mine": b"mine"})
        os.mkdir(self.path("empty"))
        self.succeed("pack", self.package(), "-o", self.path("empty"))
        self.assertIn("kernel.json", self.files(self.path("empty")))

    # ---- publish

    def test_publish_from_nothing(self):
        document = self.publish()
        self.assertTrue(document["published"])
        self.assertEqual(document["timestamp"]["expired"], False)
        self.assertEqual(document["config"], {"schema": 1, "registries": [
            {"name": "main", "url": "file://" + self.registry(), "root_keys": [self.public("registry")]}]})
        self.assertEqual(document["trust"], {"schema": 1, "publishers": {
            "acme": {"keys": [self.public("publisher")], "threshold": 1, "allow": ["acme/*"]}}})
        releases = self.read()
        self.assertEqual(list(releases), [("acme/scale", 1, 1)])
        release = releases["acme/scale", 1, 1]
        self.assertEqual(release["contents"]["scale.cu"], SOURCE.encode())
        self.assertEqual((release["manifest"], release["min_client"]), (document["manifest"], "0.1"))
        # The publisher's signature is that of the bytes that a reader gets.
        key = self.public("publisher")
        manifest = pathlib.Path(self.registry(), "blobs", release["manifest"][:2], release["manifest"]).read_bytes()
        signers = Reader("", [key], self.directory).signers({digest(bytes.fromhex(key)): key}, "manifest", manifest,
                                                            release["sig"])
        self.assertEqual(len(signers), 1)
        # Another web server's user may read all of it.
        for path in pathlib.Path(self.registry()).rglob("*"):
            if path.is_file() and ".tmp" not in path.parts:
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644, path)

    def test_publish_for_people(self):
        out = self.succeed("publish", self.package(), "--registry", self.registry(), "--key", self.key("publisher"),
                           "--registry-key", self.key("registry"), "--url", "https://kernels.acme.example")
        self.assertIn("published  acme/scale@v1.1", out)
        config, trust = out[out.index("config.json"):].split("trust.json of who trusts the publisher:\n")
        config = json.loads(config[config.index("\n"):])
        self.assertEqual(config["registries"][0]["url"], "https://kernels.acme.example")
        self.assertEqual(json.loads(trust)["publishers"]["acme"]["keys"], [self.public("publisher")])
        again = self.succeed("publish", self.package(), "--registry", self.registry(), "--key", self.key("publisher"),
                             "--registry-key", self.key("registry"))
        self.assertTrue(again.startswith("there      acme/scale@v1.1"), again)
        self.assertEqual(self.succeed("publish", self.package(), "--registry", self.registry(), "-q", "--registry-key",
                                      self.key("registry")), self.succeed("pack", self.package(), "-q"))

    def test_what_is_printed_is_accepted(self):
        document = self.publish()
        for name in ("config", "trust"):
            pathlib.Path(self.path(name + ".json")).write_text(json.dumps(document[name]))
        self.variables |= {"QUERN_CONFIG": self.path("config.json"), "QUERN_TRUST": self.path("trust.json")}
        self.succeed("info", "--device", "cpu")

    def test_publish_again(self):
        self.publish()
        before = self.files(self.registry())
        self.assertFalse(self.publish()["published"])
        self.assertEqual(self.files(self.registry()), before)
        self.fail_with(2, "raise build", "publish", self.package(source="// other\n" + SOURCE), "--registry",
                       self.registry(), "--key", self.key("publisher"), "--registry-key", self.key("registry"))
        self.assertEqual(self.files(self.registry()), before)
        self.assertTrue(self.publish(build=2, source="// other\n" + SOURCE)["published"])
        self.assertTrue(self.publish(name="else", identity="acme/other")["published"])
        self.assertEqual(list(self.read()), [("acme/other", 1, 1), ("acme/scale", 1, 1), ("acme/scale", 1, 2)])

    def test_publish_what_another_packed(self):
        self.succeed("pack", self.package(), "-o", self.path("packed"), "--key", self.key("publisher"))
        to = ("--registry", self.registry(), "--registry-key", self.key("registry"))
        second = self.public("second")
        self.fail_with(6, second, "publish", self.path("packed"), *to, "--publisher", second)
        self.fail_with(2, "64 lower-case hex digits", "publish", self.path("packed"), *to, "--publisher", "acme")
        self.assertFalse(os.path.exists(self.registry()))
        document = self.read_json("publish", self.path("packed"), *to, "--publisher", self.public("publisher"))
        self.assertEqual(document["signers"], [digest(bytes.fromhex(self.public("publisher")))])
        self.assertEqual(document["trust"]["publishers"]["acme"]["keys"], [self.public("publisher")])
        self.assertIn("sig", self.read()["acme/scale", 1, 1])

    def test_a_signature_of_something_else_is_not_published(self):
        self.succeed("pack", self.package(), "-o", self.path("packed"), "--key", self.key("publisher"))
        shutil.copy(self.path("packed/kernel.json.sig"), self.path("package"))
        to = ("--registry", self.registry(), "--registry-key", self.key("registry"))
        self.fail_with(2, "is not of the package as it is published", "publish", self.path("package"), *to)
        to += ("--key", self.key("publisher"))
        self.assertTrue(self.read_json("publish", self.path("package"), *to)["published"])
        pathlib.Path(self.path("package/kernel.json.sig")).write_text("nonsense")
        self.fail_with(1, "no readable .sig file", "publish", self.path("package"), *to)

    def test_unsigned_packages(self):
        document = self.read_json("publish", self.package(), "--registry", self.registry(), "--registry-key",
                                  self.key("registry"), "--min-client", "0.2")
        self.assertEqual((document["signers"], document["trust"]), ([], None))
        release = self.read()["acme/scale", 1, 1]
        self.assertNotIn("signatures", release)
        self.assertEqual(release["min_client"], "0.2")
        self.fail_with(2, "write it like 0.1", "publish", self.package(2), "--registry", self.registry(),
                       "--min-client", "new", "--registry-key", self.key("registry"))

    def test_wrong_and_missing_keys(self):
        publish = ("publish", self.package(2, "// two\n" + SOURCE), "--registry", self.registry())
        self.fail_with(2, "a new registry needs a key for each", *publish, "--timestamp-key", self.key("registry"))
        self.assertFalse(os.path.exists(self.registry()))
        self.publish()
        before = self.files(self.registry())
        publish = ("publish", self.package(2, "// two\n" + SOURCE), "--registry", self.registry())
        self.fail_with(6, "role timestamp", *publish)
        self.fail_with(6, "role timestamp", *publish, "--registry-key", self.key("second"))
        self.fail_with(6, "role snapshot", *publish, "--timestamp-key", self.key("registry"))
        self.fail_with(3, "absent.pem", *publish, "--registry-key", self.path("absent.pem"))
        self.fail_with(2, "36500", *publish, "--registry-key", self.key("registry"), "--timestamp-days", "0")
        self.assertEqual(self.files(self.registry()), before)
        self.assertTrue(self.read_json(*publish, "--timestamp-key", self.key("registry"), "--snapshot-key",
                                       self.key("registry"))["published"])  # the root may stay offline

    def test_what_others_changed_is_not_signed_again(self):
        self.publish()
        path = pathlib.Path(self.registry(), "index/acme/scale/1.jsonl")
        content = path.read_bytes()
        path.write_bytes(content.replace(b'"yanked":false', b'"yanked":true '))
        self.fail_with(6, "1.jsonl", "publish", self.package(2), "--registry", self.registry(), "--registry-key",
                       self.key("registry"))
        self.fail_with(6, "1.jsonl", "registry", "show", self.registry())
        path.write_bytes(content)
        self.assertTrue(self.publish(build=2)["published"])

    def test_a_path_that_a_url_must_escape(self):
        registry = self.path("a b%ü")
        document = self.read_json("publish", self.package(), "--registry", registry + "/", "--registry-key",
                                  self.key("registry"))
        self.assertEqual(document["config"]["registries"][0]["url"], "file://" + self.directory + "/a%20b%25%C3%BC")

    # ---- registry

    def test_yank_and_revoke(self):
        self.publish()
        self.publish(build=2)
        first = self.change("yank", "acme/scale@v1.2")
        self.assertEqual((first["action"], first["release"]), ("yanked", "acme/scale@v1.2"))
        self.assertTrue(self.read()["acme/scale", 1, 2]["yanked"])
        again = self.change("yank", "acme/scale@v1.2")
        self.assertEqual(again["timestamp"]["version"], first["timestamp"]["version"])  # nothing to sign
        self.change("unyank", "acme/scale@v1.2")
        self.assertFalse(self.read()["acme/scale", 1, 2]["yanked"])
        self.change("revoke", "acme/scale@v1.1", "--reason", "wrong for n > 65535; use build 2")
        self.assertEqual(self.read()["acme/scale", 1, 1]["revoked"], "wrong for n > 65535; use build 2")
        self.assertEqual(self.read()["acme/scale", 1, 2]["revoked"], "")

    def test_changes_that_are_refused(self):
        self.publish()
        before = self.files(self.registry())

        def refuse(code, says, action, *arguments, key="registry", registry=None):
            self.fail_with(code, says, "registry", action, registry or self.registry(), *arguments, "--registry-key",
                           self.key(key))

        for action in ("yank", "unyank"):
            refuse(3, "has no acme/scale version 1 build 9", action, "acme/scale@v1.9")
            refuse(3, "has no acme/none", action, "acme/none@v1.1")
            refuse(6, "role timestamp", action, "acme/scale@v1.1", key="second")
            refuse(3, "holds no registry", action, "acme/scale@v1.1", registry=self.path("nowhere"))
            for bad in ("acme/scale", "acme/scale@v1", "acme/scale@v1.", "acme/scale@v1.x", "@v1.1", "acme/scale@v0.1",
                        "acme/scale@v1.99999999999", "acme/scale@v1.1 "):
                refuse(2, "names no release", action, bad)
            refuse(2, "names no package", action, "../x@v1.1")
        refuse(2, "--reason", "revoke", "acme/scale@v1.1")
        refuse(2, "needs a reason", "revoke", "acme/scale@v1.1", "--reason", "")
        refuse(2, "needs a reason", "revoke", "acme/scale@v1.1", "--reason", "two\nlines")
        refuse(2, "needs a reason", "revoke", "acme/scale@v1.1", "--reason", "x" * 501)
        refuse(6, "role timestamp", "renew", key="second")
        refuse(3, "holds no registry", "renew", registry=self.path("nowhere"))
        refuse(2, "holds a registry already", "create")
        refuse(6, "role root", "rotate", key="second")
        self.assertEqual(self.files(self.registry()), before)
        self.assertFalse(os.path.exists(self.path("nowhere")))

    def test_renew(self):
        created = self.read_json("registry", "create", self.registry(), "--registry-key", self.key("registry"),
                                 "--timestamp-days", "1", "--snapshot-days", "2", "--root-days", "3")
        expiry = [datetime.datetime.fromisoformat(created[role]["expires"][:-1]) - datetime.datetime.utcnow()
                  for role in ("timestamp", "snapshot", "root")]
        self.assertEqual([round(left / datetime.timedelta(days=1)) for left in expiry], [1, 2, 3])
        renewed = self.change("renew")
        self.assertGreater(renewed["timestamp"]["version"], created["timestamp"]["version"])
        self.assertGreater(renewed["timestamp"]["expires"], created["timestamp"]["expires"])
        self.assertEqual(renewed["root"], created["root"])
        self.assertEqual(self.read(), {})
        self.assertIn("renewed " + self.registry(), self.succeed("registry", "renew", self.registry(), "--registry-key",
                                                                 self.key("registry")))

    def test_rotate(self):
        self.publish()
        old = self.public("registry")
        document = self.change("rotate", "--next-registry-key", self.key("next"))
        self.assertEqual(document["root"]["version"], 2)
        for role in ("root", "snapshot", "timestamp"):
            self.assertEqual((document[role]["keys"], document[role]["threshold"]), ([self.public("next")], 1))
        # Who trusted the old root follows the chain; who starts with the new one does too.
        self.assertEqual(list(self.read()), [("acme/scale", 1, 1)])
        self.assertEqual(list(self.read("next")), [("acme/scale", 1, 1)])
        self.assertRaises(AssertionError, self.read, "nobody")
        self.assertEqual(self.succeed("registry", "show", self.registry()).count(old), 0)
        self.fail_with(6, "role timestamp", "registry", "renew", self.registry(), "--registry-key",
                       self.key("registry"))
        self.change("renew", key="next")
        # A second root key, offline, of which both must sign from now on; only the timestamp moves to another machine.
        document = self.change("rotate", "--next-root-key", self.public("next"), "--next-root-key", self.key("offline"),
                               "--root-threshold", "2", "--next-timestamp-key", self.key("job"), key="next")
        self.assertEqual((document["root"]["threshold"], len(document["root"]["keys"])), (2, 2))
        self.assertEqual(document["snapshot"]["keys"], [self.public("next")])
        self.assertEqual(list(self.read()), [("acme/scale", 1, 1)])
        rotate = ("registry", "rotate", self.registry(), "--timestamp-key", self.key("job"), "--registry-key",
                  self.key("next"))
        self.fail_with(6, "needs 2 keys of role root", *rotate)
        both = (*rotate, "--root-key", self.key("offline"))
        self.fail_with(2, "root_threshold is 3 of 2 keys", *both, "--root-threshold", "3")
        self.fail_with(6, "role snapshot", *both, "--next-snapshot-key", self.public("second"))
        self.fail_with(2, "next.snapshot has", *both, "--next-snapshot-key", "0" * 64)  # of small order
        self.fail_with(3, "absent.pem", *both, "--next-snapshot-key", self.path("absent.pem"))
        self.assertEqual(self.read_json(*both)["root"]["version"], 4)  # the same keys, for another year
        self.assertEqual(list(self.read()), [("acme/scale", 1, 1)])
        published = self.read_json("publish", self.package(2), "--registry", self.registry(), "--snapshot-key",
                                   self.key("next"), "--timestamp-key", self.key("job"))
        self.assertEqual(published["config"]["registries"][0]["threshold"], 2)
        self.assertEqual(len(self.read()), 2)

    def test_rotate_without_the_keys_that_were_stolen(self):
        self.publish()
        self.read_json("registry", "rotate", self.registry(), "--root-key", self.key("registry"),
                       "--next-snapshot-key", self.key("new"), "--next-timestamp-key", self.key("new"))
        self.assertEqual(list(self.read()), [("acme/scale", 1, 1)])
        self.fail_with(6, "role timestamp", "registry", "renew", self.registry(), "--registry-key",
                       self.key("registry"))
        self.change("renew", key="new")

    def test_the_walk_through_of_the_documentation(self):
        """Every line of it, in its order; the package and the other author's key are there before."""
        page = pathlib.Path(__file__).parents[2].joinpath("docs/registry.md").read_text()
        section = page[page.index("## Publish your first package"):page.index("## Running one")]
        lines = [line for block in section.split("```")[1::2] for line in block.splitlines() if line]
        lines += [words for words in section.replace("\n", " ").split("`") if words.startswith("quern pack")]
        self.assertGreater(len(lines), 6)
        os.mkdir(self.path("bin"))
        os.symlink(PROGRAM, self.path("bin/quern"))
        self.package(name="my-gemm")
        self.key("second")
        self.variables["PATH"] = self.path("bin") + ":" + os.environ["PATH"]
        for line in lines:
            result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=self.directory,
                                    env=self.environment())
            self.assertEqual(result.returncode, 0, line + "\n" + result.stderr)
        reader = Reader(self.path("kernels"), [self.public("registry")], self.directory)
        self.assertEqual(list(reader.releases()), [("acme/scale", 1, 1)])
        shown = self.read_json("registry", "show", self.path("kernels"))
        self.assertEqual(shown["root"]["keys"], [self.public("root")])
        self.assertEqual(len(self.read_json("pack", self.path("packed2"))["signers"]), 2)

    def test_show(self):
        self.fail_with(3, "is no directory", "registry", "show", self.registry())
        os.mkdir(self.registry())
        self.fail_with(3, "holds no registry", "registry", "show", self.registry())
        self.assertEqual(os.listdir(self.registry()), [])
        self.publish()
        self.publish(build=2)
        self.change("yank", "acme/scale@v1.1")
        self.change("revoke", "acme/scale@v1.2", "--reason", "wrong")
        self.read_json("publish", self.package(3), "--registry", self.registry(), "--registry-key",
                       self.key("registry"))
        before = self.files(self.registry())
        document = self.read_json("registry", "show", self.registry())
        self.assertEqual(list(document), ["schema", "registry", "root", "snapshot", "timestamp", "releases",
                                          "passed_over"])
        self.assertEqual(list(document["root"]), ["version", "expires", "expired", "threshold", "keys"])
        self.assertEqual([(r["release"], r["signed"], r["yanked"], r["revoked"]) for r in document["releases"]],
                         [("acme/scale@v1.1", True, True, ""), ("acme/scale@v1.2", True, False, "wrong"),
                          ("acme/scale@v1.3", False, False, "")])
        written = self.read()
        for release in document["releases"]:
            on_disk = written[release["id"], release["version"], release["build"]]
            for key in ("manifest", "published", "min_client"):
                self.assertEqual(release[key], on_disk[key])
        text = self.succeed("registry", "show", self.registry())
        for words in (self.public("registry"), "acme/scale@v1.1", "yanked", "revoked: wrong", "holds until"):
            self.assertIn(words, text)
        self.assertEqual(self.files(self.registry()), before)

    # ---- what is left of a change that did not end

    def test_a_registry_whose_making_was_interrupted_is_made_again(self):
        self.publish()
        for name in ("root", "timestamp.json"):
            path = pathlib.Path(self.registry(), name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.fail_with(3, "holds no registry", "registry", "show", self.registry())
        self.publish()
        self.assertEqual(list(self.read()), [("acme/scale", 1, 1)])

    def test_a_killed_publication_leaves_the_registry_as_it_was_or_as_it_is(self):
        self.publish()
        done = {("acme/scale", 1, 1)}
        for round_number in range(20):
            build = round_number + 2
            process = subprocess.Popen([PROGRAM, "publish", self.package(build, f"// {build}\n" + SOURCE), "--registry",
                                        self.registry(), "--key", self.key("publisher"), "--registry-key",
                                        self.key("registry")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=self.environment())
            time.sleep(0.002 * round_number)
            process.send_signal(signal.SIGKILL)
            ended = process.wait() == 0
            now = set(self.read())
            self.assertTrue(done <= now <= done | {("acme/scale", 1, build)}, round_number)
            self.assertTrue(not ended or ("acme/scale", 1, build) in now, round_number)
            self.read_json("registry", "show", self.registry())
            done = now
        self.assertTrue(self.publish(build=100)["published"])
        self.assertEqual(set(self.read()), done | {("acme/scale", 1, 100)})

    def test_several_publishers_at_once(self):
        self.publish()
        packages = [self.package(build, f"// {build}\n" + SOURCE, name=f"package{build}") for build in range(2, 6)]
        processes = [subprocess.Popen([PROGRAM, "publish", package, "--registry", self.registry(), "--registry-key",
                                       self.key("registry")], stdout=subprocess.DEVNULL, env=self.environment())
                     for package in packages]
        self.assertEqual([process.wait(timeout=60) for process in processes], [0] * 4)
        self.assertEqual(len(self.read()), 5)

    def test_a_directory_that_cannot_be_written(self):
        pathlib.Path(self.registry()).write_text("a file")
        self.fail_with(1, "cannot lock the registry", "publish", self.package(), "--registry", self.path("registry/in"),
                       "--registry-key", self.key("registry"))
        self.fail_with(1, "cannot create", "pack", self.package(), "-o", self.path("registry/in"))
        self.assertEqual(pathlib.Path(self.registry()).read_text(), "a file")


if __name__ == "__main__":
    main()
