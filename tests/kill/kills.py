"""Kill commands at random moments: python tests/kill/kills.py [N] [SEED]. Not part of the suite.

Each run is ended by SIGKILL, SIGTERM or SIGINT at a random moment of its life. Afterwards no half
file, no worker and, after the next run in the same folder, no temporary file may be left. The suite
runs some of it (tests/test_kill.py).
"""

import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = ROOT / "catalogs"
SUFFIXES = (".fits", ".fits.gz", ".vot", ".ecsv", ".csv", ".parquet")
_BLASE = "import sys; from blase_astro.cli import main; sys.exit(main())"


def commands(seds):
    """Words of each kind of command, without its output, and the suffixes that it writes."""
    catalog, few = CATALOGS / "demo_catalog.fits", CATALOGS / "demo_seds.zip"
    small = ["--preset", "seed", "--bags", "2", "--members", "1", "--epochs", "2"]
    return {
        "estimate": (["estimate", seds, "--jobs", "2"], SUFFIXES),
        "annotate": (["annotate", catalog, few, seds, "--jobs", "2"], SUFFIXES),
        "match": (["match", catalog], SUFFIXES),
        "simulate": (["simulate", "-n", "2000"], (".zip",)),
        "train": (["train", seds, *small], ("",)),
    }


def run(words, output, suffix):
    """Start a command in a session of its own, so that its workers can be found."""
    words = [*words, "-o", output / f"out{suffix}" if suffix else output / "trained", "--overwrite"]
    return subprocess.Popen(
        [sys.executable, "-c", _BLASE, *map(str, words), "--quiet"],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_whole(path):
    """Can a file be read to its end?"""
    import zipfile

    if path.suffix == ".npz":
        from blase_astro.ensemble import Ensemble

        Ensemble.load(path)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
    else:
        from blase_astro.io.files import read_catalog

        assert len(read_catalog(path)) > 0
    return True


def living(session):
    """Processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(entry.parent.name)
    return found


def outputs(folder):
    """Files that a command promises to write whole: the logs of training are not among them."""
    return [p for p in folder.rglob("*") if p.is_file() and "logs" not in p.parts]


def temporary(folder):
    """What was written beside."""
    return list(folder.rglob(".blase-*"))


def kill_one(name, words, suffix, moment, how, folder):
    """Kill one run; what was wrong, in words."""
    process = run(words, folder, suffix)
    time.sleep(moment)
    ended = process.poll() is not None
    if not ended:
        os.kill(process.pid, how)
    wrong = []
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        wrong.append(f"{name}{suffix}: did not end within 60 s of {how.name}")
        process.kill()
    for _ in range(100):  # workers notice that they are alone
        left = living(process.pid)
        if not left:
            break
        time.sleep(0.1)
    else:
        wrong.append(f"{name}{suffix}: {len(left)} workers left by {how.name}")
        os.killpg(process.pid, signal.SIGKILL)
    for path in outputs(folder):
        if ".blase-" in str(path):
            continue
        try:
            is_whole(path)
        except Exception as error:
            wrong.append(f"{name}{suffix}: half a file {path.name} ({error})")
    return wrong, ended, len(temporary(folder))


def kills(n, seed=0, names=None):
    """Kill n runs and tell of it; a list of what was wrong."""
    rng = random.Random(seed)
    wrong, count = [], collections.Counter()
    with tempfile.TemporaryDirectory() as place:
        seds = Path(place) / "seds.zip"
        made = ["simulate", "-n", "900", "--seed", "1", "-o", str(seds), "-q"]
        subprocess.run([sys.executable, "-c", _BLASE, *made], cwd=ROOT, check=True)
        chosen = {k: v for k, v in commands(seds).items() if names is None or k in names}
        jobs = [(k, words, suffix) for k, (words, all_) in chosen.items() for suffix in all_]
        length = {}
        for name, words, suffix in jobs:
            if name not in length:
                folder = Path(tempfile.mkdtemp(dir=place))
                start = time.monotonic()
                assert run(words, folder, suffix).wait() == 0, name
                length[name] = time.monotonic() - start
        for i in range(n):
            name, words, suffix = jobs[i % len(jobs)]
            folder = Path(place) / f"{name}{suffix}"
            folder.mkdir(exist_ok=True)
            how = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            moment = rng.uniform(0.05, 1.05) * length[name]
            found, ended, stale = kill_one(name, words, suffix, moment, how, folder)
            wrong += found
            count["ended before"] += ended
            count[how.name] += not ended
            count["left a temporary folder"] += stale > 0
            if found:
                print("\n".join(found), flush=True)
        for name, words, suffix in jobs:
            folder = Path(place) / f"{name}{suffix}"
            if folder.is_dir():
                assert run(words, folder, suffix).wait() == 0, name
                wrong += [f"{name}{suffix}: stale {path.name}" for path in temporary(folder)]
    print(f"{n} runs: {dict(count)}; wrong: {len(wrong)}")
    return wrong


if __name__ == "__main__":
    words = sys.argv[1:] + ["200", "0"][len(sys.argv) - 1 :]
    n, seed = int(words[0]), int(words[1])
    sys.exit("\n".join(kills(n, seed)) or 0)
