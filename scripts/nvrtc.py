#!/usr/bin/env python3
"""Find NVRTC where Quern looks for it, or fetch it from the package index.

  nvrtc.py find        print the file and version the library will use; exit 1 when none serves
  nvrtc.py fetch DIR   put libnvrtc and its builtins into DIR and print the path of libnvrtc
"""

import ctypes
import glob
import os
import pathlib
import subprocess
import sys
import tempfile
import venv
import zipfile

REQUIREMENT = "nvidia-cuda-nvrtc==13.0.*"
SONAMES = ("libnvrtc.so.13", "libnvrtc.so.12")
OLDEST = (12, 8)  # the first that compiles for sm_120a


def version(path):
    """(major, minor) of the NVRTC at path, or None."""
    try:
        library = ctypes.CDLL(path)
        major, minor = ctypes.c_int(), ctypes.c_int()
        if library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)) == 0:
            return major.value, minor.value
    except (OSError, AttributeError):
        pass
    return None


def candidates():
    """The places the library tries, in its order."""
    given = os.environ.get("QUERN_NVRTC_PATH")
    if given:
        return [given]
    roots = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    return list(SONAMES) + [f"{root}/lib64/{name}" for root in roots if root for name in SONAMES]


def find():
    for path in candidates():
        found = version(path)
        if found:
            print(f"{path} ({found[0]}.{found[1]})")
            # The library takes the first it can open, so an old one there hides a newer one behind it.
            return 0 if found >= OLDEST else 1
    return 1


def pip(work):
    """A command that runs pip; Debian's Python may lack it, then a virtual environment has one."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run(own + ["--version"], capture_output=True).returncode == 0:
        return own
    venv.create(work / "venv", with_pip=True)
    return [str(work / "venv" / "bin" / "python"), "-m", "pip"]


def fetch(directory):
    directory = pathlib.Path(directory).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as work:
        work = pathlib.Path(work)
        command = pip(work) + ["download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", str(work), REQUIREMENT]
        if subprocess.run(command, stdout=sys.stderr).returncode != 0:
            sys.exit(f"nvrtc.py: pip did not get {REQUIREMENT}; mend what it says above, or point QUERN_NVRTC_PATH at a "
                     f"libnvrtc of {OLDEST[0]}.{OLDEST[1]} or later")
        with zipfile.ZipFile(glob.glob(str(work / "nvidia_cuda_nvrtc-*.whl"))[0]) as wheel:
            for member in sorted(wheel.namelist()):  # the builtins before the library that needs them
                name = os.path.basename(member)
                library = name.startswith(("libnvrtc.so.", "libnvrtc-builtins.so."))
                if not library and not name.lower().startswith("license"):
                    continue
                # Written aside and renamed, so that a run cut short leaves nothing that looks whole.
                (work / name).write_bytes(wheel.read(member))
                os.replace(work / name, directory / name)
    path = directory / SONAMES[0]
    if not version(str(path)):
        sys.exit(f"nvrtc.py: {path} does not load")
    print(path)
    return 0


def main(arguments):
    if arguments == ["find"]:
        return find()
    if len(arguments) == 2 and arguments[0] == "fetch":
        return fetch(arguments[1])
    sys.stderr.write(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
