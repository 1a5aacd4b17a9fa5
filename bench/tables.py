#!/usr/bin/env python3
"""What bench/measure measured, as the tables of docs/benchmarks.md: writes tables.md into the folder of its results.

  tables.py RESULTS [KERNEL_JSON]    with times of `quern tune` there, also RESULTS/kernel.json: the manifest with the
                                     tables that were measured in the place of those for the same device and problem
"""
import json
import pathlib
import re
import sys


def number(us):
    return f"{us:.0f}" if us >= 99.95 else f"{us:.1f}" if us >= 9.995 else f"{us:.2f}"


def table(corner, columns, rows):
    lines = [f"| {corner} | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    return "\n".join(lines + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows]) + "\n"


def beside_cublas(document):
    """Ours / cuBLAS in microseconds; bold where slower. For W4A8 also how many times as fast."""
    tokens = sorted({point["m"] for shape in document["shapes"] for point in shape["points"]})

    def cell(point):
        if point is None:
            return ""
        ours = number(point["time"]["median_us"])
        if point["cublas"] is None:
            return ours
        both = f"{ours} / {number(point['cublas']['median_us'])}"
        if document["w4a8"]:
            return f"{both}, {point['speedup']:.2f} ×"
        return both if point["speedup"] >= 1 else f"**{both}**"

    rows = []
    for shape in document["shapes"]:
        points = {point["m"]: point for point in shape["points"]}
        rows.append((f"{shape['n']}×{shape['k']}", [cell(points.get(m)) for m in tokens]))
    return table("N×K", [f"M = {tokens[0]}"] + [str(m) for m in tokens[1:]], rows)


def tuned(document):
    tokens = sorted({time["m"] for time in document["times"]})
    times = {}
    for time in document["times"]:
        times.setdefault(time["shape"].replace("x", "×"), {})[time["m"]] = number(time["us"])
    return table("N×K", [f"M = {tokens[0]}"] + [str(m) for m in tokens[1:]],
                 [(shape, [row.get(m, "") for m in tokens]) for shape, row in times.items()])


def conditions(document):
    """The machine, the day and the roofs of a benchmark's document."""
    device, roofs = document["device"], document["roofs"]
    text = f"{document['version']}, {document['date']}, {device['model']}, {roofs['memory']['tb_per_s']:.3g} TB/s"
    if roofs["compute"]:
        text += f", {roofs['compute']['tflop_per_s']:.0f} TFLOP/s"
    return text


def entry_text(entry, package):
    """A measured table, as the manifest of `package` has it."""
    steps = ",\n".join(f"        {json.dumps([last, kernel.removeprefix(package + ':')])}"
                       for last, kernel in entry["steps"])
    return (f'    {{\n      "device": {json.dumps(entry["device"])},\n      "where": {json.dumps(entry["where"])},\n'
            f'      "steps": [\n{steps}\n      ]\n    }}')


def with_measured(manifest, measured):
    """The manifest's text with these tables; all else stays as it is written."""
    of = lambda entry: (entry["device"], json.dumps(entry["where"], sort_keys=True))
    found = re.search(r'(\n  "measured": )(\[.*?\n  \]|\[\])', manifest, re.S)
    if not found:
        raise SystemExit("tables.py: the manifest has no line with \"measured\"; add an empty one")
    new = {of(entry): entry for entry in measured}
    entries = [new.pop(of(entry), entry) for entry in json.loads(found.group(2))] + list(new.values())
    package = json.loads(manifest)["id"]
    text = "[\n" + ",\n".join(entry_text(entry, package) for entry in entries) + "\n  ]" if entries else "[]"
    return manifest[:found.start(2)] + text + manifest[found.end(2):]


def main(arguments):
    if len(arguments) not in (1, 2):
        sys.stderr.write(__doc__)
        return 2
    results = pathlib.Path(arguments[0])
    text, measured = "", []
    for path in sorted(results.glob("*.json")):
        content = path.read_text()
        if path.name == "kernel.json" or not content.strip():
            continue  # of an earlier call, or of a step that failed
        document = json.loads(content)
        if document.get("operation") == "gemm":
            text += f"{path.stem}: {conditions(document)}\n\n{beside_cublas(document)}\n"
        elif document.get("times"):
            text += f"{path.stem}: {document['model']}, alone\n\n{tuned(document)}\n"
            measured += [entry for entry in document["measured"] if entry["steps"]]
    (results / "tables.md").write_text(text)
    if measured and len(arguments) == 2:
        (results / "kernel.json").write_text(with_measured(pathlib.Path(arguments[1]).read_text(), measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
