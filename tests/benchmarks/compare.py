"""Ours and astroblast on the same inputs, in turn: writes the tables that README and docs show.

    python tests/benchmarks/compare.py DATA --blast /path/to/its/bin/blast

DATA is the folder of real data (``SEDs.zip``). Installs nothing: astroblast has an environment of
its own, whose command is named. All parts together take about half an hour on a quiet machine; with
``--parts`` some are made anew:

speed
    Whole processes on one SED and on a zip of 3,000, batches in memory (`bench_estimate.py`).
reading
    Reading and binning in process (`bench_read.py`).
faults
    Awkward files and calls (`bench_faults.py`).
readme
    The summary in README.rst and docs/tables/comparison.rst, from the tables of the other parts;
    the figure of both.

Each part leaves ``NAME.ecsv`` and ``NAME.rst`` in docs/tables.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import bench_estimate
import bench_faults
import bench_read
import numpy as np
from astropy.table import Table

from blase_astro.cli import main as blase

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "docs" / "tables"


def write(table, name):
    """Write a table for the next run and for the documentation."""
    TABLES.mkdir(exist_ok=True)
    table.write(TABLES / f"{name}.ecsv", overwrite=True)
    table.write(TABLES / f"{name}.rst", format="ascii.rst", overwrite=True)


def commands(options, folder):
    """The processes to time: job, files to make first, our command, theirs."""
    ours = [Path(sys.executable).with_name("blase"), "estimate", "--quiet", "--jobs", "1"]
    ours += ["--ensemble", options.ensemble] if options.ensemble else []
    out = folder / "out.csv"
    return {
        "one SED": ([*ours, folder / "sed.txt"], ["-f", folder / "sed.txt"]),
        "zip of 3,000 SEDs": (
            [*ours, folder / "seds.zip", "-o", out, "--overwrite"],
            ["-s", "-f", folder / "seds.zip", "-o", out],
        ),
    }


def speed(options):
    """Wall seconds and memory of whole processes, medians; microseconds a row in memory."""
    texts = bench_estimate.rich_seds(options.archive)
    peer_python = str(Path(options.blast).with_name("python"))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        typical = sorted(texts, key=len)[3 * len(texts) // 4]
        (folder / "sed.txt").write_text(bench_estimate.varied(typical, np.random.default_rng(1)))
        bench_estimate.make_zip(folder / "seds.zip", texts, 3000)
        for job, (ours, words) in commands(options, folder).items():
            found = bench_estimate.compare(
                job,
                {
                    "blase": ours,
                    "stock": [options.blast, *words],
                    "one": [peer_python, "-c", bench_estimate.ONE_THREAD, *words],
                },
                options.repeat,
            )
            for i, (what, unit) in enumerate(
                (("wall time", "s"), ("CPU time", "s"), ("memory", "MiB"))
            ):
                values = [found[key][i] for key in ("blase", "stock", "one")]
                rows.append((f"{job}, both targets: {what}", unit, *values))
    rows.append(("in memory, all members, one target: a row", "us", *batches(options, peer_python)))
    shown = Table(rows=rows, names=["job", "unit", "blase_astro", "astroblast", "one thread"])
    for column in ("blase_astro", "astroblast", "one thread"):
        shown[column] = [float(f"{value:.3g}") for value in shown[column]]
    write(shown, "speed")


def batches(options, peer_python):
    """Microseconds a row of a large batch: ours, theirs as installed, theirs with one thread."""
    # Makes onnxruntime use one thread, as in `bench_estimate.ONE_THREAD` but without the command.
    one_thread = bench_estimate.ONE_THREAD.split("from blast.blast")[0]
    peer = bench_estimate.PEER_BATCH
    times = []
    for python, code, words in (
        (sys.executable, bench_estimate.OUR_BATCH, ["100000", "5", options.ensemble]),
        (peer_python, peer, ["20000", "5"]),
        (peer_python, one_thread + peer, ["20000", "5"]),
    ):
        done = subprocess.run(
            [python, "-c", code, *words],
            capture_output=True,
            text=True,
            check=True,
            env=bench_estimate.ENVIRONMENT,
        )
        answer = json.loads(done.stdout)
        times.append(1e6 * median(answer[0] if isinstance(answer[0], list) else answer))
    return times


def reading(options):
    """Microseconds of CPU a file, in process, one thread."""
    peer = Path(options.blast).with_name("python")
    with tempfile.TemporaryDirectory() as name:
        folder, zipped = Path(name, "SEDs"), Path(name, "SEDs.zip")
        folder.mkdir()
        bench_read.make_files(options.archive, folder, zipped, 3000)
        tasks = {
            "read and bin": ((sys.executable, bench_read.OURS), (peer, bench_read.PEER, "bin")),
            "read one by one (ours: full tables)": (
                (sys.executable, bench_read.READER),
                (peer, bench_read.PEER, "parse"),
            ),
        }
        rows = []
        for task, sides in tasks.items():
            best = [1e9, 1e9]
            for _ in range(3):
                for i, (python, code, *words) in enumerate(sides):
                    n, seconds, _ = bench_read.run(python, code, zipped, *words)
                    best[i] = min(best[i], 1e6 * seconds / n)
            rows.append((task, *(float(f"{value:.3g}") for value in best)))
    write(
        Table(rows=rows, names=["microseconds of CPU a file", "blase_astro", "astroblast"]),
        "reading",
    )


def faults(options):
    """What awkward files and calls lead to."""
    write(bench_faults.table_of_faults(options.archive, options.blast), "faults")


def summary(table):
    """Rows of the summary: what, ours, theirs."""
    scores = table["accuracy"]
    kinds = {("SSDC", "all"): "SSDC", ("surveys, 12 bins", "all"): "surveys of 12 bins"}
    kinds |= {("surveys, 12 bins", "HSP"): "their HSPs", ("sparse", "all"): "sparse"}

    def each(column, form, target="nu_peak", kinds=tuple(kinds)):
        """Numbers of the kinds of SEDs, of each side."""
        here = scores[scores["target"] == target]
        for method in ("blase_astro", "astroblast"):
            mine = here[here["method"] == method]
            at = [(mine["SEDs"] == kind) & (mine["class"] == name) for kind, name in kinds]
            yield ", ".join(format(float(mine[column][rows][0]), form) for rows in at)

    yield f"log nu_peak, dex: {', '.join(kinds.values())}", "", ""
    yield "... median error", *each("error", ".3f")
    for bias in ("median bias", "mean bias"):
        yield f"... {bias}", *each(bias, "+.2f")
    yield "... mean Winkler score (less is better)", *each("Winkler", ".2f")
    yield "... coverage of 95-percent intervals", *each("95%", ".2f")
    whole = [key for key in kinds if key[1] == "all"]
    yield "median error of log nuFnu_peak, dex", *each("error", ".3f", "nufnu_peak", whole)
    for row in table["speed"]:
        if "CPU" not in row["job"]:
            ours, stock, one = map(number, row["blase_astro", "astroblast", "one thread"])
            peer = stock if row["unit"] == "MiB" else f"{stock} (one thread: {one})"
            yield f"{row['job']} ({row['unit']})", ours, peer
    n = len(table["faults"])
    right = [str(sum(table["faults"][side] == "right")) for side in ("blase_astro", "astroblast")]
    yield f"awkward files and calls handled, of {n}", *right
    formats = "VOU (all versions), NED, VizieR, SSDC, GADF, JetSeT", "VOU (since May 2020)"
    yield "formats read", *formats
    yield "formats written", "FITS, VOTable, ECSV, Parquet, CSV", "CSV"
    yield "needs", "numpy, scipy, astropy", "numpy, scipy, onnxruntime, tqdm"


def number(value):
    """Three digits of a number, as people write it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def simple_table(rows):
    """Rows, the first of them the heads, as a left-aligned simple table."""
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * w for w in width)
    lines = [
        "  ".join(f"{cell:{w}}" for cell, w in zip(row, width, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def readme(_options):
    """The summary, from the tables of the other parts, into README.rst and the documentation."""
    table = {path.stem: Table.read(path) for path in TABLES.glob("*.ecsv")}
    heads = "on the same inputs, in the same run", "blase_astro", "astroblast"
    text = simple_table([heads, *summary(table)])
    (TABLES / "comparison.rst").write_text(f"{text}\n")
    figure = ["plot", str(ROOT / "catalogs" / "demo_sed.txt")]
    blase([*figure, "-o", str(ROOT / "docs" / "_static" / "sed.png"), "--overwrite"])
    path = ROOT / "README.rst"
    marks = r"(\.\. comparison-begin[^\n]*\n).*(\.\. comparison-end)"
    path.write_text(
        re.sub(marks, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", path.read_text(), flags=re.DOTALL)
    )


PARTS = {part.__name__: part for part in (speed, reading, faults, readme)}


def main():
    """Make the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    parser.add_argument("--blast", required=True, help="the command of astroblast")
    parser.add_argument(
        "--ensemble", default="", help="folder of networks (default: the package's)"
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--parts", default=",".join(PARTS))
    options = parser.parse_args()
    options.archive = options.data / "SEDs.zip"
    for part in options.parts.split(","):
        PARTS[part](options)


if __name__ == "__main__":
    main()
