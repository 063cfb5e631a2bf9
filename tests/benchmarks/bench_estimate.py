"""Estimating and matching beside astroblast: whole processes and batches, in one run.

    python tests/benchmarks/bench_estimate.py ARCHIVE --peer /path/to/its/bin/blast

ARCHIVE is a zip of real SED files; its rich ones (nine-column layout) are repeated at invented
positions, so that neither side knows them and all members of both work, with fluxes varied, into
a temporary folder. Both sides run in turn on the same files; medians of ``--repeat`` runs.
astroblast runs as installed ("stock") and with one thread a session ("one-thread", its best case),
its telemetry switched off. Numbers go to stdout, as a table in reStructuredText with --rst.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median

import numpy as np

ENVIRONMENT = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start compiles what it imports
ONE_THREAD = """
import sys, onnxruntime
make = onnxruntime.InferenceSession
def one(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return make(path, sess_options=options)
onnxruntime.InferenceSession = one
from blast.blast import main
sys.argv[0] = "blast"
main()
"""
LAUNCH = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - start
cpu = usage.ru_utime + usage.ru_stime
print(os.waitstatus_to_exitcode(status), wall, cpu, usage.ru_maxrss / 1024, file=sys.stderr)
"""
INFLATE = """
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in archive.namelist():
        archive.read(name)
"""
PEER_BATCH = """
import json, sys, time
import numpy as np
from blast import PeakFrequencyEstimator
estimator = PeakFrequencyEstimator()
n = int(sys.argv[1])
rng = np.random.default_rng(0)
batch = np.where(rng.random((n, 30)) < 0.6, rng.normal(-12, 1, (n, 30)), 0.0)
estimator(batch[:10])
times = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    for i in range(0, n, 1000):
        estimator(batch[i : i + 1000])
    times.append((time.perf_counter() - start) / n)
print(json.dumps(times))
"""
OUR_BATCH = """
import json, resource, sys, time
import numpy as np
from blase_astro import Ensemble
ensemble = Ensemble.load(sys.argv[3] or None)
n = int(sys.argv[1])
rng = np.random.default_rng(0)
shape = n, len(ensemble.bin_edges)
batch = np.where(rng.random(shape) < 0.6, rng.normal(-12, 1, shape), np.nan)
ensemble.predict(batch[:10])
times = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    ensemble.predict(batch)
    times.append((time.perf_counter() - start) / n)
print(json.dumps([times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
READ = """
import sys
from astropy.table import Table
Table.read(sys.argv[1])['RA'].sum()
"""


def rich_seds(archive):
    """Texts of the SEDs in the nine-column layout, which is all that astroblast reads."""
    with zipfile.ZipFile(archive) as file:
        texts = [file.read(name).decode() for name in file.namelist() if not name.endswith("/")]
    rich = [text for text in texts if re.search(r"^ Frequency.*Flag", text, re.MULTILINE)]
    return [re.sub(r" +$", "", text, flags=re.MULTILINE) for text in rich]  # no padding


def varied(text, rng):
    """The SED with its fluxes multiplied by one factor, at another position."""
    factor = 10 ** rng.uniform(-0.5, 0.5)

    def row(match):
        numbers = [factor * float(match[0][i : i + 10]) for i in (12, 24, 36)]
        return match[0][:12] + "  ".join(f"{x:10.3E}" for x in numbers)

    title, rest = text.split("\n", 1)
    ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
    rest = re.sub(r"^ \d\.\d{3}E.{39}", row, rest, flags=re.MULTILINE)
    return f"{title[:22]}{ra:9.5f}  {dec:9.5f}{title[42:]}\n{rest}"


def make_zip(path, texts, n, seed=0):
    """A zip of n varied SEDs; returns the number of bytes of text."""
    rng = np.random.default_rng(seed)
    size = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(n):
            text = varied(texts[i % len(texts)], rng)
            size += len(text)
            file.writestr(f"seds/{i:05d}.txt", text)
    return size


def run(command):
    """Wall and CPU seconds and peak memory (MiB) of a process."""
    # By way of a small process: the peak of a child begins with the memory of what starts it.
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCH, *map(str, command)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    *_, last = done.stderr.splitlines()
    code, *numbers = map(float, last.split())
    if code:
        raise RuntimeError(f"exit code {code:.0f}: {command}\n{done.stderr}")
    return tuple(numbers)


def compare(title, commands, repeat):
    """Run commands in turn and print the medians of each; returns them by name."""
    runs = {name: [] for name in commands}
    for _ in range(repeat):
        for name, command in commands.items():
            runs[name].append(run(command))
    result = {name: tuple(map(median, zip(*found, strict=True))) for name, found in runs.items()}
    first = next(iter(result.values()))
    print(f"\n{title}\n  {'':34}{'wall s':>8}{'cpu s':>8}{'MiB':>7}{'wall ratio':>12}")
    for name, (wall, cpu, memory) in result.items():
        print(f"  {name:34}{wall:8.3f}{cpu:8.3f}{memory:7.0f}{wall / first[0]:12.2f}", flush=True)
    return result


def batches(peer_python, ensemble, n, repeat):
    """Seconds a row in memory."""
    command = [sys.executable, "-c", OUR_BATCH, str(n), str(repeat), ensemble]
    ours = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    times, memory = json.loads(ours.stdout)
    print(
        f"\nIn memory, all members, one target, microseconds a row\n  blase {n} rows at once: "
        f"{1e6 * median(times):.1f} ({memory:.0f} MiB)"
    )
    command = [peer_python, "-c", PEER_BATCH, "20000", str(repeat)]
    peer = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    print(f"  astroblast, 1,000 rows at a time: {1e6 * median(json.loads(peer.stdout)):.1f}")


def make_catalog(path, n):
    """A FITS catalog of n positions."""
    from astropy.table import Table

    rng = np.random.default_rng(0)
    table = Table({"id": np.arange(n), "RA": rng.uniform(0, 360, n)})
    table["DEC"] = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    table.write(path)


def main():
    """Make the files and run it all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive")
    parser.add_argument("--peer", required=True, help="the command blast of astroblast")
    parser.add_argument("--ensemble", default="")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--parts", default="one,zip,many,batch,match")
    parser.add_argument("--many", type=int, default=20000)
    parser.add_argument("--jobs", default="1")
    options = parser.parse_args()
    parts = options.parts.split(",")
    bin_dir, peer_python = Path(sys.executable).parent, str(Path(options.peer).parent / "python")
    ours = [bin_dir / "blase", "estimate", "--quiet", "--jobs", options.jobs]
    ours += ["--ensemble", options.ensemble] if options.ensemble else []
    one_thread = [peer_python, "-c", ONE_THREAD]
    texts = rich_seds(options.archive)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        out = folder / "out.csv"
        print(
            f"{len(texts)} rich SEDs, {np.mean([t.count(chr(10)) for t in texts]):.0f} lines each"
        )
        if "one" in parts:
            longest = varied(sorted(texts, key=len)[3 * len(texts) // 4], np.random.default_rng(1))
            (folder / "sed.txt").write_text(longest)
            commands = {
                "blase estimate": [*ours, folder / "sed.txt"],
                "blast -f, stock": [options.peer, "-f", folder / "sed.txt"],
                "blast -f, one-thread": [*one_thread, "-f", folder / "sed.txt"],
                "blast, stock": [options.peer, folder / "sed.txt"],
                "blast, one-thread": [*one_thread, folder / "sed.txt"],
                "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
            }
            compare(f"One SED of {longest.count(chr(10))} lines", commands, options.repeat)
        if "zip" in parts or "many" in parts:
            size = make_zip(folder / "some.zip", texts, 3000)
            table = [*ours, "--overwrite", "-o", out, folder / "some.zip"]
            commands = {"blase estimate": table}
            if "zip" in parts:
                words = ["-s", "-f", folder / "some.zip", "-o", out]
                commands |= {
                    "inflating alone (python zipfile)": [
                        sys.executable,
                        "-c",
                        INFLATE,
                        folder / "some.zip",
                    ],
                    "blast -s -f, stock": [options.peer, *words],
                    "blast -s -f, one-thread": [*one_thread, *words],
                }
            title = f"Zip of 3,000 SEDs, {size / 1e6:.0f} MB of text, both targets"
            some = compare(title, commands, options.repeat)
        if "many" in parts:
            size = make_zip(folder / "many.zip", texts, options.many)
            table = [*ours, "--overwrite", "-o", out, folder / "many.zip"]
            title = f"Zip of {options.many} SEDs, {size / 1e6:.0f} MB of text"
            many = compare(title, {"blase estimate": table}, options.repeat)
            ratios = np.divide(many["blase estimate"], some["blase estimate"])
            print(
                f"  time an SED x {ratios[0] * 3000 / options.many:.3f}, memory x {ratios[2]:.3f}"
            )
        if "batch" in parts:
            batches(peer_python, options.ensemble, 100_000, options.repeat)
        if "match" in parts:
            make_catalog(folder / "catalog.fits", 1_000_000)
            words = ["match", "--quiet", folder / "catalog.fits", "--overwrite"]
            words += ["--ensemble", options.ensemble] if options.ensemble else []
            commands = {
                "reading it (Table.read)": [sys.executable, "-c", READ, folder / "catalog.fits"],
                "blase match to FITS": [bin_dir / "blase", *words, "-o", folder / "m.fits"],
            }
            compare("Catalog of 1,000,000 positions", commands, options.repeat)


if __name__ == "__main__":
    main()
