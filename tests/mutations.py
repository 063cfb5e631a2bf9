"""Does a test fail when a line of the science is wrong?

Changes one line at a time in a copy of the tree and runs the tests that should notice: first the
changes of `BY_HAND`, mistakes that were made or nearly made; then some of those that
`made_mutants` finds (a comparison, sign, number or call turned into its neighbour), drawn with a
fixed seed, evenly from all modules, up to the number asked for. Run by hand:

    python tests/mutations.py -n 100 --data DATA -o mutations.ecsv

What survives is printed: a line that no test pins, or a change that changes nothing; the latter
belong to `SAME`, with the reason.
"""

import argparse
import ast
import builtins
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = "blase_astro"

# The tests that should notice, the quickest first. Modules that are not there are left out.
TESTS = {
    "angles": ["sky"],
    "sky": ["sky", "joins", "ensemble"],
    "position_columns": ["sky"],
    "joins": ["joins", "catalog"],
    "targets": ["targets", "report", "dataset"],
    "sed": ["sed", "golden"],
    "ensemble": ["ensemble", "golden"],
    "networks": ["ensemble", "golden"],
    "distribution": ["distribution", "golden"],
    "population": ["population"],
    "calibration": ["calibration", "golden", "refine"],
    "flags": ["catalog", "golden"],
    "rest": ["rest"],
    "times": ["times"],
    "bands/photometry": ["bands"],
    "bands/merge": ["bands"],
    "evaluate/scores": ["evaluate"],
    "evaluate/groups": ["evaluate"],
    "evaluate/labels": ["refine", "report"],
    "evaluate/comparison": ["report"],
    "training/dataset": ["dataset"],
    "training/pools": ["dataset"],
    "training/network": ["train"],
    "training/train": ["train"],
    "simulate/sampling": ["golden", "simulate"],
    "simulate/physics": ["golden", "simulate"],
    "simulate/observation": ["golden", "simulate"],
}
# Modules that are changed by hand alone.
ALSO = {"catalog_rows": ["catalog"], "io/fits_tables": ["append"]}

# (module, what stands there, what is wrong)
BY_HAND = [
    ("networks", "ZERO_LEVEL = -12.0", "ZERO_LEVEL = -11.0"),
    ("networks", "MIN_VARIANCE = 1e-4", "MIN_VARIANCE = 1e-3"),
    ("training/train", "np.where(pattern >= 0, bag[pattern], -1)", "np.full(len(pattern), -1)"),
    ("training/train", "sampling=sampling)", "sampling=None)"),
    (
        "training/pools",
        "np.flatnonzero(np.concatenate([bag, sim_bag]) != left_out)",
        "np.flatnonzero(np.concatenate([bag, np.full_like(sim_bag, -1)]) != left_out)",
    ),
    ("training/pools", "np.arange(len(label)) >= n", "np.zeros(len(label), bool)"),
    ("training/pools", "np.arange(len(label)) >= n", "np.ones(len(label), bool)"),
    ("training/network", "for rows in pool.train:", "for rows in [slice(None)] * len(pool.train):"),
    ("training/network", "loss = loss / weight", "loss = loss * 1.0"),
    ("training/network", "pool.simulated & (", "(pool.simulated | True) & ("),
    ("training/network", "pool.simulated & (", "(pool.simulated & False) & ("),
    (
        "training/dataset",
        "match_sky((ra, dec), at, radius)",
        "match_sky((ra, dec), at, 60 * radius)",
    ),
    ("evaluate/labels", "q <= false_discovery", "q <= 2 * false_discovery"),
    ("evaluate/labels", "out_of_bag(e, level=level)", "out_of_bag(e)"),
    ("flags", "(median > label.max())", "(median > label.max() + 99)"),
    ("flags", "(median < label.min())", "(median < label.min() - 99)"),
    ("flags", "[0.5 - level / 2, 0.5 + level / 2]", "[0.025, 0.975]"),
    ("position_columns", 'hours = columns.frame != "galactic"', "hours = True"),
    ("position_columns", "usual = known.get((ra.lower(), dec.lower()))", "usual = None"),
    ("calibration", "_FEWEST = 60", "_FEWEST = 80"),
    ("calibration", "_FEWEST = 60", "_FEWEST = 40"),
    (
        "networks",
        "members = [(b, m) for b in bags for m",
        "members = [(0, m) for b in bags for m",
    ),
    ("sed", 'side="right"', 'side="left"'),
    ("sed", "log_nu < edges[column, 1]", "log_nu <= edges[column, 1]"),
    ("catalog_rows", "flags[~has & (n_near > 1)] |= Flag.AMBIGUOUS_MATCH", "pass"),
    ("io/fits_tables", 'header["THEAP"] += width * header["NAXIS2"]', "pass"),
]

# (module, line) that may be changed without anything changing but the time it takes.
SAME = {
    ("sky", "_FEW = 2**18  # distances to compute one by one: importing scipy's tree takes longer"),
    ("networks", "_CHUNK = 256 - 2 * _EDGE"),
    ("networks", "_MULTIPLE = 16"),
    ("flags", "_AT_ONCE = 64"),
    # A bound for the search alone: what is found is compared with the radius itself.
    (
        "sky",
        "distance, nearest = self._tree.query(points, distance_upper_bound=chord * (1 + 1e-9))",
    ),
    ("joins", 'base = name.rsplit("/", 1)[-1]'),  # the last part of more parts
    ("training/dataset", 'name = name.rsplit("/", 1)[-1]'),
    ("training/dataset", "label = np.full((len(ra), 2), np.nan)"),  # a third is asked of nobody
    # What it is divided by goes out again with the sum of the probabilities.
    ("training/pools", "filled = np.isfinite(binned[column == k]).sum(axis=0)"),
    ("evaluate/comparison", "index[repeated] = -1"),  # any negative number is none
    # Any negative number is no limit.
    (
        "evaluate/comparison",
        'max_lines=-1, max_width=-1, align=["<", *[">"] * (len(short.columns) - 1)]',
    ),
    # Few points are compared one by one, many with a tree: it takes longer, and finds the same.
    ("sky", "if len(points) <= 64 and len(points) * len(self._vectors) <= self._FEW:"),
}


class Mutant(NamedTuple):
    """One change: from where to where in the text of a module, and what stands there then."""

    module: str
    start: int
    end: int
    text: str
    line: int
    shown: str


def mutant_of(module, raw, start, end, new):
    """A change, with the line before and after."""
    line = raw[:start].count(b"\n") + 1
    changed = raw[:start] + new.encode() + raw[end:]
    before, after = (text.decode().splitlines()[line - 1].strip() for text in (raw, changed))
    shown = f"{module}.py:{line}: {before}\n      -> {after}"
    return Mutant(module, start, end, new, line, shown)


COMPARED = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
}  # fmt: skip
COMPUTED = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.BitAnd: "|",
            ast.BitOr: "&", ast.Pow: "*"}  # fmt: skip
CALLED = {
    "maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max", "argmin": "argmax",
    "argmax": "argmin", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor",
    "mean": "median", "sum": "mean", "log10": "log", "cos": "sin", "sin": "cos",
}  # fmt: skip


def made_mutants(module):
    """All changes of one module that this script knows to make."""
    text = source(ROOT, module).read_text()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    raw = text.encode()

    def at(line, column):
        return starts[line - 1] + column

    def change(start, end, new):
        mutant = mutant_of(module, raw, start, end, new)
        if (module, raw.decode().splitlines()[mutant.line - 1].strip()) not in SAME:
            found.append(mutant)

    def between(left, right, new):
        """The operator between two operands."""
        start, end = at(left.end_lineno, left.end_col_offset), at(right.lineno, right.col_offset)
        operator = raw[start:end].decode()
        old = operator.strip(" ()\n")
        if old and "#" not in old:
            begin = start + operator.index(old)
            change(begin, begin + len(old), new)

    found = []
    for node in science(ast.parse(text)):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
            between(node.left, node.comparators[0], COMPARED[type(node.ops[0])])
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
            between(node.left, node.right, COMPUTED[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            word = "or" if isinstance(node.op, ast.And) else "and"
            between(node.values[0], node.values[1], word)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Invert, ast.Not)):
            start = at(node.lineno, node.col_offset)
            change(start, start + len("~" if isinstance(node.op, ast.Invert) else "not "), "")
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            start, end = (
                at(node.lineno, node.col_offset),
                at(node.end_lineno, node.end_col_offset),
            )
            more = float(f"{node.value * 1.5:.12g}") or 0.5
            new = node.value + 1 if isinstance(node.value, int) else more
            change(start, end, repr(new))
        elif isinstance(node, ast.Call):
            name = node.func
            word = getattr(name, "attr", getattr(name, "id", ""))
            if word in CALLED and (
                isinstance(name, ast.Attribute) or CALLED[word] in dir(builtins)
            ):
                end = at(name.end_lineno, name.end_col_offset)
                change(end - len(word), end, CALLED[word])
    return found


def science(node):
    """The nodes of what is computed: no message, no documentation, no import, no annotation."""
    for child in ast.iter_child_nodes(node):
        skipped = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert, ast.arg)
        if not isinstance(child, skipped) and child is not getattr(node, "returns", None):
            yield child
            yield from science(child)


def source(tree, module):
    """File of a module."""
    return tree / PACKAGE / f"{module}.py"


def written_mutants():
    """The changes of `BY_HAND`; a line that is there no more is an error of this script."""
    found, stale = [], []
    for module, old, new in BY_HAND:
        path = source(ROOT, module)
        text = path.read_text() if path.is_file() else ""
        if old not in text:
            stale.append(f"{module}: {old}")
            continue
        start = len(text[: text.index(old)].encode())
        found.append(mutant_of(module, text.encode(), start, start + len(old.encode()), new))
    return found, stale


def drawn_mutants(n, seed):
    """Some of all changes, evenly from all modules."""
    rng = random.Random(seed)
    lots = []
    for module in TESTS:
        if source(ROOT, module).is_file():
            lot = made_mutants(module)
            rng.shuffle(lot)
            lots.append(lot)
    chosen = []
    while len(chosen) < n and any(lots):
        for lot in lots:
            if lot and len(chosen) < n:
                chosen.append(lot.pop())
    return chosen


def copy_tree(folder):
    """A copy of what the tests need."""
    for name in (PACKAGE, "tests", "catalogs", "docs"):
        ignored = shutil.ignore_patterns("__pycache__", "_build", "generated")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def tests_of(module):
    """Files of the tests that should notice a change of a module, its own examples among them."""
    files = [f"tests/test_{name}.py" for name in (TESTS | ALSO)[module]]
    return [name for name in files if (ROOT / name).is_file()] + [f"{PACKAGE}/{module}.py"]


def run(tree, tests, data, timeout):
    """Whether the tests pass, and the name of the first that fails."""
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        # Each copy its own, as pytest clears away what others left.
        "PYTEST_DEBUG_TEMPROOT": str(tree),
    }
    if data is not None:
        environment["BLASE_TEST_DATA"] = str(data)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return False, "(takes too long)"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, failed[0] if failed else done.stdout[-200:]


def judge(mutant, tree, data, timeout):
    """Whether a test fails with the change, and which."""
    path = source(tree, mutant.module)
    original = path.read_bytes()
    changed = original[: mutant.start] + mutant.text.encode() + original[mutant.end :]
    try:
        path.write_bytes(changed)
        passed, failed = run(tree, tests_of(mutant.module), data, timeout)
    finally:
        path.write_bytes(original)
    return not passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=100, help="how many changes (default: 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="folder of real SEDs, for the tests that need it")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--module", action="append", help="only these, like evaluate/scores")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("-o", "--output", help="table of all changes, .ecsv")
    options = parser.parse_args()
    for modules in (TESTS, ALSO):
        for module in list(modules):
            if options.module and module not in options.module:
                del modules[module]
    by_hand, stale = written_mutants()
    by_hand = [mutant for mutant in by_hand if mutant.module in TESTS | ALSO]
    mutants = [*by_hand, *drawn_mutants(max(0, options.n - len(by_hand)), options.seed)]
    rows = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        trees = Queue()
        for i in range(options.jobs):
            trees.put(copy_tree(Path(folder) / str(i)))
        tests = sorted({name for mutant in mutants for name in tests_of(mutant.module)})
        tree = trees.get()
        passed, failed = run(tree, tests, options.data, 3600)
        trees.put(tree)
        if not passed:
            sys.exit(f"the tests fail without any change: {failed}")

        def one(mutant):
            tree, start = trees.get(), time.perf_counter()
            try:
                killed, by = judge(mutant, tree, options.data, options.timeout)
            finally:
                trees.put(tree)
            seconds = time.perf_counter() - start
            print(
                f"{'killed  ' if killed else 'SURVIVES'} {seconds:5.1f} s {mutant.shown}",
                flush=True,
            )
            rows.append((mutant.module, mutant.line, mutant.shown, killed, by if killed else ""))

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(one, mutants))
    n_killed = sum(row[3] for row in rows)
    print(f"{n_killed} of {len(rows)} killed")
    for line in stale:
        print(f"stale, look for its new place: {line}")
    if options.output:
        from astropy.table import Table

        names = ["module", "line", "change", "killed", "by"]
        Table(rows=sorted(rows), names=names).write(options.output, overwrite=True)
    return 0 if n_killed == len(rows) and not stale else 1


if __name__ == "__main__":
    sys.exit(main())
