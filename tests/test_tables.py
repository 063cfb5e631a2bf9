"""The documentation's tables are what the scripts that made them say of the shipped ensembles."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "docs" / "tables"
# Tables that say nothing of the shipped ensembles: times, files of others, ensembles of their own.
OTHERS = {
    "comparison", "faults", "reading", "recipes", "refine_labels", "speed", "strangers", "survey",
}  # fmt: skip
NAMES = {path.stem for path in TABLES.iterdir() if path.stem != "made_with"} - OTHERS


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    """The scripts import each other."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))


def same(found, name, **rows):
    """A table is the written one, or some rows of it."""
    written = Table.read(TABLES / f"{name}.ecsv")
    for column, value in rows.items():
        written = written[written[column] == value]
        found = found[found[column] == value]
    assert found.colnames == written.colnames
    for column in found.colnames:
        now, before = np.asarray(found[column]), np.asarray(written[column])
        if now.dtype.kind == "f":
            assert_allclose(now, before, rtol=0, atol=0.0011, err_msg=column)
        else:
            assert_array_equal(now, before, err_msg=column)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_made_with_the_shipped_ensembles(name):
    """Who ships other ensembles makes the tables anew, with tests/benchmarks/tables.py."""
    import made_with

    known = Table.read(TABLES / made_with.NAME)
    known = dict(zip(known["table"], known["ensembles"], strict=True))
    assert known.get(name) == made_with.digests(), f"docs/tables/{name} is stale: make it anew"


def test_accuracy(shared_data):
    """The rows of the shipped ensembles, out of bag."""
    import accuracy

    found = accuracy.main([str(shared_data)], write=False)
    for name, table in found.items():
        same(table, name, **({"method": accuracy.OURS} if name == "accuracy" else {}))


def test_patterns(shared_data):
    """All rows; what is flagged errs beyond what is predicted, others with as many bins do not."""
    import patterns

    for name, table in patterns.main([str(shared_data)], write=False).items():
        same(table, name)
    written = Table.read(TABLES / "patterns.ecsv")
    for kind in ("subsets of bands", "thinned"):
        here = written[written["SEDs"] == kind]
        flagged = np.flatnonzero(here["bins"] == "flagged")[0]
        other = here[flagged + 1]
        assert here["beyond"][flagged] > other["beyond"] + 0.1
        assert here["68%"][flagged] < other["68%"] - 0.1


def test_flags(shared_data):
    """Every line."""
    import bench_flags

    found = list(bench_flags.lines(shared_data / "v2" / "SEDs.zip", None, thin=False))
    assert found == (TABLES / "flags.txt").read_text().splitlines()


def test_simulated(shared_data):
    """Every number."""
    import simulated

    same(simulated.main([str(shared_data)]), "simulated")


def test_services(shared_data):
    """The first table; the other takes longer."""
    import services

    name, table = next(services.tables(shared_data, None))
    lines = (TABLES / f"{name}.rst").read_text().splitlines()
    words = [line.split() for line in lines if not line.startswith("=")]
    found = [line.split() for line in table.pformat(max_lines=-1, max_width=-1)]
    assert [w for line in found if not line[0].startswith("-") for w in line] == [
        w for line in words for w in line
    ]


def test_advice(shared_data):
    """The X-rays, in which advice is hardest."""
    import advice

    table = advice.training_set(shared_data)
    found = advice.studies(np.asarray(table["binned"]), np.asarray(table["label"]), ("xray",))
    (row,) = advice.band_rows(dict(found))
    written = Table.read(TABLES / "advice.ecsv")
    (line,) = written[written["band"] == "xray"]
    for name in ("width", "predicted width", "found width", "correlation", "top quarter", "all"):
        assert_allclose(row[name], line[name], rtol=0, atol=0.0051, err_msg=name)


def test_starlight(shared_data):
    """Every number of the groups."""
    import advice
    import starlight

    rows = starlight.group_rows(shared_data, advice.training_set(shared_data))
    for row, line in zip(rows, Table.read(TABLES / "starlight_groups.ecsv"), strict=True):
        for name, value in row.items():
            if name == "sources":
                assert value == line[name]
            else:
                assert_allclose(value, line[name], rtol=0, atol=0.0011, err_msg=name)
