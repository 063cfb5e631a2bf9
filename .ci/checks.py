"""Checks of the gate that need more than a line of shell: python .ci/checks.py NAME [ARGUMENT]."""

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What the suite's environment cannot import; the step lsdb watches its coverage itself.
ELSEWHERE = {"blase_astro/lsdb.py"}


def readme(number):
    """Print one of the two commands of the README, exactly as they stand there."""
    text = (ROOT / "README.rst").read_text()
    blocks = re.findall(r"^\.\. code-block:: bash\n\n((?: {3,}.*\n)+)", text, re.MULTILINE)
    if len(blocks) != 2:
        return f"wanted two bash blocks in README.rst, found {len(blocks)}"
    print(re.sub(r"^ {3}", "", blocks[int(number) - 1], flags=re.MULTILINE), end="")


def coverage(path):
    """No module is untested."""
    files = json.loads(Path(path).read_text())["files"]
    there = {str(p.relative_to(ROOT)) for p in ROOT.glob("blase_astro/**/*.py")}
    low = {
        name: file["summary"]["percent_covered"]
        for name, file in files.items()
        if name not in ELSEWHERE
    }
    poor = [f"{name} {percent:.0f} %" for name, percent in low.items() if percent < 75]
    missing = sorted(there - set(files))
    if poor or missing:
        return f"hardly tested: {', '.join(poor + missing)}"
    print(f"each of {len(low)} modules is covered by at least {min(low.values()):.0f} %")


def import_time():
    """Importing the package takes at most 1.5 times as long as importing astropy.table."""

    def seconds(module):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        return time.perf_counter() - start

    modules = "blase_astro", "astropy.table"
    for module in modules:
        seconds(module)  # compiles to bytecode
    # In turn, so that whatever else the machine does falls on both.
    times = zip(*([seconds(module) for module in modules] for _ in range(11)), strict=True)
    ours, theirs = map(statistics.median, times)
    print(f"import blase_astro {ours:.3f} s, import astropy.table {theirs:.3f} s")
    if ours > 1.5 * theirs:
        return f"import blase_astro takes {ours / theirs:.2f} times import astropy.table"


def docstrings():
    """The docstrings have numpydoc's form (settings: pyproject.toml)."""
    from numpydoc.hooks.validate_docstrings import run_hook

    return run_hook([str(p) for p in sorted((ROOT / "blase_astro").glob("**/*.py"))])


CHECKS = {f.__name__: f for f in (readme, coverage, import_time, docstrings)}

if __name__ == "__main__":
    sys.exit(CHECKS[sys.argv[1]](*sys.argv[2:]))
