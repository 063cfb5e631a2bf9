"""Position columns and pairs on the sphere."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from blase_astro.angles import arcsec
from blase_astro.position_columns import PositionColumns, find_position, positions
from blase_astro.sky import SkyIndex, icrs, match_sky, pairs

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


@pytest.mark.parametrize(
    "names", [("GLON", "GLAT"), ("glon", "glat"), ("Glon", "gLAT"), ("L", "B")]
)
def test_named_galactic_columns_are_galactic(names):
    """Whether they are found or named, and whatever the case."""
    table = Table({names[0]: [195.405], names[1]: [-19.636]})
    assert find_position(table, *names) == find_position(table) == (*names, "galactic")


def test_galactic_text_is_no_hours():
    """A galactic longitude as sexagesimal text is in degrees."""
    table = Table({"GLON": ["195:24:18"], "GLAT": ["-19:38:10"]})
    expected = SkyCoord(195.405, -19 - 38 / 60 - 10 / 3600, unit="deg", frame="galactic").icrs
    ra, dec = positions(table, find_position(table))
    np.testing.assert_allclose((ra[0], dec[0]), (expected.ra.deg, expected.dec.deg), atol=1e-9)


def test_a_row_beyond_the_poles_spoils_no_other():
    """-999 and the like mean unknown, as long as the column is one of positions."""
    table = Table({"RA": [10.0, 1e300, -999.0, 20.0], "DEC": [1.0, 2.0, 3.0, 91.0]})
    ra, dec = positions(table, find_position(table))
    np.testing.assert_array_equal(ra, [10, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(dec, [1, np.nan, np.nan, np.nan])


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
        (
            [1.0],
            [91.0],
            "column 'DEC' must lie between -90 and 90 degrees .* got 91 and 1 in row 0",
        ),
        ([[1.0, 2.0]], [1.0], "column 'RA' must hold one angle a row"),
        ([True], [1.0], "column 'RA' must hold angles; its type is bool"),
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
@settings(derandomize=True)
def test_separation_is_that_of_skycoord(ra, dec, angle, sep):
    """Everywhere on the sphere, the wrap and the poles among it."""
    here = SkyCoord(ra, dec, unit="deg")
    there = here.directional_offset_by(angle * u.deg, sep * u.arcsec)
    there_ra, there_dec = np.array([there.ra.deg]), np.array([there.dec.deg])
    here_ra, here_dec = np.array([ra]), np.array([dec])
    sep = here.separation(there).arcsec  # near the poles the offset is not what was asked for
    row, other, found = pairs(here_ra, here_dec, there_ra, there_dec, sep * 1.001)
    assert (row.tolist(), other.tolist()) == ([0], [0])
    np.testing.assert_allclose(found, sep, rtol=1e-6, atol=1e-8)
    assert len(pairs(here_ra, here_dec, there_ra, there_dec, sep * 0.999)[0]) == 0


def test_pairs_are_sorted_and_skip_nan():
    """The nearest first; rows without position have no pair."""
    ra = np.array([10.0, np.nan, 20.0])
    row, other, sep = pairs(ra, np.zeros(3), np.array([10.001, 10.0005]), np.zeros(2), 5)
    assert row.tolist() == [0, 0]
    assert other.tolist() == [1, 0]
    np.testing.assert_allclose(sep, [1.8, 3.6], rtol=1e-6)
    assert len(pairs(np.full(2, np.nan), ra[:2], ra, ra, 5)[0]) == 0


@pytest.mark.parametrize(
    ("radius", "expected"),
    [
        (5, 5),
        (np.float32(2.5), 2.5),
        (0.5 * u.arcmin, 30),
        (Angle(0.01, "deg"), 36),
        ("5", 5),
        ("5arcsec", 5),
        (" 0.1 arcmin ", 6),
        ("1e-2deg", 36),
        ("2'", 120),
        ('3.5"', 3.5),
        ("1°", 3600),
        (".5 ″", 0.5),
    ],
)
def test_a_radius_is_written_in_many_ways(radius, expected):
    """Numbers are arcsec; quantities, angles and text have their unit."""
    assert arcsec(radius) == pytest.approx(expected, rel=1e-6)
    assert isinstance(arcsec(radius), float)


@pytest.mark.parametrize(
    "radius",
    [0, -1, np.nan, np.inf, 90 * 3600, "nan", "-5", "5 km", "", "arcsec", "five", 5 * u.m,
     5 * u.one, [5, 6] * u.arcsec, None, True, [5.0, 6.0], {}],
)  # fmt: skip
def test_what_is_no_radius_is_refused(radius):
    """In words, with what came."""
    with pytest.raises(ValueError, match="radius must be a positive angle in arcsec; got "):
        arcsec(radius)


def test_pairs_and_matches_take_any_radius():
    """A quantity does not switch off the search."""
    near, here = (np.array([10.001]), np.zeros(1)), (np.array([10.0]), np.zeros(1))
    for radius in (5.0, 5 * u.arcsec, "5arcsec", (5 / 60) * u.arcmin):
        assert len(pairs(*near, *here, radius)[0]) == 1
        assert match_sky(near, here, radius)[0].tolist() == [0]
        assert SkyIndex(*here).nearest(*near, radius)[2].tolist() == [1]
    with pytest.raises(ValueError, match="radius must be"):
        pairs(*near, *here, np.nan)


@pytest.mark.parametrize("radius", [0.5, 8.0, 60.0, 7200.0])
def test_everything_within_the_radius_is_found(radius):
    """Whatever part of the radius lies between the declinations, on either side."""
    part = np.linspace(-0.999, 0.999, 41)
    around = np.full(41, 10.0), 5.0 + part * radius / 3600
    found = SkyIndex(np.array([10.0]), np.array([5.0])).nearest(*around, radius)
    assert (found[0] == 0).all()
    np.testing.assert_allclose(found[1], np.abs(part) * radius, atol=1e-6 * radius)


GALACTIC = SkyCoord(195.405, -19.636, unit="deg", frame="galactic")


@pytest.mark.parametrize(
    "position",
    [
        GALACTIC,
        GALACTIC.reshape(1),
        GALACTIC.fk5,
        (GALACTIC.icrs.ra, GALACTIC.icrs.dec),
        (GALACTIC.icrs.ra.deg, GALACTIC.icrs.dec.deg),
        ([GALACTIC.icrs.ra.deg - 360], np.array([GALACTIC.icrs.dec.deg])),
        (GALACTIC.icrs.ra.to(u.rad), GALACTIC.icrs.dec.to(u.arcmin)),
        (GALACTIC.icrs.ra.to_string("hour", sep=":", precision=8), GALACTIC.icrs.dec.to_string()),
    ],
)
def test_a_position_is_written_in_many_ways(position):
    """Sky coordinates of any frame, numbers, quantities, text."""
    ra, dec = icrs(position)
    expected = [GALACTIC.icrs.ra.deg], [GALACTIC.icrs.dec.deg]
    np.testing.assert_allclose((ra, dec), expected, atol=1e-8)
    assert match_sky(position, ([0.0, expected[0][0]], [0.0, expected[1][0]]), 1)[0].tolist() == [1]


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ((10, 91), "declination between -90 and 90 degrees .* got 10, 91"),
        ((1e300, 0), r"right ascension between -720 and 720; got 1e\+300, 0"),
        (([1, 2], [1]), "ra and dec must be equally many; got 2 and 1"),
        ("here", "a position must be a SkyCoord, or a pair"),
        (("here", "there"), "'here' is no angle"),
        (5.0, "a position must be a SkyCoord, or a pair .* got 5.0"),
        ((5 * u.m, 5 * u.deg), "'ra' must be an angle; its unit is m"),
    ],
)
def test_what_a_user_types_wrong_is_refused(position, message):
    """Not taken as unknown, as it is in a file."""
    with pytest.raises(ValueError, match=message):
        icrs(position)


def test_an_unknown_position_stays_unknown():
    """NaN in one is NaN in both, and matches nothing."""
    ra, dec = icrs(([np.nan, 10.0, 20.0], [0.0, np.nan, 5.0]))
    np.testing.assert_array_equal(ra, [np.nan, np.nan, 20])
    np.testing.assert_array_equal(dec, [np.nan, np.nan, 5])


@pytest.mark.parametrize("n", [5, 300])  # one by one, and with a tree
def test_the_nearest_is_that_of_astropy(n):
    """Index, separation and number within the radius; what is no position matches nothing."""
    rng = np.random.default_rng(n)
    ra, dec = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    ra[50:60], dec[50:60] = ra[:10] + 0.001, dec[:10]  # within some 3 arcsec
    at = rng.integers(0, 200, n)
    near_ra = (ra[at] + rng.normal(0, 0.001, n)) % 360
    near_dec = np.clip(dec[at] + rng.normal(0, 0.001, n), -90, 90)
    ra[7], dec[8], near_ra[3], near_dec[4] = np.nan, 91, np.nan, -95
    known = np.isfinite(ra) & (dec <= 90)
    there = SkyCoord(ra[known], dec[known], unit="deg")
    here = SkyCoord(np.delete(near_ra, [3, 4]), np.delete(near_dec, [3, 4]), unit="deg")
    expected, separation, _ = here.match_to_catalog_sky(there)
    within = separation.arcsec <= 5
    index, sep, n_near = match_sky((near_ra, near_dec), (ra, dec), 5)
    assert index[[3, 4]].tolist() == [-1, -1]
    assert n_near[[3, 4]].tolist() == [0, 0]
    index, sep, n_near = (np.delete(a, [3, 4]) for a in (index, sep, n_near))
    np.testing.assert_array_equal(index, np.where(within, np.flatnonzero(known)[expected], -1))
    np.testing.assert_allclose(sep, np.where(within, separation.arcsec, np.nan), atol=1e-6)
    count = (here[:, None].separation(there).arcsec <= 5).sum(axis=1)
    np.testing.assert_array_equal(n_near, count)


def test_nothing_matches_nothing():
    """Empty on either side."""
    empty, one = (np.zeros(0), np.zeros(0)), (np.zeros(1), np.zeros(1))
    assert match_sky(empty, one, 5)[0].shape == (0,)
    assert match_sky(one, empty, 5)[0].tolist() == [-1]


def test_one_column_is_no_position():
    """`--ra X --dec X` was taken, and everything lay on one line of the sky."""
    with pytest.raises(ValueError, match="ra and dec must be two columns; got 'x' for both"):
        find_position(Table({"x": [1.0]}), "x", "x")
