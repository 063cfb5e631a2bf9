"""Ours and astroblast on the same inputs, in turn: writes the tables that README and docs show.

    python tests/benchmarks/compare.py DATA --blast /path/to/its/bin/blast

DATA is the folder of real data (``SEDs.zip``). Installs nothing: astroblast has an environment of
its own, whose command is named. All parts together take about half an hour on a quiet machine; with
``--parts`` some are made anew:

accuracy
    Out-of-bag scores of the ensemble beside astroblast, ExtraTrees, fits and the median
    (`baselines.py`).
speed
    Whole processes on one SED and on a zip of 3,000, batches in memory (`bench_estimate.py`).
reading
    Reading and binning in process (`bench_read.py`).
faults
    Awkward files and calls (`bench_faults.py`).
readme
    The summary in README.rst and docs/tables/comparison.rst, from the tables of the other parts.

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

import baselines
import bench_estimate
import bench_faults
import bench_read
import numpy as np
from astropy.table import Table

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "docs" / "tables"
TARGETS = {"nu_peak": "log nu_peak", "nufnu_peak": "log nuFnu_peak"}
SCORES = {
    "abs_error_median": "median error",
    "outliers": "beyond 1 dex",
    "coverage_95": "coverage",
    "winkler": "Winkler score",
}


def write(table, name):
    """Write a table for the next run and for the documentation."""
    TABLES.mkdir(exist_ok=True)
    table.write(TABLES / f"{name}.ecsv", overwrite=True)
    table.write(TABLES / f"{name}.rst", format="ascii.rst", overwrite=True)


def accuracy(options):
    """Scores of all methods, rich and sparse SEDs apart."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "baselines"
        baselines.main(
            [str(options.archive), "--blast", options.blast, "-o", str(output)]
            + (["--ensemble", options.ensemble] if options.ensemble else [])
        )
        table = Table.read(f"{output}.ecsv")
    table = table[np.isin(table["sources"], ["rich", "sparse"])]
    shown = Table({"target": [TARGETS[name] for name in table["target"]]})
    shown["method"], shown["SEDs"], shown["n"] = table["method"], table["sources"], table["n"]
    for column, title in SCORES.items():
        shown[title] = np.round(np.asarray(table[column], float), 3)
    write(shown, "accuracy")


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
    rows.append(("in memory, 25 members: a row", "us", *batches(options, peer_python)))
    shown = Table(rows=rows, names=["job", "unit", "blase_astro", "astroblast", "one thread"])
    for column in ("blase_astro", "astroblast", "one thread"):
        shown[column] = [float(f"{value:.3g}") for value in shown[column]]
    write(shown, "speed")


def batches(options, peer_python):
    """Microseconds a row of a large batch: ours, theirs (as installed; one-thread not measured)."""
    times = []
    for python, code, words in (
        (sys.executable, bench_estimate.OUR_BATCH, ["100000", "5", options.ensemble]),
        (peer_python, bench_estimate.PEER_BATCH, ["20000", "5"]),
    ):
        done = subprocess.run(
            [python, "-c", code, *words],
            capture_output=True,
            text=True,
            check=True,
            env=bench_estimate.ENVIRONMENT,
        )
        answer = json.loads(done.stdout)
        seconds = answer[0] if isinstance(answer[0], list) else answer
        times.append(1e6 * median(seconds))
    return (*times, np.nan)


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


def readme(_options):
    """The summary, from the tables of the other parts, into README.rst and the documentation."""
    table = {p.stem: Table.read(p) for p in TABLES.glob("*.ecsv")}
    rows = []
    scores = table["accuracy"]
    for target, kind in (
        ("log nu_peak", "rich"),
        ("log nu_peak", "sparse"),
        ("log nuFnu_peak", "rich"),
    ):
        here = scores[(scores["target"] == target) & (scores["SEDs"] == kind)]
        two = [here[here["method"] == method][0] for method in ("ensemble", "astroblast")]
        n = two[0]["n"]
        for column, title in (
            ("median error", "median error (dex)"),
            ("coverage", "coverage of 95-percent intervals"),
            ("Winkler score", "mean Winkler score (less is better)"),
        ):
            rows.append(
                (f"{target}, {n} {kind} SEDs: {title}", *(f"{row[column]:.3g}" for row in two))
            )
    for row in table["speed"]:
        if "CPU" not in row["job"]:
            rows.append(
                (
                    f"{row['job']} ({row['unit']})",
                    f"{row['blase_astro']:.3g}",
                    f"{row['astroblast']:.3g}",
                )
            )
    passed = [sum(table["faults"][side] == "right") for side in ("blase_astro", "astroblast")]
    n = len(table["faults"])
    rows.append((f"awkward files and calls survived, of {n}", *map(str, passed)))
    rows.append(
        ("formats read", "VOU (all versions), NED, VizieR, SSDC, GADF, JetSeT", "VOU (since 2020)")
    )
    rows.append(("formats written", "FITS, VOTable, ECSV, Parquet, CSV", "CSV"))
    rows.append(("needs", "numpy, scipy, astropy", "numpy, scipy, onnxruntime, tqdm"))
    shown = Table(
        rows=rows, names=["on the same inputs, in the same run", "blase_astro", "astroblast"]
    )
    write(shown, "comparison")
    text = (TABLES / "comparison.rst").read_text().strip()
    path = ROOT / "README.rst"
    marks = r"(\.\. comparison-begin[^\n]*\n).*(\.\. comparison-end)"
    replaced = re.sub(
        marks, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", path.read_text(), flags=re.DOTALL
    )
    path.write_text(replaced)


PARTS = {part.__name__: part for part in (accuracy, speed, reading, faults, readme)}


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
