"""What a prefetched deployment does not need: a registry, a network, a compiler, a disk that can be written.

    deployment_test.py QUERN PLAN_ONCE HOST CASE     exits with 77 where the system lets nobody cut off a network
"""
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

QUERN, PLAN_ONCE, HOST, CASE = sys.argv[1:]
KERNELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "kernel_sources")
PACKAGES = {"acme/dequantize": "mxfp4-dequantize", "acme/gemm": "mxfp4-gemm"}
ONLY_OURS = [word for package in PACKAGES for word in ("--package", package)]
work = tempfile.mkdtemp(prefix="quern_deployment_")
BASE = {name: value for name, value in os.environ.items()
        if not name.startswith(("QUERN_", "HF_", "XDG_")) and not name.lower().endswith("_proxy")}
if "QUERN_NVRTC_PATH" in os.environ:
    BASE["QUERN_NVRTC_PATH"] = os.environ["QUERN_NVRTC_PATH"]
BASE |= {"HOME": work, "LC_ALL": "C"}


def path(name):
    return os.path.join(work, name)


def run(*command, prefix=(), code=0, **variables):
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=300, env=BASE | variables)
    assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


class Web:
    """Serves a directory and counts who asks."""

    def __init__(self, directory):
        self.requests = []
        web = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                web.requests.append(self.path)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


def write(name, document):
    with open(path(name), "w") as file:
        json.dump(document, file)


def publish_all():
    """Packages that beat the built-in ones, in a registry; a user's configuration for it."""
    for key in ("publisher", "registry"):
        run(QUERN, "keygen", path(key + ".pem"))
    for package, source in PACKAGES.items():
        directory = path(source)
        shutil.copytree(os.path.join(KERNELS, source), directory)
        with open(os.path.join(directory, "kernel.json")) as file:
            manifest = json.load(file)
        manifest["id"] = package
        manifest.pop("measured", None)
        for variant in manifest["variants"]:
            variant["priority"] = variant.get("priority", 0) + 100000
        write(source + "/kernel.json", manifest)
        published = json.loads(run(QUERN, "publish", directory, "--registry", path("web"), "--key", path("publisher.pem"),
                                   "--registry-key", path("registry.pem"), "--json"))
    web = Web(path("web"))
    os.makedirs(path(".config/quern"))
    published["config"]["registries"][0]["url"] = web.url
    write(".config/quern/config.json", published["config"])
    write(".config/quern/trust.json", published["trust"])
    return web


def prefetch(*arguments):
    run(QUERN, "lock", *(package + "@1" for package in PACKAGES), "-o", path("quern.lock"))
    run(QUERN, "prefetch", "--lock", path("quern.lock"), "--arch", "sm_80", *ONLY_OURS, "--into", path("image"), *arguments)


DEPLOYED = {"QUERN_CACHE_DIR": path("image"), "QUERN_LOCK": path("quern.lock"), "QUERN_OFFLINE": "1",
            "QUERN_JIT": "forbid", "QUERN_CACHE_MODE": "ro", "QUERN_NVRTC_PATH": path("none.so")}
PROGRAMS = {
    "host": (HOST, "cpu"),
    "plan": (PLAN_ONCE, "-"),
    "gemm": (QUERN, "kernels", "explain", "gemm", "--arch", "sm_80", "--n", "2880", "--k", "2880", "--m", "16", "--json"),
    "dequantize": (QUERN, "kernels", "explain", "dequantize", "--arch", "sm_80", "--k", "2880", "--json"),
    "check": (QUERN, "prefetch", "--check", "--arch", "sm_80", "--jobs", "1", *ONLY_OURS, "--json"),
}


def results(prefix=(), **variables):
    return {name: run(*command, prefix=prefix, **(DEPLOYED | variables)) for name, command in PROGRAMS.items()}


def expect_ours(found, trust):
    for name in ("gemm", "dequantize"):
        chosen = [row["kernel"] for row in json.loads(found[name])["candidates"] if row["chosen"]]
        assert chosen and all(kernel.startswith(f"acme/{name}:") for kernel in chosen), (name, chosen)
    assert json.loads(found["plan"])["compiles"] == 0 and json.loads(found["plan"])["disk_hits"] > 0, found["plan"]
    assert json.loads(found["check"])["cached"] > 0
    assert {package["trust"] for package in json.loads(found["check"])["packages"]} == trust


def no_requests():
    web = publish_all()
    prefetch()
    assert any(request.startswith("/blobs/") for request in web.requests), web.requests
    web.requests.clear()
    found = results()
    expect_ours(found, {"signed"})
    # Not offline either: what is locked and at hand asks nobody.
    found = results(QUERN_OFFLINE="0")
    expect_ours(found, {"signed"})
    run(QUERN, "fetch", "--lock", path("quern.lock"), "--cache-dir", path("image"))
    assert web.requests == [], web.requests
    print("with a lock and a filled cache: 0 requests")


def cutting_off():
    """What runs a command without a network."""
    prefix = ("unshare", "-rn")
    refused = subprocess.run([*prefix, "true"], capture_output=True, text=True).stderr.strip()
    if refused:
        print(f"skipped: {refused}")
        sys.exit(77)
    return prefix


def no_network():
    cut_off_by = cutting_off()
    web = publish_all()
    prefetch()
    online = results()
    expect_ours(online, {"signed"})
    web.server.shutdown()
    shutil.rmtree(path("web"))
    cut_off = results(prefix=cut_off_by)
    for name in PROGRAMS:
        assert cut_off[name] == online[name], f"{name} differs"
    for name, command in PROGRAMS.items():
        run("strace", "-f", "-qq", "-e", "trace=network", "-o", path("trace"), *command, **DEPLOYED)
        with open(path("trace")) as file:
            calls = [line for line in file if re.search(r" (socket|connect|sendto|sendmsg|bind)\(", line)]
        assert calls == [], (name, calls)
    print(f"without a network: {len(PROGRAMS)} programs give the same, 0 sockets")


def no_writes():
    publish_all()
    prefetch()
    for folder, _, files in os.walk(path("image")):
        for file in files:
            os.chmod(os.path.join(folder, file), 0o444)
        os.chmod(folder, 0o555)
    written = re.compile(r" (pwrite64|rename\w*|unlink\w*|mkdir\w*|link\w*|symlink\w*|\w*chmod\w*|\w*truncate|fallocate|f\w*sync|"
                         r"utime\w*|mknod\w*)\(| (open|openat|creat)\(.*O_(WRONLY|RDWR|CREAT)")
    for name, command in PROGRAMS.items():
        run("strace", "-f", "-qq", "-o", path("trace"), *command, **DEPLOYED)
        with open(path("trace")) as file:
            calls = [line for line in file if written.search(line) and "/dev/" not in line]
        assert calls == [], (name, calls)
    for folder, _, _ in os.walk(path("image")):
        os.chmod(folder, 0o755)
    print(f"on a read-only cache: {len(PROGRAMS)} programs, 0 calls that write")


def sealed():
    cut_off_by = cutting_off()
    publish_all()
    run(QUERN, "keygen", path("seal.pem"))
    prefetch("--seal", path("seal.pem"))
    key = json.loads(run(QUERN, "keygen", path("seal.pem"), "--show", "--json"))["public_key"]
    for gone in (path("web"), path(".config"), path("quern.lock")):
        (shutil.rmtree if os.path.isdir(gone) else os.remove)(gone)
    only = {"QUERN_CACHE_DIR": path("image"), "QUERN_SEAL": key, "QUERN_NVRTC_PATH": path("none.so")}
    found = {name: run(*command, prefix=cut_off_by, **only) for name, command in PROGRAMS.items()}
    expect_ours(found, set())
    print("sealed: the directory and the key are enough")


try:
    {"no_requests": no_requests, "no_network": no_network, "no_writes": no_writes, "sealed": sealed}[CASE]()
finally:
    for folder, _, _ in os.walk(work):
        os.chmod(folder, 0o700)
    shutil.rmtree(work)
