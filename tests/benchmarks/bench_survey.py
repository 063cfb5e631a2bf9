"""Streaming a survey: point tables to peaks, and a long catalog matched, in one run.

    python tests/benchmarks/bench_survey.py [--sources 1000000] [--rows 50000000] [--first TREE]

Simulated survey-like SEDs (26 rows each) are repeated at invented positions with fluxes varied,
into a temporary folder: a point table in Parquet and a HATS catalog with nested SEDs (with the
extra ``lsdb``). TREE is a checkout of the first edition; it estimates one SED by the command, and
SEDs in memory. The matrix products of the networks alone are timed in the same run: on a machine
with other work only the ratio to them means anything. Rates are per CPU second of all processes
together; memory is the most that one process had. Writes docs/tables/survey.ecsv and survey.rst.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import bench_estimate
import numpy as np
import pyarrow as pa
from astropy.table import MaskedColumn, Table
from pyarrow import parquet

from blase_astro import Ensemble
from blase_astro.simulate import simulate_seds

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "docs" / "tables"
ENVIRONMENT = bench_estimate.ENVIRONMENT | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ENVIRONMENT |= {"PYTHONPATH": str(ROOT)}
NAMES = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower", "upper_limit")
_AT_ONCE = 4000
_HATS = 240000  # sources of the HATS catalog, which is made in memory: 20,000 a partition

# Runs code and tells, as JSON: wall and CPU time of all processes, most memory of one (MiB).
LAUNCH = """
import json, resource, sys, time
start = time.perf_counter()
from blase_astro.cli import main
code = main(sys.argv[1:])
use = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(u.ru_utime + u.ru_stime for u in use)
# What the system calls the most memory of this process, goes back to the one that started it.
own = [int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM")][0]
memory = max(own, use[1].ru_maxrss) / 1024
print(json.dumps([code, time.perf_counter() - start, cpu, memory]))
"""
HATS = """
import json, os, resource, sys, time
if __name__ == "__main__":
    import lsdb
    import blase_astro.lsdb
    from dask.distributed import Client, LocalCluster
    options = dict(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0)
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        start = time.perf_counter()
        peaks = blase_astro.lsdb.estimate(lsdb.open_catalog(sys.argv[1]))
        blase_astro.lsdb.write(peaks, sys.argv[2], progress_bar=False)
        wall = time.perf_counter() - start
        use = client.run(lambda: tuple(resource.getrusage(resource.RUSAGE_SELF))[:3])
    own = resource.getrusage(resource.RUSAGE_SELF)
    cpu = sum(u + s for u, s, _ in use.values()) + own.ru_utime + own.ru_stime
    print(json.dumps([0, wall, cpu, max(memory for *_, memory in use.values()) / 1024]))
"""
# The same SEDs over and over, in blocks of the size that suits each edition.
FIRST = """
import json, time
from blase_astro import estimate
from blase_astro.simulate import simulate_seds
points, _ = simulate_seds(2000, seed=1)
estimate(points)
start = time.process_time()
for _ in range(5):
    estimate(points)
cpu = time.process_time() - start
memory = [int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM")][0]
print(json.dumps([0, cpu, cpu, memory / 1024]))
"""


def sources(n):
    """Simulated SEDs with other fluxes and positions, so many at once."""
    points, _ = simulate_seds(_AT_ONCE, seed=1)
    rng = np.random.default_rng(0)
    for start in range(0, n, _AT_ONCE):
        factor = 10 ** rng.normal(0, 0.2, _AT_ONCE)
        ra = rng.uniform(0, 360, _AT_ONCE)
        dec = np.degrees(np.arcsin(rng.uniform(-1, 1, _AT_ONCE)))
        columns = {name: getattr(points, name) for name in NAMES}
        for name in NAMES[1:4]:
            columns[name] = columns[name] * factor[points.sed]
        yield start, points.sed, ra, dec, columns


def write_points(path, n):
    """A point table; number of its sources."""
    writer, count = None, 0
    for start, sed, ra, dec, columns in sources(n):
        head = {"source_id": sed + start, "ra": ra[sed], "dec": dec[sed]}
        table = pa.table(head | columns)
        writer = writer or parquet.ParquetWriter(
            path, table.schema, compression="zstd", compression_level=1
        )
        writer.write_table(table)
        count += len(np.unique(sed))
    writer.close()
    return count


def write_hats(path, n):
    """A HATS catalog of the same sources with nested SEDs."""
    import lsdb
    import pandas as pd

    parts = []
    for start, sed, ra, dec, columns in sources(n):
        offsets = np.append(0, np.cumsum(np.bincount(sed, minlength=len(ra)))).astype("i4")
        lists = {m: pa.ListArray.from_arrays(offsets, pa.array(v)) for m, v in columns.items()}
        parts.append(pa.table({"id": np.arange(len(ra)) + start, "ra": ra, "dec": dec} | lists))
    frame = pa.concat_tables(parts).to_pandas(types_mapper=pd.ArrowDtype)
    order = {"lowest_order": 0, "highest_order": 5, "partition_rows": 40000}
    catalog = lsdb.from_dataframe(
        frame, ra_column="ra", dec_column="dec", margin_threshold=None, **order
    )
    catalog = catalog.nest_lists(
        base_columns=["id", "ra", "dec"], list_columns=list(NAMES), name="sed"
    )
    catalog.write_catalog(path, as_collection=False, progress_bar=False)
    return len(frame)


def write_sky(path, n):
    """A long catalog: identifier, position, a magnitude."""
    rng, writer = np.random.default_rng(0), None
    for start in range(0, n, 10**6):
        m = min(10**6, n - start)
        columns = {"id": np.arange(start, start + m), "ra": rng.uniform(0, 360, m)}
        columns["dec"] = np.degrees(np.arcsin(rng.uniform(-1, 1, m)))
        table = pa.table(columns | {"mag": rng.normal(18, 1, m).astype("f4")})
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def launched(code, *words, tree=ROOT):
    """What a process tells of itself."""
    command = [sys.executable, "-c", code, *map(str, words)]
    if code is HATS:  # Dask's workers start the script again
        script = Path(words[1]).parent / "run.py"
        script.write_text(code)
        command[1:3] = [str(script)]
    environment = ENVIRONMENT | {"PYTHONPATH": str(tree)}
    # In that folder: the current one comes first on the path of `python -c`.
    done = subprocess.run(
        command, env=environment, cwd=tree, stdout=subprocess.PIPE, text=True, check=True
    )
    code, wall, cpu, memory = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    return wall, cpu, memory


def products():
    """CPU seconds of the matrix products of an SED alone, both targets, all members."""
    rng, rows, repeat, seconds = np.random.default_rng(0), 512, 60, 0.0
    for target in ("nu_peak", "nufnu_peak"):
        ensemble = Ensemble.load(None, target)
        shapes = [w.shape[2:] for w in ensemble.weights]
        x = [rng.random((rows, n)).astype("f4") for n, _ in shapes]
        w = [rng.random(shape).astype("f4") for shape in shapes]
        out = [np.empty((rows, n), "f4") for _, n in shapes]
        n = ensemble.n_bags * ensemble.n_members
        for times in (5, repeat):  # the first ones warm up
            start = time.process_time()
            for _ in range(times * n):
                for a, b, c in zip(x, w, out, strict=True):
                    np.matmul(a, b, out=c)
        seconds += (time.process_time() - start) / repeat / rows
    return seconds


def write(table):
    """The table as the documentation shows it; what was not measured is empty."""
    for name in table.colnames[2:]:
        table[name] = MaskedColumn(table[name], mask=~(np.asarray(table[name]) > 0))
        table[name].info.format = ".0f"
    table["a CPU second"].info.format = ".0f"
    table["wall time"].unit = "s"
    table["wall time"].info.format = ".1f"
    table.write(TABLES / "survey.ecsv", overwrite=True)
    table.write(TABLES / "survey.rst", format="ascii.rst", overwrite=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=10**6)
    parser.add_argument("--rows", type=int, default=5 * 10**7)
    parser.add_argument("--first", help="checkout of the first edition")
    options = parser.parse_args()
    rows = []

    def add(job, n, wall, cpu, memory):
        rows.append((job, n, wall, n / cpu, memory))
        print(
            f"{job}: {n} in {wall:.1f} s; {n / cpu:.0f} a CPU second; {memory:.0f} MiB", flush=True
        )

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        alone = products()
        add("matrix products alone", 1, np.nan, alone, np.nan)
        if options.first:
            with zipfile.ZipFile(ROOT / "catalogs" / "demo_seds.zip") as archive:
                sed = archive.extract(archive.namelist()[0], folder)
            for edition, tree in (("first edition", options.first), ("today", ROOT)):
                one = [launched(LAUNCH, "estimate", sed, tree=tree) for _ in range(5)]
                add(f"one SED, {edition}", 1, *np.median(one, axis=0))
                add(f"in memory, {edition}", 10000, *launched(FIRST, tree=tree))
        n = write_points(folder / "points.parquet", options.sources)
        words = ["estimate", folder / "points.parquet", "--quiet", "-o"]
        for jobs in (1, 2):
            out = folder / f"peaks{jobs}.parquet"
            add(f"Parquet, --jobs {jobs}", n, *launched(LAUNCH, *words, out, "--jobs", jobs))
        add("matrix products alone, again", 1, np.nan, products(), np.nan)
        try:
            n = write_hats(folder / "hats", min(options.sources, _HATS))
            add("HATS, two workers", n, *launched(HATS, folder / "hats", folder / "peaks"))
        except ImportError:
            print("no lsdb here: HATS left out")
        write_sky(folder / "sky.parquet", options.rows)
        words = ["match", folder / "sky.parquet", "--quiet", "-o", folder / "matched.parquet"]
        add("match", options.rows, *launched(LAUNCH, *words))
    write(Table(rows=rows, names=("job", "number", "wall time", "a CPU second", "MiB a process")))


if __name__ == "__main__":
    main()
