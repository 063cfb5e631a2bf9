"""Position columns and pairs on the sphere."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from blase_astro.sky import PositionColumns, find_position, pairs, positions

ORDER = [
    ("RA_Counterpart", "DEC_Counterpart", "icrs"),
    ("RAJ2000", "DEJ2000", "icrs"),
    ("RA", "DEC", "icrs"),
    ("RAdeg", "DEdeg", "icrs"),
    ("_RAJ2000", "_DEJ2000", "icrs"),
    ("GLON", "GLAT", "galactic"),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_columns_are_found_in_the_documented_order(first):
    """The counterpart before the centroid before the rest, whatever comes first in the table."""
    table = Table({name: [1.0] for pair in reversed(ORDER[first:]) for name in pair[:2]})
    assert find_position(table) == ORDER[first]


def test_case_does_not_matter_but_is_kept():
    """A catalog may write its names in any case."""
    assert find_position(Table({"ra": [1.0], "Dec": [2.0]})) == ("ra", "Dec", "icrs")


def test_sky_coordinates_come_first():
    """A column of sky coordinates needs no names."""
    table = QTable({"where": SkyCoord([10], [20], unit="deg", frame="galactic"), "RA": [1.0]})
    columns = find_position(table)
    assert columns == ("where", "", "icrs")
    ra, dec = positions(table, columns)
    expected = SkyCoord(10, 20, unit="deg", frame="galactic").icrs
    np.testing.assert_allclose((ra[0], dec[0]), (expected.ra.deg, expected.dec.deg))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ra": "RA"}, "ra and dec must be given together; got ra='RA', dec=None"),
        ({"ra": "RA", "dec": "d"}, "the catalog has no column 'd'; it has RA, x"),
        ({"frame": "ecliptic"}, "frame must be one of icrs, fk5, fk4, galactic; got 'ecliptic'"),
        ({}, "no position columns found among RA, x; wanted a pair like"),
    ],
)
def test_missing_columns_are_named(options, message):
    """What was wanted and what the catalog has."""
    with pytest.raises(ValueError, match=message):
        find_position(Table({"RA": [1.0], "x": [1.0]}), **options)


def test_header_declares_the_frame():
    """RADESYS counts where the names say nothing; an option counts more."""
    table = Table({"RA": [10.0], "DEC": [20.0], "RAJ2000": [1.0]}, meta={"RADECSYS": "FK4"})
    assert find_position(table).frame == "fk4"
    assert find_position(table, frame="icrs").frame == "icrs"
    expected = SkyCoord(10, 20, unit="deg", frame="fk4").icrs
    ra, dec = positions(table, find_position(table))
    np.testing.assert_allclose((ra[0], dec[0]), (expected.ra.deg, expected.dec.deg))


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        (["05:09:26.0"], ["+05:41:35.4"]),
        (["5h09m26.0s"], ["5d41m35.4s"]),
        (["05 09 26.0"], ["5 41 35.4"]),
        ([b"05:09:26.0"], [b"+05:41:35.4"]),
        (["77d21m30s"], ["5°41′35.4″"]),
        (["77.358333333"], ["5.693166667"]),
        ([77.358333333] * u.deg, [5.693166667] * u.deg),
        ([77.358333333 / 15] * u.hourangle, [5.693166667 * 60] * u.arcmin),
        ([77.358333333 / 15] * u.hour, [5.693166667] * u.deg),
        (np.radians([77.358333333]) * u.rad, np.radians([5.693166667]) * u.rad),
        ([77.358333333 + 360], [5.693166667]),
        ([77.358333333 - 360], [5.693166667]),
    ],
)
@pytest.mark.parametrize("kind", [Table, QTable])
def test_units_and_texts_are_understood(kind, ra, dec):
    """The same position in every way that catalogs write it."""
    table = kind({"RA": ra, "DEC": dec})
    found = np.ravel(positions(table, find_position(table)))
    np.testing.assert_allclose(found, (77.358333333, 5.693166667), atol=1e-7)


def test_negative_zero_degrees():
    """The sign of -0 degrees is not lost."""
    table = Table({"RA": ["00:00:00"], "DEC": ["-00:30:00"]})
    assert positions(table, find_position(table))[1][0] == -0.5


def test_missing_positions_are_nan():
    """NaN, masked, empty: both coordinates NaN, no error."""
    ra = MaskedColumn([1.0, np.nan, 3.0, np.inf], mask=[True, False, False, False])
    table = Table({"RA": ra, "DEC": ["1", "2", "", "4"]})
    assert np.isnan(positions(table, find_position(table))).all()


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ([1.0], [91.0], "column 'DEC' must lie between -90 and 90 degrees; got 91.0 in row 0"),
        ([1.0] * u.m, [1.0], "column 'RA' must be an angle; its unit is m"),
        (["12:61:00"], [1.0], "column 'RA', row 0: '12:61:00' is no angle; wanted degrees or"),
        (["here"], [1.0], "column 'RA', row 0: 'here' is no angle"),
    ],
)
def test_what_is_no_position_is_refused(ra, dec, message):
    """With the column, the row and the value."""
    table = Table({"RA": ra, "DEC": dec})
    with pytest.raises(ValueError, match=message):
        positions(table, PositionColumns("RA", "DEC", "icrs"))


@given(
    ra=st.floats(0, 360),
    dec=st.floats(-90, 90),
    angle=st.floats(0, 360),
    sep=st.floats(0.01, 60),
)
@settings(deadline=None, derandomize=True)
def test_separation_is_that_of_skycoord(ra, dec, angle, sep):
    """Everywhere on the sphere, the wrap and the poles among it."""
    here = SkyCoord(ra, dec, unit="deg")
    there = here.directional_offset_by(angle * u.deg, sep * u.arcsec)
    there_ra, there_dec = np.array([there.ra.deg]), np.array([there.dec.deg])
    here_ra, here_dec = np.array([ra]), np.array([dec])
    row, other, found = pairs(here_ra, here_dec, there_ra, there_dec, sep * 1.001)
    assert (row.tolist(), other.tolist()) == ([0], [0])
    np.testing.assert_allclose(found, sep, rtol=1e-4, atol=1e-5)
    assert len(pairs(here_ra, here_dec, there_ra, there_dec, sep * 0.999)[0]) == 0


def test_pairs_are_sorted_and_skip_nan():
    """The nearest first; rows without position have no pair."""
    ra = np.array([10.0, np.nan, 20.0])
    row, other, sep = pairs(ra, np.zeros(3), np.array([10.001, 10.0005]), np.zeros(2), 5)
    assert row.tolist() == [0, 0]
    assert other.tolist() == [1, 0]
    np.testing.assert_allclose(sep, [1.8, 3.6], rtol=1e-6)
    assert len(pairs(np.full(2, np.nan), ra[:2], ra, ra, 5)[0]) == 0
