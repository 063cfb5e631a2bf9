"""Estimates of many sources from arrays: grouping, units, blocks, and what is refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from alike import assert_alike
from astropy import units as u
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from blase_astro import estimate, estimate_points
from blase_astro import points as points_module
from blase_astro.io import sed_table
from blase_astro.simulate import simulate_seds

NAMES = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower", "upper_limit", "duplicate")


@pytest.fixture(scope="module")
def simulated():
    """Measurements of 40 simulated SEDs."""
    return simulate_seds(40, seed=3)[0]


@pytest.fixture(scope="module")
def both(ensembles):
    """Small ensembles of both targets."""
    return list(ensembles.values())


@pytest.fixture(scope="module")
def arrays(simulated):
    """The same as arguments, one row a measurement."""
    columns = {name: getattr(simulated, name) for name in NAMES}
    columns |= {name: getattr(simulated, name)[simulated.sed] for name in ("ra", "dec")}
    return columns | {"source": simulated.sed + 100}


def assert_equal(one, other, names=None):
    """Same columns with the same numbers."""
    for name in names or one:
        assert_alike(one[name], other[name], name)


def test_same_as_tables(simulated, arrays, both):
    """Arrays give what SED tables and Points give."""
    found = estimate_points(**arrays, ensemble=both)
    seds = []
    for i in range(len(simulated.name)):
        rows = simulated.sed == i
        meta = {"ra": simulated.ra[i], "dec": simulated.dec[i]}
        seds.append(sed_table(*(getattr(simulated, n)[rows] for n in NAMES[:4]),
                              upper_limit=simulated.upper_limit[rows], meta=meta))  # fmt: skip
    for seds_of_any_kind in (seds, simulated):
        table = estimate(seds_of_any_kind, ensemble=both)
        names = [name for name in table.colnames if name not in ("name", "message")]
        assert set(found) == {"source", *names}
        assert_equal({name: np.asarray(table[name]) for name in names}, found)


def test_offsets(simulated, arrays, both):
    """Rows by offsets are rows by name of their source; a source without rows has its place."""
    counts = np.bincount(simulated.sed, minlength=40)
    inner = {name: arrays[name] for name in NAMES}
    offsets = np.append(0, np.cumsum(counts))
    found = estimate_points(
        None, simulated.ra, simulated.dec, **inner, offsets=offsets, ensemble=both
    )
    assert_equal(
        estimate_points(**arrays, ensemble=both), found, [n for n in found if n != "source"]
    )
    with_empty = np.insert(offsets, [0, 20, 40], offsets[[0, 20, 40]])
    where = np.full(43, 5.0)
    found = estimate_points(None, where, where, **inner, offsets=with_empty, ensemble=both)
    assert list(np.flatnonzero(found["n_points"] == 0)) == [0, 21, 42]
    assert np.isnan(found["nu_peak"][[0, 21, 42]]).all()
    assert (found["peak_flags"][[0, 21, 42]] == 4).all()


@given(st.randoms(use_true_random=False), st.integers(1, 50), st.integers(1, 300))
@settings(max_examples=15)
def test_any_order_any_block(simulated, arrays, both, random, n_sources, n_rows):
    """Neither the order of the rows nor the size of the blocks changes an estimate."""
    order = list(range(len(simulated.sed)))
    random.shuffle(order)
    wanted = estimate_points(**arrays, ensemble=both)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points_module, "_SOURCES", n_sources)
        patch.setattr(points_module, "_ROWS", n_rows)
        shuffled = {name: values[order] for name, values in arrays.items()}
        found = estimate_points(**shuffled, ensemble=both)
    _, first = np.unique(shuffled["source"], return_index=True)
    assert list(found["source"]) == list(shuffled["source"][np.sort(first)])
    back = np.argsort(found["source"])
    assert_equal(wanted, {name: values[back] for name, values in found.items()})


@pytest.mark.parametrize(
    "ids",
    [
        np.array([7, 7, 3], "u8"),
        np.array(["b", "b", "a"]),
        np.array([b"b", b"b", b"a"]),
        np.array(["b", "b", "a"], object),
        np.array([2.5, 2.5, 1.0]),
        np.ma.array([7, 7, 3], mask=False),
        np.array(["2020-01-02", "2020-01-02", "2020-01-01"], "M8[D]"),
        [7, 7, 3],
    ],
    ids=lambda ids: str(getattr(ids, "dtype", "list")),
)
def test_ids_of_any_type(ids, both):
    """What identifies a source comes back as it was."""
    found = estimate_points(ids, 10, 20, [1e9, 1e14, 1e17], [1e-14, 1e-12, 1e-12], ensemble=both)
    assert found["source"].tolist() == np.asarray(ids)[[0, 2]].tolist()
    assert found["n_points"].tolist() == [2, 1]


def test_units_and_masks(arrays, both):
    """Quantities and columns come in any unit; what is masked is missing."""
    wanted = estimate_points(**arrays, ensemble=both)
    table = Table(arrays)
    units = {"ra": "deg", "dec": "deg", "frequency": "Hz"} | dict.fromkeys(
        NAMES[1:4], "erg / (s cm2)"
    )
    quantities = {name: u.Quantity(table[name], unit) for name, unit in units.items()}
    quantities["frequency"] = quantities["frequency"].to("GHz")
    quantities["nufnu"] = quantities["nufnu"].to("W / m2")
    quantities["ra"] = quantities["ra"].to("rad")
    assert_equal(wanted, estimate_points(**(arrays | quantities), ensemble=both))
    no_bounds = np.ma.masked_invalid(arrays["nufnu_upper"])
    assert_equal(wanted, estimate_points(**(arrays | {"nufnu_upper": no_bounds}), ensemble=both))
    masked = np.ma.array(arrays["nufnu"], mask=arrays["source"] == 100)
    found = estimate_points(**(arrays | {"nufnu": masked}), ensemble=both)
    assert found["n_points"][0] == 0
    assert_equal({n: v[1:] for n, v in wanted.items()}, {n: v[1:] for n, v in found.items()})


def test_first_position_that_is_one(both):
    """A source whose first rows have no position has that of a later one, never another's."""
    nan, m = np.nan, 7
    ra, dec = [nan, 5, 6, nan, 400.0, nan, nan], [1, 91, 2, nan, 3, nan, nan]
    source = ["a", "a", "a", "b", "b", "c", "c"]
    found = estimate_points(source, ra, dec, np.full(m, 1e9), np.full(m, 1e-14), ensemble=both)
    np.testing.assert_array_equal(found["ra"], [6, 40, nan])
    np.testing.assert_array_equal(found["dec"], [2, 3, nan])


def test_nothing(both):
    """No measurement gives no row, with the right columns."""
    empty = np.zeros(0)
    found = estimate_points(np.zeros(0, "U5"), empty, empty, empty, empty, ensemble=both)
    some = estimate_points(["abcde"], [1], [1], [1e9], [1e-14], ensemble=both)
    assert {n: v.dtype for n, v in found.items()} == {n: v.dtype for n, v in some.items()}
    assert {len(values) for values in found.values()} == {0}


def test_own_population(arrays, both):
    """All sources where they are few, as for a list of SEDs; every k-th where they are many."""
    said = []
    found = estimate_points(**arrays, ensemble=both, population="self", say=said.append)
    points = simulate_seds(40, seed=3)[0]
    table = estimate(points, ensemble=both, population="self")
    np.testing.assert_allclose(found["log_nu_peak"], table["log_nu_peak"], atol=1e-6)
    assert "of 40 SEDs" in said[0]
    wanted = None
    for size in (7, 2048):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(points_module, "_ENOUGH", 10)
            patch.setattr(points_module, "_SOURCES", size)
            found = estimate_points(**arrays, ensemble=both, population="self", say=said.append)
        assert "of 10 SEDs" in said[-1]
        wanted = wanted or found
        assert_equal(wanted, found)


def test_threads(arrays, both):
    """Several threads at once get what one gets."""
    wanted = estimate_points(**arrays, ensemble=both)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: estimate_points(**arrays, ensemble=both), range(8)):
            assert_equal(wanted, found)


def test_progress(arrays, both):
    """Told how many sources are done."""
    told = []
    estimate_points(**arrays, ensemble=both, progress=lambda *done: told.append(done))
    assert told == [(40, 40)]


GOOD = {"source": [1, 1], "ra": [1, 1], "dec": [1, 1], "frequency": [1e9, 1e9], "nufnu": [1, 1]}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nufnu": [1.0]}, "nufnu: wanted 2 values, one a measurement, got 1"),
        ({"ra": [1.0]}, "ra: wanted 2 values, one a measurement, got 1"),
        ({"source": [1, None]}, "source: row 1 has none"),
        ({"source": [1.0, np.nan]}, "source: row 1 has none"),
        ({"source": np.ma.array([1, 2], mask=[1, 0])}, "source: row 0 has none"),
        ({"source": np.array(["a", 2], object)}, "source: wanted values of one type"),
        ({"frequency": ["1e9", "1e9"]}, "frequency: wanted numbers, got values of type"),
        ({"nufnu": [[1, 2], [3, 4]]}, "nufnu: wanted one value a row"),
        ({"nufnu": [1, 1] * u.m}, "nufnu.*wanted one that converts to erg"),
        ({"nufnu": [1, 1] * u.Jy}, r"nu F_nu is the frequency times the flux density"),
        ({"frequency": None}, "frequency: wanted one value a measurement, got None"),
        ({"nufnu": None}, "nufnu: wanted one value a measurement, got None"),
        ({"offsets": [0, 3]}, "offsets: wanted whole numbers"),
        ({"offsets": [1, 0]}, "offsets: wanted whole numbers"),
        ({"offsets": [0.0, 2.0]}, "offsets: wanted whole numbers"),
        ({"offsets": [0, 2]}, "source: wanted 1 values, one a source, got 2"),
        ({"upper_limit": ["no", "no"]}, "upper_limit: wanted numbers"),
        ({"level": 2}, "level must be a probability"),
    ],
)  # fmt: skip
def test_refused(changed, words, both):
    """What does not fit is said, by its name."""
    with pytest.raises(ValueError, match=words):
        estimate_points(**(GOOD | changed), ensemble=both)


def test_unknown_option(both):
    """A misspelt option is not swallowed."""
    with pytest.raises(TypeError, match="did you mean level"):
        estimate_points(**GOOD, ensemble=both, levle=0.9)
