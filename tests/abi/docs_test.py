#!/usr/bin/env python3
"""The documents agree with the code, and the README's program compiles, links and runs.

  docs_test.py SOURCE_DIR LIBRARY_DIR CLI CC [CFLAGS...]
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

failures = []


def same(what, code, documents):
    for name in sorted(code - documents):
        failures.append(f"{what}: {name} is in the code and not in the document")
    for name in sorted(documents - code):
        failures.append(f"{what}: {name} is in the document and not in the code")
    if not code:
        failures.append(f"{what}: found nothing in the code; the pattern is out of date")


def rows(path):
    """The cells of every table row, the first of each in backquotes."""
    found = []
    for line in path.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"`[^`]+`", cells[0]):
            found.append([cells[0].strip("`")] + cells[1:])
    return found


def environment(source):
    code = re.findall(r'variable\("([A-Z_]+)"\)', (source / "runtime/base/environment.cpp").read_text())
    for path in source.glob("cli/*.cpp"):
        code += re.findall(r'getenv\("([A-Z_]+)"\)', path.read_text())
    same("docs/env.md", set(code), {row[0] for row in rows(source / "docs/env.md")})


def statuses(source):
    header = (source / "runtime/include/quern/quern.h").read_text()
    body = re.search(r"typedef enum quern_status \{(.*?)\}", header, re.S).group(1)
    code = {f"{name} = {number}" for name, number in re.findall(r"(QUERN_\w+) = (\d+)\b", body)}
    table = {f"{row[0]} = {row[1]}" for row in rows(source / "docs/error-codes.md") if row[0].startswith("QUERN_")}
    same("docs/error-codes.md", code, table)


def exit_codes(source):
    path = source / "cli/exit_code.hpp"
    if not path.exists():
        return
    code = set(re.findall(r"=\s*(\d+)\s*,", path.read_text()))
    same("docs/error-codes.md, exit codes", code,
         {row[0] for row in rows(source / "docs/error-codes.md") if row[0].isdigit()})


def folders(source):
    """Each folder of the table uses only those above it, and the table has them all."""
    layers = [row[0].strip("/") for row in rows(source / "docs/architecture.md") if row[0].endswith("/")]
    apart = {"registry/fetch", "registry/publish"}
    files = [path.relative_to(source) for top in ("runtime", "registry", "cli") for path in source.glob(f"{top}/**/*.?pp")]
    same("docs/architecture.md, folders", {str(file.parent) for file in files},
         {layer for layer in layers if layer.startswith(("runtime/", "registry/", "cli"))})
    for file in files:
        folder = str(file.parent)
        for used in re.findall(r'#include "((?:runtime|registry|cli)/.*)/', (source / file).read_text()):
            above = used == folder or folder != "cli" and used in layers[:layers.index(folder)]
            if not above or {used, folder} == apart:
                failures.append(f"{file} uses {used}, which docs/architecture.md does not allow")


def manifest_example(source, cli):
    """The example in docs/manifest.md is a package that is accepted."""
    manifest = re.search(r"```json\n(.*?)```", (source / "docs/manifest.md").read_text(), re.S).group(1)
    with tempfile.TemporaryDirectory() as work:
        package = pathlib.Path(work) / "package"
        package.mkdir()
        (package / "kernel.json").write_text(manifest)
        for file in json.loads(manifest)["files"]:
            (package / file).write_text("#include <quern/gemm_params.h>\n")
        run = subprocess.run([cli, "--cache-dir", f"{work}/cache", "kernels", "list", "--json"], capture_output=True,
                             text=True, env={**os.environ, "QUERN_KERNEL_PATH": str(package)})
        wanted = json.loads(manifest)["id"]
        if run.returncode != 0 or wanted not in run.stdout or "not a known key" in run.stdout + run.stderr:
            failures.append(f"docs/manifest.md: the example is refused: {run.stdout}{run.stderr}")


def links(source):
    """Every file that a document points to is there."""
    for path in [source / "README.md", *sorted((source / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                failures.append(f"{path.relative_to(source)} points to {target}, which is not there")


def readme_program(source, libraries, compiler):
    blocks = re.findall(r"```c\n(.*?)```", (source / "README.md").read_text(), re.S)
    if not blocks:
        failures.append("README.md: no C block")
    for block in blocks:
        with tempfile.TemporaryDirectory() as work:
            program = pathlib.Path(work) / "program.c"
            program.write_text(block)
            build = subprocess.run(
                compiler + ["-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror",
                            f"-I{source}/runtime/include", "-o", f"{work}/program", str(program),
                            f"-L{libraries}", "-lquern", f"-Wl,-rpath,{libraries}"],
                capture_output=True, text=True)
            if build.returncode != 0:
                failures.append(f"README.md: the program does not build:\n{build.stderr}")
                continue
            run = subprocess.run([f"{work}/program"], capture_output=True, text=True,
                                 env={**os.environ, "QUERN_CACHE_DIR": f"{work}/cache"})
            said = re.search(r"prints `([^`]+)`", (source / "README.md").read_text())
            if run.returncode != 0 or not said or run.stdout.strip() != said.group(1):
                failures.append(f"README.md: the program exits {run.returncode}: {run.stdout}{run.stderr}")


def main(arguments):
    if len(arguments) < 4:
        sys.stderr.write(__doc__)
        return 2
    source, libraries, cli = pathlib.Path(arguments[0]), arguments[1], arguments[2]
    environment(source)
    statuses(source)
    exit_codes(source)
    folders(source)
    links(source)
    manifest_example(source, cli)
    readme_program(source, libraries, arguments[3:])
    print("\n".join(failures) or "the documents agree with the code")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
