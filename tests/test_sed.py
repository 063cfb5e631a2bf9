"""Usable points and bins."""

import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st

from blase_astro.io.table import sed_table
from blase_astro.sed import (
    BIN_EDGES,
    bin_points,
    bin_seds,
    load_bins,
    points_from_seds,
    unusable_reason,
    usable,
)

NAN = np.nan
# frequency, nufnu, upper, lower, limit, catalog, reason it does not count
ROWS = [
    (1e9, 1e-14, NAN, NAN, False, "NVSS", ""),
    (1e9, 1e-14, 1.1e-14, 0.9e-14, False, "NVSS", ""),
    (1e9, 1e-14, 1e-14, 1e-14, False, "NVSS", ""),
    (1e9, 1e-14, 2e-14, -1e-14, False, "BMW", ""),
    (1e9, -1e-14, 1.1e-14, 0.9e-14, False, "GB6", ""),
    (1e9, -1e-14, NAN, NAN, False, "GB6", "negative flux"),
    (1e9, -1e-14, 1e-14, -3e-14, False, "GLEAMV2", "negative flux"),
    (1e9, 3e-14, 2e-14, 1e-14, False, "2MASS", "flux outside its bounds"),
    (1e9, 1e-14, 1e-14, 2e-14, False, "2MASS", "flux outside its bounds"),
    (1e9, 1e-14, np.inf, 0.5e-14, False, "2MASS", "flux outside its bounds"),
    (1e9, 1e-16, 7e-12, 0, True, "2FHL", "upper limit"),
    (1e9, 0, NAN, NAN, False, "OUSXB", "no flux"),
    (1e9, NAN, NAN, NAN, False, "EPRS", "no flux"),
    (1e9, np.inf, NAN, NAN, False, "PanSTARRS", "no flux"),
    (NAN, 1e-14, NAN, NAN, False, "NVSS", "no frequency"),
    (0, 1e-14, NAN, NAN, False, "NVSS", "no frequency"),
    (0.5, 1e-14, NAN, NAN, True, "NVSS", "upper limit"),
    (1e25, 1e-12, 2e-12, 0.5e-12, False, "DEBL", "EBL-corrected copy"),
]


def make(rows):
    """SED table of rows like those of ROWS."""
    nu, flux, upper, lower, limit, catalog = (list(column) for column in zip(*rows, strict=True))
    return sed_table(nu, flux, upper, lower, upper_limit=limit, catalog=catalog)


@pytest.mark.parametrize("row", ROWS)
def test_usable_rule(row):
    """Each state of a row counts or not, and says why."""
    sed = make([row[:-1]])
    points = points_from_seds([sed])
    assert usable(*points[6:])[0] == (row[-1] == "")
    assert unusable_reason(sed)[0] == row[-1]


def test_bin_edges_are_the_26_of_the_original():
    """The bins rise, do not overlap, and have the gaps that they should have."""
    assert BIN_EDGES.shape == (26, 2)
    assert np.all(BIN_EDGES[:, 0] < BIN_EDGES[:, 1])
    gaps = np.flatnonzero(BIN_EDGES[1:, 0] > BIN_EDGES[:-1, 1])
    assert BIN_EDGES[gaps, 1].tolist() == [9.5, 19.7]
    assert np.all(BIN_EDGES[1:, 0] >= BIN_EDGES[:-1, 1])


def test_unknown_bins():
    """An unknown bin set is named, with the known ones."""
    with pytest.raises(ValueError, match="no bin set named 'v9'; wanted one of v1"):
        load_bins("v9")


def test_bin_mean_by_hand():
    """Two points of a bin are averaged in log; empty bins are NaN; the count is right."""
    sed = make([(1.4e9, 1e-14, NAN, NAN, False, ""), (1.6e9, 1e-12, NAN, NAN, False, "")])
    binned, n_points = bin_points(points_from_seds([sed, sed[:0]]))
    assert binned.dtype == np.float32
    assert binned.shape == (2, 26)
    assert binned[0, 2] == pytest.approx(-13)
    assert np.isnan(np.delete(binned[0], 2)).all()
    assert np.isnan(binned[1]).all()
    assert n_points.tolist() == [2, 0]


def test_no_sed_at_all():
    """No SED gives no row, still two-dimensional."""
    assert bin_seds([]).shape == (0, 26)


def frequency_of(log_nu):
    """The frequency whose log10 is a number to the last bit, None if there is none."""
    near = [10.0**log_nu]
    for towards in (0, np.inf):
        nu = near[0]
        for _ in range(64):
            nu = np.nextafter(nu, towards)
            near.append(nu)
    return next((nu for nu in near if np.log10(nu) == log_nu), None)


EDGES_HIT = [edge for edge in np.unique(BIN_EDGES) if frequency_of(edge) is not None]


def test_most_edges_can_be_hit():
    """The test below is about something."""
    assert len(EDGES_HIT) > 20


@pytest.mark.parametrize("edge", EDGES_HIT)
def test_edge_counts_once(edge):
    """A point on an edge is in the bin that begins there, or in none; below it in the other."""
    on = frequency_of(edge)
    below = on * (1 - 1e-12)
    for nu, expected in (
        (on, BIN_EDGES[:, 0] == edge),
        (below, BIN_EDGES[:, 1] == edge),
    ):
        binned, n_points = bin_points(points_from_seds([make([(nu, 1e-13, NAN, NAN, False, "")])]))
        np.testing.assert_array_equal(np.isfinite(binned[0]), expected)
        assert n_points[0] == expected.sum()


points_strategy = st.lists(
    st.tuples(
        st.floats(6.5, 28),
        st.floats(-18, -8),
        st.sampled_from(["", "DEBL", "NVSS"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


@given(points_strategy, st.randoms())
def test_order_does_not_matter_and_bins_lie_within(rows, random):
    """Row order does not change the bins; a bin lies within its members' range."""
    sed = make([(10**x, 10**y, NAN, NAN, limit, catalog) for x, y, catalog, limit in rows])
    shuffled = sed[random.sample(range(len(sed)), len(sed))]
    binned = bin_seds([sed])[0]
    np.testing.assert_allclose(binned, bin_seds([shuffled])[0], rtol=1e-6)
    good = unusable_reason(sed) == ""
    x, y = np.log10(sed["frequency"][good]), np.log10(sed["nufnu"][good])
    for (lo, hi), mean in zip(BIN_EDGES, binned, strict=True):
        members = y[(x >= lo) & (x < hi)]
        assert np.isnan(mean) == (len(members) == 0)
        if len(members):
            assert members.min() - 2e-6 <= mean <= members.max() + 2e-6


def test_units_are_converted_and_qtables_work():
    """A table in other units, or of Quantities, gives the same bins."""
    sed = make([row[:-1] for row in ROWS])
    other = sed.copy()
    other["frequency"] = (other["frequency"].filled(np.nan) / 1e9).astype(float)
    other["frequency"].unit = "GHz"
    expected = bin_seds([sed])
    np.testing.assert_allclose(bin_seds([other]), expected)
    np.testing.assert_allclose(bin_seds([QTable(sed)]), expected)


def test_masked_limit_is_no_detection():
    """Whether a row is a limit must be known for it to count."""
    sed = make([ROWS[0][:-1]] * 2)
    sed["upper_limit"].mask = [False, True]
    assert unusable_reason(sed).tolist() == ["", "upper limit"]
