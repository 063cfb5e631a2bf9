"""Reading and binning beside astroblast, on the same files in the same run.

    python tests/benchmarks/bench_read.py ARCHIVE --peer /path/to/its/python

ARCHIVE is a zip of real SED files; its rich ones (nine-column layout), repeated with fluxes varied,
make the files to read, written to a temporary folder and a zip beside it. Ours and astroblast's
functions run in turn in fresh processes, one thread each; CPU seconds, best of the repetitions.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# Each prints the seconds of CPU time of what it does to the folder or zip given to it.
OURS = """
import json, resource, sys, time
from blase_astro.io import read_points
from blase_astro.sed import bin_points
start = time.process_time()
n = sum(len(bin_points(points)[0]) for points in read_points(sys.argv[1]))
seconds = time.process_time() - start
print(json.dumps([n, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
READER = """
import json, resource, sys, time
from astropy.table import Table
from blase_astro.io import read_seds
start = time.process_time()
n = sum(1 for name, sed in read_seds(sys.argv[1]))
seconds = time.process_time() - start
print(json.dumps([n, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
PEER = """
import io, json, os, resource, sys, time, zipfile
from blast import bin_data, parse_sed
path, binned = sys.argv[1], sys.argv[2] == "bin"
def files():
    if os.path.isdir(path):
        for entry in os.scandir(path):
            yield entry.path
    else:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    yield io.TextIOWrapper(member)
start = time.process_time()
n = 0
for file in files():
    sed = parse_sed(file)
    if binned:
        bin_data(sed)
    n += 1
seconds = time.process_time() - start
print(json.dumps([n, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
NUMBER = re.compile(rb"-?\d\.\d{3}E[-+]\d\d")


def varied(data, factor):
    """The file with flux and bounds of each row times a factor, in the same columns."""
    lines = data.split(b"\n")
    for i in range(4, len(lines)):
        numbers = lines[i][10:46]
        numbers = NUMBER.sub(lambda m: f"{float(m[0]) * factor:.3E}".encode(), numbers)
        lines[i] = lines[i][:10] + numbers + lines[i][46:]
    return b"\n".join(lines)


def make_files(archive, folder, zipped, n, seed=0):
    """Write n files made of the archive's rich ones to a folder and a zip; the mean rows."""
    with zipfile.ZipFile(archive) as source:
        rich = [
            data for name in sorted(source.namelist()) if b"Flag" in (data := source.read(name))
        ]
    rng = random.Random(seed)
    n_rows = 0
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as target:
        for i in range(n):
            data = varied(rich[i % len(rich)], rng.uniform(0.5, 2))
            n_rows += data.count(b"\n") - 4
            (folder / f"SED_{i:05d}.txt").write_bytes(data)
            target.writestr(f"SEDs/SED_{i:05d}.txt", data)
    return n_rows / n


def run(python, code, *args):
    """Files, CPU seconds and peak MiB of a run in a fresh process with one thread."""
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    environment = os.environ | one_thread | {"ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [python, "-c", code, *map(str, args)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def main():
    """Make the files, time everything in turn, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--peer", required=True, help="python that has astroblast")
    parser.add_argument("-n", type=int, default=3000, help="number of files (default: 3000)")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, zipped = Path(temporary, "SEDs"), Path(temporary, "SEDs.zip")
        folder.mkdir()
        rows = make_files(args.archive, folder, zipped, args.n)
        print(f"{args.n} files, {rows:.0f} rows on average; microseconds of CPU per file")
        for path in (folder, zipped):
            tasks = {
                "fast path + bins": (sys.executable, OURS, path),
                "astroblast parse + bins": (args.peer, PEER, path, "bin"),
                "full reader": (sys.executable, READER, path),
                "astroblast parse": (args.peer, PEER, path, "parse"),
            }
            best = {}
            for _ in range(args.repeat):
                for name, task in tasks.items():
                    n, seconds, peak = run(*task)
                    if n != args.n:
                        raise RuntimeError(f"{name} read {n} of {args.n} files")
                    best[name] = min(best.get(name, (1e9, 0)), (seconds / n * 1e6, peak))
            print(f"{path.name}:")
            for name, (microseconds, peak) in best.items():
                print(f"  {name:25s} {microseconds:7.0f}   peak {peak:4.0f} MiB")
            ours, peer, reader, parse = (best[name][0] for name in tasks)
            print(f"  fast path: {peer / ours:.1f} times the rate of astroblast")
            print(f"  full reader: {reader / parse:.2f} times the time of astroblast's parse")


if __name__ == "__main__":
    main()
