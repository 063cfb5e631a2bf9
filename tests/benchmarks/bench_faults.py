"""What happens to awkward files and calls, in this package and in astroblast.

    python tests/benchmarks/bench_faults.py ARCHIVE --peer /path/to/its/bin/blast -o faults

Each case is a file, an archive or a call that users really have, made from one rich SED of ARCHIVE,
a zip of real ones; both commands get the same. A case is passed if the answer is right, or if there
can be none and the command says so in one line and a non-zero exit code. Writes ``faults.ecsv``
and ``faults.rst``: the case, what was right to expect, what each did.
"""

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from astropy.table import Table
from bench_estimate import rich_seds

ENVIRONMENT = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
BLASE = Path(sys.executable).with_name("blase")
ROW = re.compile(r"^ \d\.\d{3}E.*$", re.MULTILINE)


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str
    rows: list  # of the CSV that it wrote: (file name, log nu_peak)


# --- the cases: name, what is right, what makes the files, how to call ------------------------


def edited(edit):
    """A case of one file, made by editing the text of a good one."""

    def make(text, folder):
        data = edit(text)
        (folder / "sed.txt").write_bytes(data if isinstance(data, bytes) else data.encode())
        return ["sed.txt"]

    return make


def among_good(name, data, *, zipped=False):
    """A case of three good SEDs with another file among them, in bulk."""

    def make(text, folder):
        seds = folder / "seds"
        seds.mkdir()
        for i in range(3):
            (seds / f"good{i}.txt").write_text(text)
        target = seds / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = data(text) if callable(data) else data
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        if zipped:
            with zipfile.ZipFile(folder / "seds.zip", "w") as archive:
                for path in sorted(seds.rglob("*")):
                    archive.write(path, path.relative_to(folder))
            return ["seds.zip", "-o", "out.csv"]
        return ["seds", "-o", "out.csv"]

    return make


def rows_of(text, change):
    """The SED with each of its measurements changed; those that become empty are left out."""
    return ROW.sub(lambda row: change(row[0]), text)


def only(lo, hi, n):
    """Edit: the first n measurements between two frequencies, and no others."""

    def edit(text):
        rows = [row for row in ROW.findall(text) if lo < float(row[:12]) < hi and "Det" in row]
        head = text[: ROW.search(text).start()]
        return head + "".join(f"{row}\n" for row in rows[:n])

    return edit


def old_layout(text):
    """The layout before May 2020: no flags."""
    return re.sub(r"\b(Det|UL)  ", "", text.replace("Flag", ""))


def two_sources(text):
    """Another source, 1,000 times fainter in the radio, behind the first in one file."""
    other = rows_of(text, lambda row: row if float(row[:12]) > 1e13 else "")
    return text + other.replace("matched source", "matched source", 1)


def title_only(text):
    """The head of 2018: a title line, no lines of column names."""
    title = text.split("\n", 1)[0]
    return title + "\n" + "".join(f"{row}\n" for row in ROW.findall(text))


def fluxes(value):
    """Edit: all fluxes and bounds are this text."""
    return lambda text: rows_of(text, lambda row: row[:12] + f"  {value}" * 3 + row[46:])


CASES = [
    ("a good file", "estimate", edited(str)),
    ("lines of Windows (CRLF)", "estimate", edited(lambda text: text.replace("\n", "\r\n"))),
    ("layout before May 2020, no flags", "estimate", edited(old_layout)),
    ("layout of 2018, title line only", "estimate", edited(title_only)),
    (
        "a byte that is not UTF-8",
        "estimate",
        edited(lambda t: t.encode().replace(b" et ", b" \xe9t ")),
    ),
    ("gzip", "estimate", edited(lambda text: __import__("gzip").compress(text.encode()))),
    ("flag in lower case", "estimate", edited(lambda text: text.replace(" Det ", " det "))),
    (
        "upper bounds that did not fit (asterisks)",
        "estimate",
        edited(lambda text: rows_of(text, lambda row: row[:24] + " *********" + row[34:])),
    ),
    (
        "position missing (asterisks)",
        "estimate",
        edited(lambda t: t[:22] + " *****     *****    " + t[42:]),
    ),
    ("two sources in one file", "separate", edited(two_sources)),
    ("no file of that name", "refuse", lambda text, folder: ["nothing.txt"]),
    ("an empty file", "refuse", edited(lambda text: "")),
    ("a JPEG", "refuse", edited(lambda text: b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40)),
    ("all fluxes 0", "refuse", edited(fluxes(" 0.000E+00"))),
    (
        "all points between the bins",
        "refuse",
        edited(lambda text: rows_of(text, lambda r: " 1.000E+21" + r[10:])),
    ),
    ("one radio point", "doubt", edited(only(1e9, 2e9, 1))),
    ("one gamma-ray point", "doubt", edited(only(1e22, 1e25, 1))),
    ("bulk: an empty file among good ones", "bulk", among_good("empty.txt", "")),
    ("bulk: a README among good ones", "bulk", among_good("README.md", "# SEDs\n")),
    ("bulk: .DS_Store in the folder", "bulk", among_good(".DS_Store", b"\x00\x00\x00\x01Bud1")),
    (
        "bulk: __MACOSX in the zip",
        "bulk",
        among_good("__MACOSX/._good0.txt", b"\x00\x05\x16\x07", zipped=True),
    ),
    (
        "bulk: an SED without a position",
        "bulk",
        among_good("nowhere.txt", lambda t: t[:22] + " *****     *****    " + t[42:]),
    ),
    ("bulk: the folder to write into is missing", "refuse", None),
    ("bulk: an output that exists", "keep", None),
    ("bulk: output in the input folder, run twice", "twice", None),
]


# --- running and judging ----------------------------------------------------------------------


def call(tool, words, folder):
    """Run one of the commands in a folder."""
    command = [tool, *words] if Path(tool).name == "blast" else [tool, "estimate", *words]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, timeout=300)
    rows = []
    for path in folder.rglob("out.csv"):
        with open(path, newline="", errors="replace") as file:
            for row in csv.DictReader(file):
                value = row.get("Estimated Peak Frequency") or row.get("log_nu_peak") or "nan"
                rows.append((row.get("Filename") or row.get("name") or "", float(value)))
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode(), rows)


def estimates_of(result):
    """Peak frequencies printed by a command."""
    found = re.findall(r"log nu_peak = ([-\d.]+)|^([-\d.]+) \(\+/-", result.out, re.MULTILINE)
    return [float(a or b) for a, b in found]


def fault_of(result, expected, reference):
    """What is wrong with what a command did; empty if nothing."""
    values = estimates_of(result)
    if "Traceback" in result.err:
        if expected == "bulk":
            return f"traceback, {len(good_rows(result))} of 3 rows"
        return "traceback"
    if expected in ("estimate", "separate"):
        wanted = 1 if expected == "estimate" else 2
        if result.code or not values:
            return "no estimate" if result.code else "no estimate, exit code 0"
        if len(values) != wanted:
            return "merged into one"
        return "" if abs(values[0] - reference) < 0.3 else f"another answer ({values[0]:.2f})"
    if expected == "doubt":
        told = result.code or ("flags" in result.out and "flags: none" not in result.out)
        return "" if told else f"answers {values[0]:.2f} without a word"
    if expected == "refuse":
        if values:
            return f"answers {values[0]:.2f}"
        return "" if result.code else "says nothing, exit code 0"
    good = good_rows(result)
    return "" if len(good) == 3 and result.code == 0 else f"{len(good)} of 3 rows"


def good_rows(result):
    """Names of the good SEDs that have an estimate in the output."""
    return [name for name, value in result.rows if "good" in name and value == value]


def bulk_call(case, tool, text):
    """The cases that are about where the output goes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        among_good("good3.txt", text)(text, folder)
        if "missing" in case:
            result = call(tool, ["seds", "-o", "there/is/none/out.csv"], folder)
            return fault_of(result, "refuse", 0)
        if "exists" in case:
            (folder / "out.csv").write_text("precious\n")
            call(tool, ["seds", "-o", "out.csv"], folder)
            kept = (folder / "out.csv").read_text() == "precious\n"
            return "" if kept else "overwritten without asking"
        words = ["seds", "-o", "seds/out.csv"]
        call(tool, words, folder)
        again = [*words, "--overwrite"] if Path(tool).name != "blast" else words
        result = call(tool, again, folder)
        if "Traceback" in result.err:
            return "reads its own output: traceback"
        return "" if len(result.rows) == 4 else f"{len(result.rows)} rows of 4"


def judge(case, expected, make, tool, text, reference):
    """What one of the commands did wrong in one case."""
    if make is None:
        return bulk_call(case, tool, text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return fault_of(call(tool, make(text, folder), folder), expected, reference)


def reference_of(tool, text):
    """The estimate of the good file, by the same command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sed.txt").write_text(text)
        (value,) = estimates_of(call(tool, ["sed.txt"], folder))
        return value


def table_of_faults(archive, peer):
    """All cases as a table: case, expected, astroblast, blase_astro."""
    texts = sorted(rich_seds(archive), key=len)
    text = next(t for t in texts[len(texts) // 2 :] if ROW.search(t))
    expectation = {
        "estimate": "the same estimate",
        "separate": "one estimate each",
        "refuse": "an error, in words",
        "doubt": "no estimate, or a doubt",
        "bulk": "all good ones estimated",
        "keep": "it is kept",
        "twice": "four rows again",
    }
    tools = {"astroblast": shutil.which(peer), "blase_astro": str(BLASE)}
    references = {name: reference_of(tool, text) for name, tool in tools.items()}
    rows = []
    for case, expected, make in CASES:
        row = {"case": case, "right": expectation[expected]}
        for name, tool in tools.items():
            row[name] = judge(case, expected, make, tool, text, references[name]) or "right"
        rows.append(row)
        print(*row.values(), sep=" | ", flush=True)
    return Table(rows)


def main(args=None):
    """Run all cases and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive")
    parser.add_argument("--peer", required=True, help="the command blast of astroblast")
    parser.add_argument("-o", "--output", default="faults", help="name without suffix")
    options = parser.parse_args(args)
    table = table_of_faults(options.archive, options.peer)
    table.write(f"{options.output}.ecsv", overwrite=True)
    table.write(f"{options.output}.rst", format="ascii.rst", overwrite=True)


if __name__ == "__main__":
    main()
