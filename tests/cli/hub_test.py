"""The hub as people use it: fetch, lock, prefetch, a deployment without network and compiler."""
import json
import os
import shutil
import sys
import unittest

from quern_cli import CliTest

KERNELS = os.path.join(os.path.dirname(__file__), "..", "..", "kernel_sources")
ID = "acme/dequantize"


class HubTest(CliTest):
    """A registry with one package, and a user who trusts its publisher."""

    def setUp(self):
        super().setUp()
        self.publisher, self.registry_key = self.path("publisher.pem"), self.path("registry.pem")
        for key in (self.publisher, self.registry_key):
            self.succeed("keygen", key)
        self.package = self.path("package")
        shutil.copytree(os.path.join(KERNELS, "mxfp4-dequantize"), self.package)
        self.edit_manifest(id=ID, build=1)
        published = self.publish()
        self.manifest = published["manifest"]
        self.variables = {"XDG_CONFIG_HOME": self.path("config")}
        os.makedirs(self.path("config/quern"))
        self.write("config/quern/config.json", published["config"])
        self.trust = published["trust"]
        self.write("config/quern/trust.json", self.trust)

    def edit_manifest(self, **fields):
        path = os.path.join(self.package, "kernel.json")
        with open(path) as file:
            manifest = json.load(file)
        for variant in manifest["variants"]:
            variant["priority"] = 1000
        with open(path, "w") as file:
            json.dump(manifest | fields, file)

    def publish(self, signed=True):
        keys = ["--key", self.publisher] if signed else []
        return self.read_json("publish", self.package, "--registry", self.path("registry"), "--registry-key",
                              self.registry_key, *keys)

    def publish_next(self, **keywords):
        with open(os.path.join(self.package, "kernel.json")) as file:
            build = json.load(file)["build"] + 1
        self.edit_manifest(build=build)
        return self.publish(**keywords)["manifest"]

    def write(self, name, document):
        with open(self.path(name), "w") as file:
            json.dump(document, file)

    def cut_off(self):
        """No registry any more, and no configuration that names one."""
        shutil.rmtree(self.path("registry"))
        os.remove(self.path("config/quern/config.json"))

    def explained(self, *arguments, arch="sm_80"):
        rows = self.read_json("kernels", "explain", "dequantize", "--arch", arch, "--k", "128", *arguments)
        return json.dumps(rows)


class Fetch(HubTest):
    def test_a_version_is_fetched_once_and_found_without_the_registry(self):
        found = self.read_json("fetch", ID + "@1")["packages"][0]
        self.assertEqual(found["manifest"], self.manifest)
        self.assertEqual((found["trust"], found["signer"], found["registry"]), ("signed", "acme", "main"))
        self.assertTrue(found["fetched"])
        self.assertFalse(self.read_json("fetch", ID + "@1")["packages"][0]["fetched"])
        self.cut_off()
        self.fail_with(3, "config.json names no registry", "fetch", ID + "@1")
        again = self.read_json("fetch", ID + "@1", "--offline")["packages"][0]
        self.assertEqual((again["manifest"], again["trust"]), (self.manifest, "signed"))
        self.assertEqual(self.read_json("fetch", ID + "@sha256:" + self.manifest, "--offline")["packages"], [again])

    def test_the_newest_build_and_exactly_one(self):
        newest = self.publish_next()
        self.assertEqual(self.read_json("fetch", ID + "@1")["packages"][0]["manifest"], newest)
        self.assertEqual(self.read_json("fetch", ID + "@sha256:" + self.manifest)["packages"][0]["build"], 1)

    def test_what_cannot_be_had(self):
        self.fail_with(3, "acme/nothing@1", "fetch", "acme/nothing@1")
        self.fail_with(3, "@2", "fetch", ID + "@2")
        self.fail_with(5, "not in the cache", "fetch", ID + "@1", "--offline")
        self.fail_with(2, "", "fetch", "acme")
        self.fail_with(3, "lock file", "fetch")

    def test_nobody_trusted_signed_it(self):
        self.write("config/quern/trust.json", {"schema": 1})
        self.fail_with(6, "trust.json", "fetch", ID + "@1")
        self.write("config/quern/trust.json", self.trust | {"revoked": [self.manifest]})
        self.fail_with(6, "revoked", "fetch", ID + "@1")
        self.assertEqual([row for row in self.read_json("cache", "scan")["packages"] if row["id"] == ID], [])

    def test_the_cache_tells_what_it_is_worth_now(self):
        def worth():
            return [row["trust"] for row in self.read_json("cache", "scan")["packages"] if row["id"] == ID]
        self.succeed("fetch", ID + "@1")
        self.assertEqual(worth(), ["signed"])
        self.write("config/quern/trust.json", {"schema": 1})
        self.assertEqual(worth(), ["refused"])

    def test_files_that_decide_are_not_everybodys(self):
        os.chmod(self.path("config/quern/trust.json"), 0o666)
        self.fail_with(6, "chmod o-w", "fetch", ID + "@1")
        os.chmod(self.path("config/quern/trust.json"), 0o600)
        os.chmod(self.path("config/quern/config.json"), 0o666)
        self.fail_with(6, "chmod o-w", "info")
        self.variables["QUERN_CONFIG"] = self.path("nowhere.json")
        self.fail_with(3, "QUERN_CONFIG", "info")

    def test_the_configuration_may_forbid_the_network_and_bound_the_cache(self):
        with open(self.path("config/quern/config.json")) as file:
            config = json.load(file)
        self.write("config/quern/config.json", config | {"offline": True})
        self.assertTrue(self.read_json("info")["offline"])
        self.fail_with(5, "network is forbidden", "fetch", ID + "@1")
        self.write("config/quern/config.json", config | {"cache": {"max_size": "many"}})
        self.fail_with(2, "max_size", "info")


class Lock(HubTest):
    def setUp(self):
        super().setUp()
        self.file = self.path("quern.lock")

    def locked(self):
        with open(self.file) as file:
            return {k["dependency"]["repo-id"]: k["lock"]["manifest"] for k in json.load(file)["kernels"]}

    def test_a_lock_holds_a_build_and_makes_its_kernels_known(self):
        self.succeed("lock", ID + "@1", "-o", self.file)
        self.assertEqual(self.locked(), {ID: self.manifest})
        newest = self.publish_next()
        self.assertEqual(self.read_json("fetch", "--lock", self.file)["packages"][0]["manifest"], self.manifest)
        self.assertEqual(self.read_json("fetch", ID + "@1", "--lock", self.file)["packages"][0]["manifest"],
                         self.manifest)
        self.fail_with(6, "not in the lock file", "fetch", "acme/other@1", "--lock", self.file, "--locked")
        # Its kernels are chosen by their priority, without any registry.
        self.assertNotIn(ID, self.explained())
        self.cut_off_registry_only()
        self.assertIn(ID, self.explained("--lock", self.file))
        origins = [package["origin"] for package in self.read_json("info", "--lock", self.file)["packages"]]
        self.assertEqual(origins[0], "registry main: " + ID)
        self.assertNotEqual(newest, self.manifest)

    def cut_off_registry_only(self):
        shutil.rmtree(self.path("registry"))

    def test_locking_again_brings_up_to_date_unless_told_to_keep(self):
        self.succeed("lock", ID + "@1", "-o", self.file)
        self.succeed("lock", "-o", self.file, "--check")
        newest = self.publish_next()
        self.fail_with(6, "not what would be locked now", "lock", "-o", self.file, "--check")
        self.succeed("lock", "-o", self.file, "--keep")
        self.assertEqual(self.locked()[ID], self.manifest)
        self.succeed("lock", "-o", self.file)
        self.assertEqual(self.locked()[ID], newest)
        with open(self.file, "rb") as file:
            before = file.read()
        self.succeed("lock", ID + "@1", "-o", self.file)
        with open(self.file, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_who_locks_what_nobody_signed_vouches_for_it(self):
        self.publish_next(signed=False)
        self.fail_with(6, "not signed", "lock", ID + "@1", "-o", self.file)
        self.assertFalse(os.path.exists(self.file))
        self.succeed("lock", ID + "@1", "-o", self.file, "--allow-unsigned")
        found = self.read_json("fetch", "--lock", self.file)["packages"][0]
        self.assertEqual(found["trust"], "locked")
        self.assertIn("not signed", found["note"])
        self.fail_with(6, "not signed", "fetch", ID + "@1")

    def test_what_is_locked_and_not_at_hand_is_said_and_fetched(self):
        self.succeed("lock", ID + "@1", "-o", self.file)
        shutil.rmtree(self.path("cache"))
        self.assertNotIn(ID + ":", self.explained("--lock", self.file))
        self.assertIn("not in the cache", json.dumps(self.read_json("info", "--lock", self.file)["findings"]))
        self.fail_with(5, "not in the cache", "fetch", "--lock", self.file, "--frozen")
        self.succeed("fetch", "--lock", self.file, "--locked")
        self.succeed("fetch", "--lock", self.file, "--frozen")

    def test_locks_that_are_wrong(self):
        self.fail_with(3, "does not exist", "info", "--lock", self.file)
        self.write("quern.lock", {"schema": 1, "kernels": 7})
        self.fail_with(2, "kernels", "info", "--lock", self.file)
        self.fail_with(2, "kernels", "lock", "-o", self.file)
        os.remove(self.file)
        self.fail_with(3, "nothing to lock", "lock", "-o", self.file)
        self.succeed("lock", ID + "@1", "-o", self.file)
        with open(self.file) as file:
            document = json.load(file)
        files = document["kernels"][0]["lock"]["files"]
        files[next(name for name in files if name != "kernel.json")] = "0" * 64
        self.write("quern.lock", document)
        self.fail_with(6, "sha256", "fetch", "--lock", self.file)


class Prefetch(HubTest):
    def setUp(self):
        super().setUp()
        self.file = self.path("quern.lock")
        self.succeed("lock", ID + "@1", "-o", self.file)

    def prefetch(self, *arguments, arch="sm_80"):
        return self.read_json("prefetch", "--lock", self.file, "--arch", arch, "--package", ID, *arguments)

    def test_a_deployment_needs_neither_network_nor_compiler_nor_a_writable_disk(self):
        shutil.rmtree(self.path("cache"))
        into = self.path("image")
        self.assertGreater(self.prefetch("--into", into, "--root")["compiled"], 0)
        self.assertFalse(os.path.exists(self.path("cache/quern/jit")))
        self.cut_off()
        self.variables |= {"QUERN_OFFLINE": "1", "QUERN_JIT": "forbid", "QUERN_CACHE_MODE": "ro",
                           "QUERN_NVRTC_PATH": self.path("none.so"), "QUERN_LOCK": self.file}
        self.assertGreater(self.read_json("prefetch", "--check", "--arch", "sm_80", "--package", ID, "--into",
                                          into)["cached"], 0)
        self.assertIn(ID, self.explained("--cache-dir", into))

    def test_check_says_what_is_missing(self):
        self.fail_with(1, "is not in the cache", "prefetch", "-q", "--check", "--lock", self.file, "--arch", "sm_80",
                       "--package", ID)
        self.prefetch()
        self.prefetch("--check")
        self.fail_with(1, "sm_90", "prefetch", "-q", "--check", "--lock", self.file, "--arch", "sm_90a", "--package", ID)
        os.remove(self.path("config/quern/trust.json"))
        self.assertEqual(self.prefetch("--check")["packages"][0]["trust"], "locked")
        shutil.rmtree(self.path("cache/quern/blobs"))
        self.fail_with(5, "not in the cache", "prefetch", "-q", "--check", "--lock", self.file, "--arch", "sm_80")

    def test_a_root_keeps_it_from_being_pruned(self):
        self.prefetch("--root=service")
        self.assertTrue(os.path.exists(self.path("cache/quern/roots/service.json")))
        self.succeed("cache", "clear", "-y")
        self.prefetch("--check")

    def test_entries_of_packages_in_the_cache_are_not_stale(self):
        self.prefetch()
        self.assertEqual({row["state"] for row in self.read_json("cache", "ls")["entries"]}, {"good"})
        self.succeed("cache", "prune", "-y")
        self.prefetch("--check")

    def test_a_version_by_hand_without_a_lock(self):
        done = self.read_json("prefetch", ID + "@1", "--arch", "sm_80", "--package", ID)
        self.assertEqual(done["packages"][0]["manifest"], self.manifest)
        self.assertGreater(done["compiled"], 0)
        self.assertEqual(self.read_json("prefetch", ID + "@1", "--no-compile")["units"], [])

    def seal(self, into, *arguments):
        self.succeed("keygen", self.path("seal.pem"))
        self.prefetch("--into", into, "--seal", self.path("seal.pem"), *arguments)
        return self.read_json("keygen", self.path("seal.pem"), "--show")["public_key"]

    def deploy(self, into, key):
        """What a machine has that got the directory and the key alone."""
        shutil.rmtree(self.path("registry"))
        shutil.rmtree(self.path("config"))
        self.variables |= {"QUERN_CACHE_DIR": into, "QUERN_SEAL": key, "QUERN_NVRTC_PATH": self.path("none.so")}

    def sealed_check(self):
        return self.read_json("prefetch", "--check", "--arch", "sm_80", "--package", ID)

    def test_a_sealed_bundle_is_all_that_a_machine_needs(self):
        into = self.path("image")
        self.deploy(into, self.seal(into))
        self.assertTrue(self.read_json("info")["sealed"])
        self.assertGreater(self.sealed_check()["cached"], 0)
        self.assertIn(ID, self.explained())
        self.variables["QUERN_KERNEL_PATH"] = self.package
        self.assertEqual(self.read_json("info")["kernel_path"], "")
        self.fail_with(1, "compiling is forbidden", "prefetch", "-q", "--check", "--arch", "sm_90a")
        self.fail_with(1, "read-only", "prefetch", "--arch", "sm_80")
        self.assertEqual(self.read_json("cache", "doctor")["problems"], [])

    def test_nothing_is_loaded_that_was_not_sealed(self):
        into = self.path("image")
        key = self.seal(into)
        self.prefetch("--into", into, arch="sm_90a")  # after the seal
        self.deploy(into, key)
        self.sealed_check()
        self.fail_with(1, "sm_90a", "prefetch", "-q", "--check", "--arch", "sm_90a", "--package", ID)
        entry = next(os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(into, "jit"))
                     for name in names if "sm_80" in self.entry_target(os.path.join(folder, name)))
        with open(entry, "r+b") as file:
            file.seek(-40, os.SEEK_END)
            file.write(b"?")
        self.assertIn(os.path.basename(entry), self.fail_with(1, "as it was sealed", "prefetch", "-q", "--check", "--arch", "sm_80",
                                                              "--package", ID))

    def entry_target(self, path):
        with open(path, "rb") as file:
            return file.read(600).decode("latin1")

    def test_seals_that_do_not_count(self):
        into = self.path("image")
        self.deploy(into, self.seal(into, "--seal-days", "1"))
        self.succeed("keygen", self.path("other.pem"))
        own, other = self.variables["QUERN_SEAL"], self.read_json("keygen", self.path("other.pem"), "--show")["public_key"]
        self.variables["QUERN_SEAL"] = other
        self.fail_with(1, "off", "prefetch", "-q", "--check", "--arch", "sm_80", "--package", "quern/mxfp4-dequantize")
        self.variables["QUERN_SEAL"] = other + ":" + own
        self.sealed_check()
        self.variables["QUERN_SEAL"] = "mine"
        self.fail_with(2, "64 hex digits", "info")
        self.variables["QUERN_SEAL"] = own
        os.remove(os.path.join(into, "seal.json.sig"))
        self.fail_with(1, "seal", "prefetch", "-q", "--check", "--arch", "sm_80", "--package", "quern/mxfp4-dequantize")

    def test_what_does_not_go_together(self):
        self.fail_with(2, "root", "prefetch", "--root=../x", "--lock", self.file, "--arch", "sm_80")
        self.fail_with(2, "", "prefetch", "-q", "--check", "--seal", self.publisher, "--arch", "sm_80")
        self.fail_with(2, "", "prefetch", "-q", "--check", "--root", "--arch", "sm_80")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
