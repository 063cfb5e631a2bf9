"""Joins of two tables: by position, by name."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from blase_astro.joins import join_names, join_sky


def test_positions_are_joined_one_to_one_the_nearest_first():
    """Row 0 loses the SED to row 1, which lies nearer, and takes none that is left farther off."""
    rows = np.array([10.0, 10.0005, 40.0]), np.zeros(3)
    index, ambiguous = join_sky(rows, ([40.0, 10.0006, np.nan], [0.0, 0.0, 0.0]), 5)
    assert index.tolist() == [-1, 1, 0]
    assert ambiguous.tolist() == [True, True, False]
    index, ambiguous = join_sky(rows, ([10.0006, 9.9995], [0.0, 0.0]), 5)
    assert index.tolist() == [1, 0, -1]
    assert ambiguous.tolist() == [True, True, False]


def test_sky_coordinates_are_joined():
    """Of any frame, with any radius."""
    here = SkyCoord([10, 20], [0, 0], unit="deg")
    assert join_sky(here.galactic, here[::-1].fk5, 1 * u.arcsec)[0].tolist() == [1, 0]


def test_what_is_no_position_is_not_joined():
    """Declination 91 in both is not the same place."""
    index, ambiguous = join_sky(([10.0], [91.0]), ([10.0], [91.0]), 5)
    assert (index.tolist(), ambiguous.tolist()) == ([-1], [False])


@pytest.mark.parametrize(
    ("wanted", "names", "index", "ambiguous"),
    [
        (["B", "A"], ["A", "B"], [1, 0], [0, 0]),
        (["A.txt", "B"], ["seds/B.txt", "seds/A.txt"], [1, 0], [0, 0]),
        (["seds/A", "seds/B.txt"], ["seds/A.txt", "seds/B.txt"], [0, 1], [0, 0]),
        (["A.txt"], ["A"], [0], [0]),  # the catalog may say more than the file
        (["A"], ["A.txt", "A"], [1], [0]),  # the same name before a like one
        (["A"], ["x/A.txt", "y/A.txt"], [0], [1]),
        (["A"], ["A", "A"], [0], [1]),  # an archive may hold a name twice: the first is taken
        (["x/A.txt"], ["A.txt", "y/B"], [0], [0]),
        (["x/A.txt"], ["y/A.txt"], [0], [0]),  # another folder, but there is no other A
        (["1/sed.txt", "2/sed.txt"], ["1/sed.txt"], [0, -1], [0, 0]),
        (["3/sed.txt"], ["1/sed.txt", "2/sed.txt"], [-1], [0]),
        (["", "C"], ["", "A"], [-1, -1], [0, 0]),
        (["a"], ["A"], [-1], [0]),
        ([], ["A"], [], []),
        (["A"], [], [-1], [0]),
    ],
)
def test_names_are_joined(wanted, names, index, ambiguous):
    """The same name; else the same without folders and .txt."""
    found, several = join_names(wanted, names)
    assert found.tolist() == index
    assert several.tolist() == [bool(a) for a in ambiguous]
