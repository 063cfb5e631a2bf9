"""Rest frame and luminosity, against astropy and by hand."""

import re

import astropy.units as u
import numpy as np
import pytest
from astropy.cosmology import WMAP9, Planck18
from astropy.cosmology import units as cu
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from blase_astro import annotate, estimate, estimate_points
from blase_astro.cli import main
from blase_astro.io import sed_table
from blase_astro.rest import rest_frame

PEAK = {
    "log_nu_peak": np.array([13.0, 15.0]),
    "log_nu_peak_lo": np.array([12.5, 14.0]),
    "log_nu_peak_hi": np.array([13.5, 16.5]),
    "log_nufnu_peak": np.array([-11.0, -12.0]),
    "log_nufnu_peak_lo": np.array([-11.5, -12.1]),
    "log_nufnu_peak_hi": np.array([-10.5, -11.9]),
}
FREQUENCY = [8.9e8, 1.4e9, 8.8e13, 4.9e14, 1.9e15, 2.4e17, 2.4e23]
NUFNU = [2e-14, 5e-14, 3e-12, 4e-12, 4e-12, 1e-12, 5e-12]


def sed(z=np.nan, ra=10.0):
    """An SED with a redshift."""
    return sed_table(FREQUENCY, NUFNU, meta={"ra": ra, "dec": 5.0, "redshift": z, "name": "a"})


@given(st.lists(st.floats(1e-4, 8), min_size=2, max_size=2))
def test_the_whole_distribution_moves(redshift):
    """Median and ends by one amount, which is that of the Planck cosmology."""
    moved = rest_frame(PEAK, redshift)
    area = 4 * np.pi * Planck18.luminosity_distance(redshift).to_value("cm") ** 2
    for end in ("", "_lo", "_hi"):
        shift = moved[f"log_nu_peak_rest{end}"] - PEAK[f"log_nu_peak{end}"]
        assert_allclose(shift, np.log10(1 + np.array(redshift)), atol=1e-12)
        luminosity = area * 10 ** PEAK[f"log_nufnu_peak{end}"]
        assert_allclose(10 ** moved[f"log_l_peak{end}"], luminosity, rtol=1e-9)


@pytest.mark.parametrize("z", [0.0, -0.5, -999.0, np.nan, np.inf, -np.inf])
def test_no_redshift(z):
    """Where nothing is known nothing is said, and the others stay as they are."""
    moved = rest_frame(PEAK, [z, 0.5])
    assert all(np.isnan(column[0]) for column in moved.values())
    alone = rest_frame({key: value[1:] for key, value in PEAK.items()}, [0.5])
    for name in moved:
        assert_allclose(moved[name][1:], alone[name])


def test_one_target():
    """Columns are those of the target that is there."""
    moved = rest_frame({"log_nu_peak": np.array([13.0])}, [1.0])
    assert list(moved) == ["redshift", "log_nu_peak_rest"]


def test_seds_own_redshift(ensemble_dir):
    """With `rest` the SED says its redshift; the cosmology counts."""
    seds = [("a", sed(0.5)), ("b", sed())]
    table = estimate(seds, ensemble=ensemble_dir, rest=True)
    assert_allclose(table["redshift"], [0.5, np.nan])
    shift = table["log_nu_peak_rest"] - table["log_nu_peak"]
    assert_allclose(shift, [np.log10(1.5), np.nan])
    assert table.meta["COSMOLOG"] == "Planck18"
    other = estimate(seds, ensemble=ensemble_dir, rest=True, cosmology="WMAP9")
    ratio = WMAP9.luminosity_distance(0.5) / Planck18.luminosity_distance(0.5)
    assert_allclose(other["log_l_peak"][0] - table["log_l_peak"][0], 2 * np.log10(ratio))
    assert "redshift" not in estimate(seds, ensemble=ensemble_dir).colnames


def test_redshift_of_the_catalog(ensemble_dir):
    """A column of the catalog, masked or not; it is not appended a second time."""
    z = np.ma.MaskedArray([0.5, 0.7, -1.0], [False, True, False])
    catalog = Table({"RA": [10.0, 20.0, 30.0], "DEC": [5.0] * 3, "Redshift": z})
    seds = [sed(9.0), sed(9.0, 20.0), sed(9.0, 30.0)]
    table = annotate(catalog, seds, redshift="Redshift", ensemble=ensemble_dir)
    shift = np.asarray(table["log_nu_peak_rest"] - table["log_nu_peak"])
    assert_allclose(shift, [np.log10(1.5), np.nan, np.nan])
    assert sum(name.lower() == "redshift" for name in table.colnames) == 1


def test_redshift_of_an_sed_with_a_unit(ensemble_dir):
    """What an SED states may be a Quantity; a velocity is no redshift."""
    for z, expected in ((0.5 * u.one, 0.5), (0.5 * cu.redshift, 0.5), (3e4 * u.km / u.s, np.nan)):
        table = sed()
        table.meta["redshift"] = z
        assert_allclose(estimate(table, ensemble=ensemble_dir, rest=True)["redshift"], expected)
    with pytest.raises(ValueError, match=r"cosmology: wanted WMAP1, .*; got FlatLambdaCDM"):
        estimate(sed(0.5), ensemble=ensemble_dir, rest=True, cosmology=WMAP9)


def test_a_velocity_is_no_redshift(ensemble_dir):
    """A unit that is none of a redshift is refused; astropy's own for redshifts is not."""
    catalog = Table({"RA": [10.0], "DEC": [5.0], "z": [0.5], "cz": [30000.0] * u.km / u.s})
    options = {"ensemble": ensemble_dir}
    with pytest.raises(ValueError, match="'cz' has the unit 'km / s'; wanted a number without"):
        annotate(catalog, sed(), redshift="cz", **options)
    one = np.ones(len(NUFNU))
    points = (one, 10 * one, 5 * one, FREQUENCY, NUFNU)
    with pytest.raises(ValueError, match="'redshift' has the unit 'km / s'; wanted a number"):
        estimate_points(*points, redshift=30000 * one * u.km / u.s, rest=True, **options)
    plain = annotate(catalog, sed(), redshift="z", **options)["log_l_peak"][0]
    for unit in ("", cu.redshift):
        catalog["z"].unit = unit
        assert annotate(catalog, sed(), redshift="z", **options)["log_l_peak"][0] == plain
        z = 0.5 * one * u.Unit(unit)
        assert estimate_points(*points, redshift=z, rest=True, **options)["log_l_peak"][0] == plain


def test_command(tmp_path, ensemble_dir, capsys):
    """--redshift and the figure of the sequence; what is wrong is said."""
    catalog = tmp_path / "catalog.fits"
    Table({"RA": [10.0, 20.0], "DEC": [5.0] * 2, "z": [0.5, -1.0]}).write(catalog)
    sed().write(tmp_path / "sed.txt", format="vou-sed")
    words = ["annotate", str(catalog), str(tmp_path / "sed.txt"), "--ensemble", str(ensemble_dir)]
    output = str(tmp_path / "out.fits")
    assert main([*words, "-o", output, "--redshift", "z", "--cosmology", "WMAP9"]) == 0
    assert Table.read(output).meta["COSMOLOG"] == "WMAP9"
    capsys.readouterr()
    assert main(["plot", "--sequence", output, "-o", str(tmp_path / "s.png")]) == 0
    assert "1 of 2 rows have a redshift and an estimate" in capsys.readouterr().err
    for more, said in (
        (["--redshift", "zz"], "no column 'zz'"),
        (["--redshift", "z", "--cosmology", "Planck"], "cosmology: wanted .*Planck18"),
    ):
        assert main([*words, "-o", str(tmp_path / "x.fits"), *more]) == 1
        assert re.search(said, capsys.readouterr().err)
    assert main(["plot", "--sequence", str(catalog), "-o", str(tmp_path / "t.png")]) == 1
    assert "no columns log_nu_peak_rest and log_l_peak" in capsys.readouterr().err
