"""What happens to hostile input, in this edition, the last one and astroblast.

    python tests/benchmarks/bench_strangers.py --last DIR --peer /path/to/its/bin/blast

The cases of `strangers` are given to the command, each in a process of its own with 20 s and
2.5 GB, of which more than 1 GB is too much. Beside them stand counts: 150 ensembles with one
damaged number and a right checksum (`damaged_ensembles`), mutated input for every reader
(``--mutated FILE``: what ``tests/fuzz/mutate.py`` printed) and killed runs (``--killed FILE``: what
``tests/kill/kills.py`` printed). DIR is a checkout of the last edition. Writes ``strangers.ecsv``
and ``strangers.rst``: the case, what was right, what each did.
"""

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from strangers import ROOT, cases

SECONDS, MEMORY = 20, 5 * 2**29
BLASE = [sys.executable, "-c", "import sys; from blase_astro.cli import main; sys.exit(main())"]
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}
QUIET |= {"ORT_DISABLE_TELEMETRY": "1"}
OF_MEMORY = re.compile(r"MemoryError|[Cc]annot allocate|bad_alloc|Unable to allocate")
NONE, TOTAL = "\u2013", "all of these"
DAMAGE = ROOT / "tests" / "benchmarks" / "damaged_ensembles.py"


class Tool(NamedTuple):
    """A command: its words, and where its package is."""

    words: list
    place: Path = None

    @property
    def is_peer(self):
        return self.place is None


class Result(NamedTuple):
    """What a command did; its code is None if it did not end."""

    code: int
    out: str
    err: str
    memory: int


def call(tool, words, folder, *, stdin=None, largest=None):
    """Run a command within its bounds."""

    def bounds():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    environment = os.environ | QUIET | ({} if tool.is_peer else {"PYTHONPATH": str(tool.place)})
    words = [sys.executable, *words[1:]] if words[0] == "python" else [*tool.words, *words]
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        open(stdin or os.devnull) as source,
    ):
        process = subprocess.Popen(
            words, cwd=folder, env=environment, preexec_fn=bounds, stdin=source, stdout=out,
            stderr=err, start_new_session=True,
        )  # fmt: skip
        code, memory = ended(process)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read(10**6).decode(errors="replace"))
    return Result(code, *texts, memory)


def ended(process):
    """Code and memory of a process and all that it started, once it has ended or has to."""
    begin = time.monotonic()
    pid = 0
    while not pid and time.monotonic() - begin < SECONDS:
        time.sleep(0.02)
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # workers that are left, too
    if not pid:
        process.wait()
        return None, 0
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * 1024


def peer_words(words):
    """The same for astroblast, None where it has nothing like it."""
    has_none = {"--ensemble", "--overwrite", "-"} & set(words) or len(words) == 3
    if words[0] != "estimate" or has_none or words[1].endswith(".ecsv"):
        return None
    if words[1].endswith(".txt") and words[-1] != "out.csv":  # it prints the estimate of one SED
        return None
    return [words[1]] if words[1].endswith(".txt") else [words[1], "-o", "out.csv"]


def estimates(folder, result):
    """How many estimates a command has written or printed, and how many rows without one."""
    printed = re.findall(r"log nu_peak = [\d.]+|^[\d.]+ \(\+/-", result.out, re.MULTILINE)
    found = [path for path in folder.glob("out.*") if path.stat().st_size]
    if not found:
        return len(printed), result.out.count("no estimate")
    suffix = found[0].suffix
    if suffix not in (".csv", ".ecsv", ".vot", ".fits"):
        return 0, 0
    table = Table.read(found[0], format="ascii.csv" if suffix == ".csv" else None)
    for name in ("log_nu_peak", "Estimated Peak Frequency"):
        if name in table.colnames:
            values = np.ma.filled(np.ma.asarray(table[name], dtype=float), np.nan)
            return int(np.isfinite(values).sum()), int((~np.isfinite(values)).sum())
    return 0, 0


def outcome(case, words, folder, result):
    """What a command did, in a few words."""
    if result.code is None:
        return "hang"
    said = result.out + result.err
    if OF_MEMORY.search(result.err) or result.code in (-signal.SIGKILL, -signal.SIGABRT):
        return "out of memory"
    if result.memory > 2**30:
        return f"takes {result.memory / 2**30:.1f} GB"
    if "Traceback" in result.err:
        return "traceback"
    if result.code < 0:
        return f"ended by {signal.Signals(-result.code).name}"
    try:
        n, without = (0, 0) if "match" in words else estimates(folder, result)
        skip = result.code and not n and case.right == "estimates"
        wrong = "" if skip else case.check(folder, said)
    except Exception as error:
        return f"wrong: what was written cannot be read ({type(error).__name__})"
    if wrong:
        return f"wrong: {wrong}"
    if n or not result.code:
        if n < case.good:
            return f"wrong: {n} of {case.good} estimates"
        if case.right == "one line":
            return "wrong: taken for good"
        return "flagged row" if without else "estimates" if n else "done"
    lines = len(said.strip().splitlines())
    return "one line" if lines == 1 else f"{lines} lines"


def is_right(case, did):
    """Is that outcome right? A flag is never less than an estimate of the good ones alone."""
    if case.right == "estimates":
        return did in ("estimates", "flagged row", "done")
    if case.right == "flagged row":
        return did in ("estimates", "flagged row")
    if case.right == "harmless":
        return did in ("estimates", "flagged row", "done", "one line")
    return did == case.right


def tried(case, tool):
    """What a tool does in a case."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = case.make(folder)
        if tool.is_peer and (words := peer_words(words)) is None:
            return "", ""
        result = call(tool, words, folder, stdin=case.stdin, largest=case.largest)
        return outcome(case, words, folder, result), result.err


def damaged(tool, ensembles):
    """How many of 150 damaged ensembles are refused, used, give nonsense or end in a traceback."""
    environment = os.environ | QUIET | {"PYTHONPATH": str(tool.place)}
    done = subprocess.run(
        [sys.executable, DAMAGE, ensembles], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def of_mutated(path):
    """What the mutation driver printed, in one line."""
    n, counts = 0, Counter()
    for line in Path(path).read_text().splitlines():
        if found := re.match(r"[\w.]+ +(\d+) inputs +\d+ s: (.*)", line):
            n += int(found[1])
            counts.update({k: int(v) for k, v in re.findall(r"(\w+) (\d+)", found[2])})
    read = counts.pop("read", 0)
    known = sum(counts.pop(name, 0) for name in ("ValueError", "OSError", "NoSED"))
    return f"{n:,}", f"{read:,} read, {known:,} refused, {sum(counts.values())} anything else"


def of_killed(path):
    """What the kill driver printed, in one line."""
    found = re.search(r"(\d+) runs: (.*); wrong: (\d+)", Path(path).read_text())
    return found[1], f"{found[3]} left anything"


def case_rows(tools, options):
    """What each tool did in each case; what was not right is bold."""
    for case in cases():
        if options.only not in (None, case.fault):
            continue
        row = {"fault": case.fault, "input": case.what, "right": case.right}
        for name, tool in tools.items():
            did, err = tried(case, tool)
            row[name] = f"**{did}**" if did and not is_right(case, did) else did or NONE
            if options.verbose:
                print(f"[{name}] {err.strip()[-300:]}")
        print(*row.values(), sep=" | ", flush=True)
        yield row


def count_rows(tools, options):
    """Of much input, how often what happened."""
    nobody = dict.fromkeys(tools, NONE)
    if options.only in (None, "W1"):
        base = (options.last or ROOT) / "blase_astro" / "data"
        did = {k: NONE if t.is_peer else damaged(t, base) for k, t in tools.items()}
        row = {"fault": "W1", "input": "150 ensembles, one number damaged"}
        yield row | {"right": "no nonsense, no other error"} | did
    if options.mutated:
        n, did = of_mutated(options.mutated)
        row = {"fault": "all", "input": f"{n} mutated inputs", "right": "0 anything else"}
        yield row | nobody | {"this edition": did}
    if options.killed:
        n, did = of_killed(options.killed)
        row = {"fault": "F5", "input": f"{n} runs killed", "right": "0 left anything"}
        yield row | nobody | {"this edition": did}


def table_of(tools, options):
    """All cases and counts as a table; with ``--only`` the other rows as they were written."""
    rows = [*case_rows(tools, options), *count_rows(tools, options)]
    if options.only:
        known = {row["input"]: row for row in rows}
        table = Table.read(options.written)
        old = [{name: str(row[name]) for name in table.colnames} for row in table]
        new = [row for row in rows if row["input"] not in {r["input"] for r in old}]
        rows = [known.get(row["input"], row) for row in old if row["input"] != TOTAL] + new
    tried_ = [row for row in rows if row["input"] in {case.what for case in cases()}]
    total = {"fault": "sum", "input": TOTAL, "right": ""}
    for name in tools:
        done = [row[name] for row in tried_ if row[name] != NONE]
        total[name] = f"{sum(not did.startswith('**') for did in done)} of {len(done)} right"
    return Table([*tried_, total, *(row for row in rows if row not in tried_)])


def main(args=None):
    """Run all cases and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--last", type=Path, help="a checkout of the last edition")
    parser.add_argument("--peer", help="the command blast of astroblast")
    parser.add_argument("--mutated", help="what tests/fuzz/mutate.py printed")
    parser.add_argument("--killed", help="what tests/kill/kills.py printed")
    parser.add_argument(
        "--only", metavar="FAULT", help="these cases alone, into the table that is there"
    )
    parser.add_argument("--verbose", action="store_true", help="what was said as well")
    parser.add_argument("-o", "--output", default=str(ROOT / "docs" / "tables" / "strangers"))
    options = parser.parse_args(args)
    tools = {"astroblast": Tool([options.peer])} if options.peer else {}
    if options.last:
        tools["last edition"] = Tool(BLASE, options.last)
    tools["this edition"] = Tool(BLASE, ROOT)
    options.written = f"{options.output}.ecsv"
    table = table_of(tools, options)
    table.meta["made_with"] = "bench_strangers.py, 20 s and 2.5 GB a case"
    table.write(options.written, overwrite=True)
    table.write(f"{options.output}.rst", format="ascii.rst", overwrite=True)


if __name__ == "__main__":
    main()
