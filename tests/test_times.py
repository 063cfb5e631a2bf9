"""The measurements of a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blase_astro import annotate, estimate
from blase_astro.cli import main
from blase_astro.io import sed_table
from blase_astro.times import within

NAN = np.nan
FREQUENCY = [8.9e8, 1.4e9, 8.8e13, 4.9e14, 1.9e15, 2.4e17, 2.4e23]
NUFNU = [2e-14, 5e-14, 3e-12, 4e-12, 4e-12, 1e-12, 5e-12]
SED = sed_table(
    FREQUENCY,
    NUFNU,
    mjd_start=[NAN, NAN, 58000, 58010, 58020, NAN, 54600],
    mjd_end=[NAN, NAN, 58000, 58012, NAN, 58020, 59000],
    meta={"ra": 10.0, "dec": 5.0},
)


def test_whole_observations():
    """An observation that begins before or ends after the time is not of it."""
    chosen = within(SED, (57999, 58020))
    assert chosen["frequency"].tolist() == FREQUENCY[2:6]
    assert len(within(SED, (58000, 58011))) == 1
    assert len(within(SED, (58000, 58011), "keep")) == 3


@given(st.floats(50000, 60000), st.floats(0, 5000), st.floats(0, 5000))
def test_a_longer_time_holds_more(start, length, more):
    """Rows of a time are rows of every time around it."""
    inner = within(SED, (start, start + length))["frequency"].tolist()
    outer = within(SED, (start - more, start + length + more))["frequency"].tolist()
    assert set(inner) <= set(outer)


@pytest.mark.parametrize(
    ("mjd", "undated", "said"),
    [((2, 1), "drop", "before"), ((1,), "drop", "two numbers"), ((1, 2), "maybe", "undated")],
)
def test_wrong(mjd, undated, said, ensemble_dir):
    """What makes no sense is named."""
    with pytest.raises(ValueError, match=said):
        within(SED, mjd, undated)
    with pytest.raises(ValueError, match=said):
        estimate(SED, mjd=mjd, undated=undated, ensemble=ensemble_dir)


def test_estimate_counts_them(tmp_path, ensemble_dir, capsys):
    """Files, tables, pairs, folders; a file that cannot be read is a row of its own."""
    SED.write(tmp_path / "sed.txt", format="vou-sed")
    state = {"mjd": (57999, 58020), "ensemble": ensemble_dir}
    assert estimate(tmp_path, **state)["n_points"].tolist() == [4]
    assert estimate(SED, **state)["n_points"].tolist() == [4]
    table = estimate([("a", SED), tmp_path / "none.txt", tmp_path / "sed.txt"], **state)
    assert table["n_points"].tolist() == [4, 0, 4]
    assert table["name"].tolist() == ["a", "none.txt", "sed.txt"]
    assert table.meta["MJDFROM"] == 57999
    assert "none.txt" in table["message"][1]
    words = ["estimate", str(tmp_path / "sed.txt"), "--ensemble", str(ensemble_dir)]
    assert main([*words, "--mjd", "57999", "58020"]) == 0
    assert "4 points in 4 bins" in capsys.readouterr().out
    assert main([*words, "--mjd", "57999", "58020", "--undated", "keep"]) == 0
    assert "6 points in 6 bins" in capsys.readouterr().out


def test_two_paths_are_two_seds(tmp_path, ensemble_dir):
    """A pair of paths is no path with a name; an open file has its measurements as well."""
    path = tmp_path / "sed.txt"
    SED.write(path, format="vou-sed")
    state = {"mjd": (57999, 58020), "ensemble": ensemble_dir}
    assert estimate((path, path), **state)["n_points"].tolist() == [4, 4]
    with open(path, "rb") as file:
        assert estimate(file, **state)["n_points"].tolist() == [4]


def test_annotate_counts_them(ensemble_dir):
    """Rows of a catalog get estimates of that time."""
    from astropy.table import Table

    catalog = Table({"RA": [10.0], "DEC": [5.0]})
    table = annotate(catalog, SED, mjd=(57999, 58020), ensemble=ensemble_dir)
    assert table["n_points"].tolist() == [4]
    assert table.meta["MJDTO"] == 58020
