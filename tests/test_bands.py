"""Photometry in the catalog itself: ready sets, tables of users, measurements, merging."""

import re
from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable, Table, vstack
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from blase_astro import annotate, cli, estimate
from blase_astro.bands import bands_in, merge_points, points_from_bands, read_bands
from blase_astro.bands.sets import _ready
from blase_astro.io import merge_seds, sed_table
from blase_astro.sed import bin_points, bin_seds, points_from_seds, usable

SURVEYS = tuple(dict.fromkeys(_ready()["survey"]))
KEV = u.keV.to(u.Hz, equivalencies=u.spectral())


def one(survey, band):
    """The first row of a band in a ready set."""
    bands = read_bands(survey)
    return bands[bands["band"] == band][0]


def nufnu(bands, **columns):
    """nu F_nu of a catalog with one row."""
    table = Table({name: [value] for name, value in columns.items()})
    return points_from_bands(table, bands).nufnu


# --- the ready sets, against numbers from elsewhere -------------------------------------------


@pytest.mark.parametrize(
    ("survey", "band", "wavelength", "flux"),
    [
        ("2MASS", "J", 1.235, 3.129e-13),  # Cohen et al. 2003, F_lambda in W / (cm2 um)
        ("2MASS", "H", 1.662, 1.133e-13),
        ("2MASS", "Ks", 2.159, 4.283e-14),
        ("AllWISE", "W1", 3.3526, 8.1787e-15),  # Jarrett et al. 2011
        ("AllWISE", "W2", 4.6028, 2.4150e-15),
        ("AllWISE", "W3", 11.5608, 6.5151e-17),
        ("AllWISE", "W4", 22.0883, 5.0901e-18),
    ],
)
def test_infrared_zero_points(survey, band, wavelength, flux):
    """The zero points agree with those per wavelength that the papers give beside them.

    They are those of a source with nu F_nu constant (WISE), hence some percent off.
    """
    row = one(survey, band)
    expected = (flux * u.W / u.cm**2 / u.um * wavelength * u.um).to_value("erg / (s cm2)")
    zero = nufnu(survey, **{row["column"]: 0.0})
    np.testing.assert_allclose(zero, expected, rtol=0.02 if survey == "2MASS" else 0.10)
    np.testing.assert_allclose(row["frequency"], 2.99792458e14 / wavelength, rtol=1e-4)


@pytest.mark.parametrize(
    ("band", "offset"), [("W1", 2.699), ("W2", 3.339), ("W3", 5.174), ("W4", 6.620)]
)
def test_wise_in_ab(band, offset):
    """AB minus Vega of WISE (Jarrett et al. 2011, Table 3) gives the same zero points."""
    expected = (offset * u.ABmag).to_value("Jy")
    np.testing.assert_allclose(one("AllWISE", band)["zero_point"], expected, rtol=0.03)


@pytest.mark.parametrize(("band", "jansky"), [("G", 3228.75), ("BP", 3552.01), ("RP", 2554.95)])
def test_gaia_zero_points(band, jansky):
    """The zero points from Vega over AB agree with those of the SVO filter service."""
    np.testing.assert_allclose(one("Gaia", band)["zero_point"], jansky, rtol=0.03)


@pytest.mark.parametrize(
    ("band", "magnitude", "flux"), [("FUV", 18.82, 1.40e-15), ("NUV", 20.08, 2.06e-16)]
)
def test_galex_counts(band, magnitude, flux):
    """One count a second: GALEX gives its magnitude and its flux in erg / (s cm2 Angstrom).

    The flux is good to 10%, it says, and for another effective wavelength.
    """
    row = one("GALEX", band)
    wavelength = (row["frequency"] * u.Hz).to("AA", u.spectral())
    expected = (flux * u.Unit("erg / (s cm2 AA)") * wavelength).to_value("erg / (s cm2)")
    np.testing.assert_allclose(nufnu("GALEX", **{row["column"]: magnitude}), expected, rtol=0.10)


@pytest.mark.parametrize(
    ("survey", "band", "offset"),
    [("SDSS", "u", -0.04), ("SDSS", "g", 0), ("SDSS", "r", 0), ("SDSS", "i", 0)]
    + [("SDSS", "z", 0.02), *(("Pan-STARRS", band, 0) for band in "grizy")],
)
def test_ab_magnitudes(survey, band, offset):
    """AB magnitudes by astropy's own AB system."""
    row = one(survey, band)
    flux = ((17.3 + offset) * u.ABmag).to("erg / (s cm2 Hz)") * row["frequency"] * u.Hz
    got = nufnu(survey, **{row["column"]: 17.3})
    np.testing.assert_allclose(got, flux.to_value("erg / (s cm2)"), rtol=2e-4)


# Frequencies that VOU_Blazars prints for the same bands (docs/vou_format.rst), which the networks
# were trained with.
VOU = {
    "AllWISE": [8.817e13, 6.517e13, 2.498e13, 1.363e13],
    "2MASS": [2.427e14, 1.804e14, 1.389e14],
    "SDSS": [8.402e14, 6.443e14, 4.876e14, 4.014e14, 3.382e14],
    "Pan-STARRS": [6.231e14, 4.858e14, 3.987e14, 3.461e14, 3.116e14],
    "GALEX": [1.948e15, 1.295e15],
    "NVSS": [1.4e9],
    "FIRST": [1.4e9],
    "SUMSS": [8.43e8],
    "VLASS": [3e9],
    "RASS": [2.418e17],
    "eRASS1": [2.418e17],
}


@pytest.mark.parametrize("survey", VOU)
def test_frequencies_are_those_of_vou(survey):
    """Within 0.02 dex, so that the same measurement from a file is recognised."""
    bands = read_bands(survey)
    frequency = list(dict.fromkeys(bands["frequency"]))
    np.testing.assert_allclose(np.log10(frequency), np.log10(VOU[survey]), atol=0.017)


def ccm(wavelength):
    """A over A_V after Cardelli, Clayton and Mathis 1989 for R_V = 3.1; um."""
    x = 1 / wavelength
    if x < 1.1:
        a, b = 0.574 * x**1.61, -0.527 * x**1.61
    elif x < 3.3:
        y = x - 1.82
        a = np.polyval([0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1], y)
        b = np.polyval([-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0], y)
    else:
        f_a, f_b = 0.0, 0.0
        if x > 5.9:
            f_a = -0.04473 * (x - 5.9) ** 2 - 0.009779 * (x - 5.9) ** 3
            f_b = 0.2130 * (x - 5.9) ** 2 + 0.1207 * (x - 5.9) ** 3
        a = 1.752 - 0.316 * x - 0.104 / ((x - 4.67) ** 2 + 0.341) + f_a
        b = -3.090 + 1.825 * x + 1.206 / ((x - 4.62) ** 2 + 0.263) + f_b
    return a + b / 3.1


def test_extinction_is_that_of_the_law():
    """Coefficients from four papers against an extinction law; E(B-V) of the maps is 14% high."""
    bands = read_bands(list(SURVEYS))
    bands = bands[np.isfinite(bands["extinction"])]
    assert len(set(bands["survey"])) == 6
    for row in bands:
        wavelength = 299.792458e12 / row["frequency"]
        ratio = row["extinction"] / (3.1 * ccm(wavelength))
        assert 0.8 < ratio < 1.05 or wavelength > 4, (row["survey"], row["band"], ratio)


def test_radio():
    """1 Jy at 1.4 GHz is 1.4e-14 erg / (s cm2)."""
    np.testing.assert_allclose(nufnu("NVSS", **{"S1.4": 1000.0}), 1.4e-14)
    np.testing.assert_allclose(nufnu("SUMSS", St=1000.0), 8.43e-15)
    np.testing.assert_allclose(nufnu("VLASS", Ftot=1000.0), 3e-14)


@pytest.mark.parametrize("gamma", [1.4, 1.9999999999, 2.0, 2.7])
@pytest.mark.parametrize(
    ("survey", "column", "low", "high"),
    [("RASS", "Fluxp", 0.1, 2.4), ("eRASS1", "ML_FLUX_1", 0.2, 2.3)],
)
def test_flux_in_an_x_ray_band(survey, column, low, high, gamma):
    """The integral of a power law over the band gives back its nu F_nu at 1 keV."""
    flux, _ = quad(lambda e: e ** (1 - gamma), low, high)  # nu F_nu is 1 at 1 keV
    bands = read_bands(survey)
    bands["gamma"] = gamma
    np.testing.assert_allclose(nufnu(bands, **{column: flux * 3e-12}), 3e-12, rtol=1e-4)


def lat_catalog(edges, gamma=2.2):
    """A 4FGL table of one source with a power law that has nu F_nu = 1e-12 at 1 GeV."""
    edges = np.array(edges) * 1e-3  # GeV
    norm = 1e-12 * u.erg.to(u.GeV)
    flux = [quad(lambda e: norm * e**-gamma, *pair)[0] for pair in pairwise(edges)]
    middle = np.sqrt(edges[1:] * edges[:-1])
    table = Table({"nuFnu_Band": [1e-12 * middle ** (2 - gamma)], "Flux_Band": [flux]})
    errors = np.stack([-0.2 * np.array(flux), 0.1 * np.array(flux)], axis=-1)
    table["Unc_Flux_Band"] = [errors.astype(np.float32)]
    return table, middle * u.GeV.to(u.Hz, equivalencies=u.spectral())


DR3 = [50, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 1e6]
DR2 = [50, 100, 300, 1e3, 3e3, 1e4, 3e4, 3e5]


@pytest.mark.parametrize(("survey", "edges"), [("4FGL-DR3", DR3), ("4FGL-DR2", DR2)])
def test_gamma_ray_bands(survey, edges):
    """nu F_nu and photons of the bands of 4FGL agree, and are at the logarithmic middle."""
    table, middle = lat_catalog(edges)
    points = points_from_bands(table, survey)
    np.testing.assert_allclose(points.frequency, middle, rtol=1e-4)
    np.testing.assert_allclose(points.nufnu, table["nuFnu_Band"][0])
    np.testing.assert_allclose(points.nufnu_upper, 1.1 * points.nufnu, rtol=1e-6)
    np.testing.assert_allclose(points.nufnu_lower, 0.8 * points.nufnu, rtol=1e-6)
    photons = points_from_bands(table["Flux_Band", "Unc_Flux_Band"], survey)
    np.testing.assert_allclose(photons.nufnu, points.nufnu, rtol=1e-3)
    np.testing.assert_allclose(photons.nufnu_lower, points.nufnu_lower, rtol=1e-3)


def test_gamma_ray_limits():
    """Without a lower error the value is no detection; the limit lies two errors above it."""
    table, _ = lat_catalog(DR3)
    table["Unc_Flux_Band"][0, 3, 0] = np.nan
    points = points_from_bands(table, "4FGL-DR3")
    assert points.upper_limit.tolist() == [i == 3 for i in range(8)]
    expected = 1.2 * table["nuFnu_Band"][0, 3]
    np.testing.assert_allclose([points.nufnu[3], points.nufnu_upper[3]], expected, rtol=1e-6)
    assert np.isnan(points.nufnu_lower[3])


def test_the_release_must_be_the_right_one():
    """Seven bands of DR2 read as the eight of DR3 would be at wrong frequencies."""
    with pytest.raises(ValueError, match=r"wanted 8 elements in nuFnu_Band.*got 7"):
        bands_in(lat_catalog(DR2)[0], "4FGL-DR3")
    with pytest.raises(ValueError, match=r"wanted 7 elements in nuFnu_Band.*got 8"):
        bands_in(lat_catalog(DR3)[0], "4FGL-DR2")
    table = lat_catalog(DR3)[0]
    table.replace_column("nuFnu_Band", [1e-12])
    with pytest.raises(ValueError, match=r"wanted 8 elements in nuFnu_Band.*got 1"):
        bands_in(table, "4FGL-DR3")
    table, _ = lat_catalog(DR3)
    table["Unc_Flux_Band"] = np.swapaxes(table["Unc_Flux_Band"], 1, 2)
    with pytest.raises(ValueError, match=r"wanted 8 elements in Unc_Flux_Band.*got 2"):
        bands_in(table, read_bands("4FGL-DR3")[:2])


@pytest.mark.parametrize("survey", SURVEYS)
def test_every_value_has_its_source(survey):
    """Every ready set can be read and says who measured what it holds."""
    bands = read_bands(survey.lower().replace("-", ""))
    assert all(re.search(r"[12]\d{3}", source) for source in bands["source"])
    assert set(bands["survey"]) == {survey}


# --- tables of users --------------------------------------------------------------------------


def own(**columns):
    """A table of bands with one row."""
    row = {"column": "f", "frequency": 1e9, "unit": "Jy"} | columns
    return Table({name: [value] for name, value in row.items() if value is not None})


WRONG = {
    "column 'column', got frequency, unit": own(column=None),
    "column 'unit'": own(unit=None),
    "'wavelength' is not known": own(wavelength=1.0),
    "row 1 .*column: wanted the name": own(column=""),
    "frequency: wanted a positive number of Hz, got -1": own(frequency=-1.0),
    "frequency: wanted a positive number of Hz, got nan": own(frequency=np.nan),
    "frequency: column 'frequency': wanted numbers": own(frequency="high"),
    "unit: wanted a unit that astropy knows, got 'jansk'": own(unit="jansk"),
    "unit: wanted a flux density, or mag, got m": own(unit="m"),
    "unit: wanted a flux density, or mag, got mag.AB": own(unit="mag(AB)"),
    "unit: wanted a flux in erg .* got Jy": own(low=1.0, high=2.0),
    "zero_point: wanted a positive number of Jy, as the unit is mag, got nan": own(unit="mag"),
    "zero_point: wanted none, as the unit is Jy": own(zero_point=3631.0),
    "low, high: wanted two rising": own(unit="erg / (s cm2)", low=2.0, high=1.0),
    "low, high: wanted two rising frequencies": own(unit="erg / (s cm2)", low=2.0),
    "low, high: wanted none": own(unit="mag", zero_point=1.0, low=1.0, high=2.0),
    "error_low: wanted none": own(unit="mag", zero_point=1.0, error="e", error_low="g"),
    "error: wanted a column": own(limit="no error"),
    "extinction: wanted a number that is not neg": own(extinction=-1.0),
    "at least one band": own()[:0],
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_tables(message):
    """What makes no sense is named, with what was wanted and what came."""
    with pytest.raises(ValueError, match=message):
        read_bands(WRONG[message])


def test_wrong_files(tmp_path):
    """The message of a wrong file names it and the row; that of a wrong name the ready sets."""
    with pytest.raises(FileNotFoundError, match=r"allwize: neither a file nor.*: AllWISE, 2MASS"):
        read_bands("allwize")
    path = tmp_path / "mine.ecsv"
    vstack([own(), own(frequency=0.0)]).write(path)
    with pytest.raises(ValueError, match=r"mine\.ecsv, row 2 \(f\): frequency: wanted a positive"):
        read_bands(path)
    path = tmp_path / "mine.what"
    path.write_text("f 1e9 Jy\n")
    with pytest.raises(
        ValueError, match=r"mine\.what: no format that astropy knows; wanted a table of bands"
    ):
        read_bands(path)

    path = tmp_path / "broken.ecsv"
    path.write_text("# %ECSV 1.0\n# ---\n# datatype: [\ncolumn\nf\n")
    with pytest.raises(ValueError, match=r"broken\.ecsv could not be read as a table: "):
        read_bands(path)
    for bands in (None, 5, ["AllWISE", 3]):
        with pytest.raises(ValueError, match="wanted the name of a ready set, a file or a table"):
            read_bands(bands)


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv"])
def test_formats(tmp_path, suffix):
    """Bands and catalog come in any format: bytes, big endian, masks, vectors."""
    table, _ = lat_catalog(DR3)
    table["nuFnu_Band"].unit = "erg / (s cm2)"
    table["W1mag"] = MaskedColumn([12.0], mask=[True], unit="mag")
    table["Gmag"], table["e_Gmag"] = [15], np.float32([0.02])
    sets = ["4FGL-DR3", "AllWISE", "Gaia"]
    if suffix == ".vot":  # astropy gives arrays of arrays back with their axes swapped
        del table["Unc_Flux_Band"]
    expected = points_from_bands(table, sets)
    kind = {".vot": "votable"}.get(suffix)
    table.write(tmp_path / f"catalog{suffix}", format=kind)
    read_bands(sets).write(tmp_path / f"bands{suffix}", format=kind)
    points = points_from_bands(
        Table.read(tmp_path / f"catalog{suffix}"), tmp_path / f"bands{suffix}"
    )
    np.testing.assert_array_equal(points.sed, expected.sed)
    for i in range(6, 12):
        np.testing.assert_allclose(points[i], expected[i], rtol=1e-6)


def test_ready_sets_are_templates(tmp_path):
    """A set that is written and read is the same; units of its columns are honoured."""
    bands = read_bands(["AllWISE", "4FGL-DR3"])
    bands.write(tmp_path / "mine.ecsv")
    again = read_bands(tmp_path / "mine.ecsv")
    assert all(np.array_equal(again[n], bands[n]) for n in ("column", "frequency", "optional"))
    again["frequency"] = again["frequency"].quantity.to("GHz")
    np.testing.assert_allclose(read_bands(again)["frequency"], bands["frequency"])


CATALOG = Table({"name": ["A", "B"], "f": [1.0, 2.0], "e": [0.1, 0.4]})


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (own(column="g"), r"\(g\): column: wanted one of the catalog's, name, f, e, got g"),
        (own(error="d"), r"\(f\): error: wanted a column of the catalog, .*, got d"),
        (own(limit="d"), "limit: wanted a column of the catalog"),
        ([own(), own(band="F")], "wanted one that no other band has, as f, got f"),
        (own(column="name"), "column 'name': wanted numbers, got 'A' in row 0"),
        (own(column="f[2]"), "column 'f': wanted element 2"),
        ("AllWISE", "wanted any band of AllWISE in the catalog, got none"),
        ([own(), "Gaia"], "wanted any band of Gaia in the catalog, got none"),
    ],
)
def test_catalog_without(bands, message):
    """What a catalog lacks is named."""
    with pytest.raises(ValueError, match=message):
        points_from_bands(CATALOG, bands)


def test_what_is_found_is_said():
    """Bands that a catalog has and has not are told; a ready set does without errors."""
    lines = []
    table = Table({"W1mag": [12.0], "NUVmag": [19.0], "e_NUVmag": [0.1]})
    bands = bands_in(table, ["AllWISE", "GALEX"], say=lines.append)
    assert lines == [
        "bands: AllWISE W1, GALEX NUV; not in the catalog: AllWISE W2, AllWISE W3, AllWISE W4, "
        "GALEX FUV"
    ]
    points = points_from_bands(table, bands)
    assert np.isnan(points.nufnu_upper).tolist() == [True, False]
    assert not points.upper_limit.any()


# --- measurements -----------------------------------------------------------------------------


def test_magnitudes():
    """Errors in magnitudes; fillers, masked and missing values; limits without an error."""
    table = Table(
        {
            "W1mag": MaskedColumn(
                [10.0, 10.0, 10.0, 99.99, np.nan, -999, 10.0], mask=[0] * 6 + [1]
            ),
            "e_W1mag": MaskedColumn([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], mask=[0, 1] + [0] * 5),
        }
    )
    table["e_W1mag"][2] = np.nan
    points = points_from_bands(table, "AllWISE")
    assert points.sed.tolist() == [0, 1, 2]
    flux = 309.54e-23 * 1e-4 * 8.9421e13
    np.testing.assert_allclose(points.nufnu, flux)
    assert points.upper_limit.tolist() == [False, True, True]
    np.testing.assert_allclose(points.nufnu_upper, flux * 10 ** np.array([0.04, 0, 0]))
    np.testing.assert_allclose(points.nufnu_lower, [flux * 10**-0.04, np.nan, np.nan])


def test_relative_errors():
    """Gaia's archive gives errors of counts beside magnitudes."""
    table = Table({"phot_g_mean_mag": [15.0], "phot_g_mean_flux": [2e4]})
    table["phot_g_mean_flux_error"] = [200.0]
    points = points_from_bands(table, "Gaia")
    np.testing.assert_allclose(points.nufnu_upper, 1.01 * points.nufnu)
    np.testing.assert_allclose(points.nufnu_lower, 0.99 * points.nufnu)

    table["phot_g_mean_flux"].unit = "1 / s"  # of one alone: they are taken to be the same
    points = points_from_bands(table, "Gaia")
    np.testing.assert_allclose(points.nufnu_upper, 1.01 * points.nufnu)
    table["phot_g_mean_flux_error"].unit = "1 / ks"
    points = points_from_bands(table, "Gaia")
    np.testing.assert_allclose(points.nufnu_upper, (1 + 1e-5) * points.nufnu)


@pytest.mark.parametrize("n", [1, 4, 5, 7])
def test_the_last_letter_of_a_limit(n):
    """Each band has its letter, the last as well; one more is said to be missing."""
    table = Table({"f": [1.0, 2.0], "l": ["A" * (n - 1) + "U", "A" * n]})
    points = points_from_bands(table, own(limit=f"l[{n - 1}]"))
    assert points.upper_limit.tolist() == [True, False]
    with pytest.raises(ValueError, match=f"wanted at least {n + 1} letters in l, got {n}"):
        points_from_bands(table, own(limit=f"l[{n}]"))


def test_fluxes_and_errors_that_are_none():
    """Fluxes that are not positive, and errors that are fillers or 0, are not known."""
    table = Table({"f": [0.0, -1.0, 1.0, 1.0, 1.0], "e": [0.1, 0.1, 0.0, -99.0, np.inf]})
    points = points_from_bands(table, own(error="e"))
    assert points.sed.tolist() == [2, 3, 4]
    assert np.isnan(points.nufnu_upper).all()
    points = points_from_bands(Table({"Gmag": [15.0, 15.0], "e_Gmag": [99.9, 50.0]}), "Gaia")
    assert len(points.sed) == 2
    assert np.isnan(points.nufnu_upper).all()


def test_names_in_any_case():
    """A column is found in any case; the exact name comes first, then the first that is alike."""
    assert nufnu("Gaia", GMAG=15.0, gmag=16.0) == nufnu("Gaia", Gmag=15.0)
    assert nufnu("Gaia", GMAG=15.0, Gmag=16.0) == nufnu("Gaia", Gmag=16.0)


def test_the_photon_index_that_is_assumed():
    """Without gamma nu F_nu is constant over the band."""
    bands = own(frequency=KEV, unit="erg / (s cm2)", low=KEV, high=np.e * KEV)
    np.testing.assert_allclose(nufnu(bands, f=1e-12), 1e-12)


def test_units_of_the_catalog_count():
    """The same flux in other units, masked quantities among them, is the same measurement."""
    bands = own(error="e")
    expected = points_from_bands(CATALOG, bands)
    np.testing.assert_allclose(expected.nufnu, [1e-14, 2e-14])
    np.testing.assert_allclose(expected.nufnu_upper, [1.1e-14, 2.4e-14])
    light = 2.99792458e18  # Angstrom / s
    per_wavelength = np.array([1e-14, 2e-14]) * 1e9 / light * u.Unit("erg / (s cm2 AA)")
    for f, e in (
        ([1e3, 2e3] * u.mJy, [0.1, 0.4] * u.Jy),
        ([1e-14, 2e-14] * u.Unit("mW / m2"), [1e5, 4e5] * u.uJy),
        (per_wavelength, [0.1, 0.4] * u.Jy),
    ):
        for kind in (Table, QTable):
            points = points_from_bands(kind({"f": f, "e": e}), bands)
            np.testing.assert_allclose(points.nufnu, expected.nufnu)
            np.testing.assert_allclose(points.nufnu_lower, expected.nufnu_lower)
    table = QTable({"f": [1, 2] * u.Jy, "e": [0.1, 0.4] * u.Jy}, masked=True)
    table["f"].mask = [True, False]
    assert points_from_bands(table, bands).sed.tolist() == [1]
    with pytest.raises(ValueError, match="unit: wanted a flux density, or mag, got m"):
        points_from_bands(Table({"f": [1.0] * u.m, "e": [0.1]}), bands)
    with pytest.raises(ValueError, match="unit: wanted mag in the column W1mag, got Jy"):
        points_from_bands(Table({"W1mag": [1.0] * u.Jy}), "AllWISE")
    with pytest.raises(ValueError, match=r"wanted magnitudes of a flux density .* mag\(ct\)"):
        points_from_bands(Table({"W1mag": [1.0] * u.mag(u.ct)}), "AllWISE")


@pytest.mark.parametrize("unit", [u.ABmag, u.STmag])
@pytest.mark.parametrize("kind", [Table, QTable])
def test_magnitudes_of_a_system_that_the_column_states(unit, kind):
    """A column of mag(AB) has the zero point of its system, not the band's of Vega."""
    frequency = one("AllWISE", "W1")["frequency"] * u.Hz
    flux = (16.0 * unit).to(u.Jy, u.spectral_density(frequency))
    points = points_from_bands(kind({"W1mag": [16.0] * unit}), "AllWISE")
    np.testing.assert_allclose(points.nufnu, (flux * frequency).to_value("erg / (s cm2)"))


def test_positions_have_units():
    """An hour of right ascension is fifteen degrees, or the source is sought elsewhere."""
    table = Table({"Gmag": [16.0, 16.0]})
    for ra, dec in (
        ([150.0, np.nan], [2.0, 3.0]),
        ([10.0, np.nan] * u.hourangle, np.radians([2.0, 3.0]) * u.rad),
    ):
        points = points_from_bands(table, "Gaia", ra, dec)
        np.testing.assert_allclose([points.ra, points.dec], [[150.0, np.nan], [2.0, np.nan]])


def test_frequencies_as_energies_and_wavelengths():
    """The table of bands takes them as an SED does."""
    bands = QTable({"column": ["x"], "frequency": [1.0] * u.keV, "unit": ["mJy"]})
    np.testing.assert_allclose(read_bands(bands)["frequency"], KEV)
    bands["frequency"] = [3.4] * u.um
    np.testing.assert_allclose(read_bands(bands)["frequency"], 2.99792458e14 / 3.4)


@pytest.mark.parametrize(
    ("marks", "limit"),
    [
        (np.array([True, False]), "l"),
        (np.array([1, 0]), "l"),
        (np.array([2.0, np.nan]), "l"),
        (np.array(["<", ""]), "l"),
        (np.array([b"U ", b"A "]), "l"),
        (np.array(["AUB", "ABU"]), "l[1]"),
        (MaskedColumn(["U", "U"], mask=[False, True]), "l"),
        (np.array([[0, 1], [1, 0]]), "l[1]"),
    ],
)
def test_marked_limits(marks, limit):
    """Flags of every kind mark limits."""
    table = Table({"f": [1.0, 2.0], "e": [0.1, 0.1], "l": marks})
    points = points_from_bands(table, own(limit=limit, error="e"))
    assert points.upper_limit.tolist() == [True, False]
    np.testing.assert_allclose(points.nufnu_upper, [1e-14, 2.1e-14])
    np.testing.assert_allclose(points.nufnu_lower, [np.nan, 1.9e-14])


def test_extinction():
    """With E(B-V) fluxes and their ends grow by the extinction; where it is unknown they stay."""
    table = Table({"gmag": [17.0, 17.0, 17.0], "e_gmag": [0.1] * 3, "EBV": [0.1, np.nan, 0]})
    plain = points_from_bands(table, "SDSS")
    points = points_from_bands(table, "SDSS", ebv="EBV")
    grown = 10 ** (0.4 * 3.303 * np.array([0.1, 0, 0]))
    for name in ("nufnu", "nufnu_upper", "nufnu_lower"):
        np.testing.assert_allclose(getattr(points, name), grown * getattr(plain, name))
    table["EBV"] = [-999.0, 999.0, 99.99]  # fillers
    np.testing.assert_array_equal(points_from_bands(table, "SDSS", ebv="EBV").nufnu, plain.nufnu)
    with pytest.raises(ValueError, match=r"E\(B-V\): the catalog has no column 'A'; it has gmag"):
        points_from_bands(table, "SDSS", ebv="A")


def test_no_measurement_at_all():
    """Rows without any and catalogs without rows are SEDs without points."""
    table = Table({"W1mag": [np.nan, 11.0], "e_W1mag": [0.1, 0.1]})
    points = points_from_bands(table, "AllWISE", [10.0, 20.0], [1.0, 2.0])
    assert points.name == ["0", "1"]
    assert points.sed.tolist() == [1]
    assert points.ra.tolist() == [10.0, 20.0]
    empty = points_from_bands(table[:0], "AllWISE")
    assert len(empty.name) == len(empty.sed) == 0
    assert bin_points(empty)[0].shape == (0, 26)


magnitudes = st.floats(-5, 30) | st.just(np.nan) | st.just(-999.0)
catalogs = st.lists(st.tuples(magnitudes, magnitudes, st.floats(0.001, 0.5)), min_size=1)


def as_table(rows):
    return Table(rows=rows, names=("Gmag", "W1mag", "e_W1mag"))


@given(catalogs, st.data())
@settings(max_examples=50)
def test_rows_are_independent(rows, data):
    """Some of the rows give what these rows give among all."""
    table = as_table(rows)
    start = data.draw(st.integers(0, len(rows)))
    whole, part = (points_from_bands(t, ["Gaia", "AllWISE"]) for t in (table, table[start:]))
    mine = whole.sed >= start
    np.testing.assert_array_equal(whole.sed[mine] - start, part.sed)
    for i in (6, 7, 8, 9, 10):
        np.testing.assert_array_equal(whole[i][mine], part[i])


@given(catalogs)
@settings(max_examples=50)
def test_as_tables_of_one_source(rows):
    """The same as an SED table made for each source by the textbook."""
    points = points_from_bands(as_table(rows), ["Gaia", "AllWISE"])
    assert usable(*points[6:]).all()
    seds = []
    for g, w1, error in rows:
        sed = []
        if -50 < g < 50:
            flux = 3270.1e-23 * 10 ** (-0.4 * g) * 4.8217e14
            sed.append((4.8217e14, flux, np.nan, np.nan))
        if -50 < w1 < 50:
            ends = [309.54e-23 * 10 ** (-0.4 * (w1 - d)) * 8.9421e13 for d in (0, error, -error)]
            sed.append((8.9421e13, *ends))
        seds.append(sed_table(*np.reshape(sed, (-1, 4)).T))
    reference = points_from_seds(seds)
    np.testing.assert_array_equal(points.sed, reference.sed)
    for i in (6, 7, 8, 9):
        np.testing.assert_allclose(points[i], reference[i], rtol=1e-9)
    np.testing.assert_allclose(bin_points(points)[0], bin_seds(seds), rtol=1e-6)


# --- beside SED files -------------------------------------------------------------------------

rows = st.lists(
    st.tuples(
        st.sampled_from([14.0, 14.019, 14.021, 15.0]),
        st.sampled_from([-12.0, -12.09, -12.11, -11.0]),
        st.booleans(),
    ),
    max_size=5,
)


@given(st.lists(st.tuples(rows, rows, st.booleans()), min_size=1, max_size=5))
@settings(max_examples=50)
def test_merged_as_tables_are(sources):
    """Merged as arrays: what `merge_seds` does with the tables of each source."""

    def table(measurements):
        log_nu, log_flux, limit = np.reshape(measurements, (-1, 3)).T
        flux = 10.0**log_flux
        return sed_table(
            10.0**log_nu, flux, flux, flux, upper_limit=limit > 0, catalog=["WISE"] * len(flux)
        )

    files = [table(file) for file, _, has in sources if has][::-1]
    catalog = [table(bands) for _, bands, _ in sources]
    has = np.array([has for *_, has in sources])
    sed = np.where(has, len(files) - np.cumsum(has), -1)
    merged = merge_points(points_from_seds(catalog), points_from_seds(files), sed)
    expected = points_from_seds(
        [
            merge_seds([files[i], mine]) if i >= 0 else mine
            for i, mine in zip(sed, catalog, strict=True)
        ]
    )
    np.testing.assert_array_equal(merged.sed, expected.sed)
    for i in range(6, 12):
        np.testing.assert_array_equal(merged[i], expected[i])


def test_one_sed_for_two_rows():
    """An SED may belong to several rows; redshift comes from it, name and position do not."""
    file = points_from_seds([sed_table([1e9], [1e-14], meta={"redshift": 0.3, "ra": 5.0})])
    bands = points_from_bands(CATALOG, own(), [1.0, 2.0], [0.0, 0.0])
    merged = merge_points(bands, file, np.array([0, 0]))
    assert merged.sed.tolist() == [0, 0, 1, 1]
    assert merged.duplicate.tolist() == [False, True, False, False]
    assert merged.ra.tolist() == [1.0, 2.0]
    assert merged.redshift.tolist() == [0.3, 0.3]


def test_what_counts_as_measured_before():
    """A limit of a file stands at its upper end; a row that does not count there hides nothing."""
    nan = float("nan")
    arrays = ([1e9, 1e10], [0.0, 1e-13], [1e-14, nan], [0.0, nan])
    file = points_from_seds([sed_table(*arrays, upper_limit=[True, False])])
    bands = points_from_bands(
        Table({"f": [1.0], "g": [1.0], "l": [True]}),
        [own(limit="l"), own(column="g", frequency=1e10)],
    )
    assert merge_points(bands, file, np.array([0])).duplicate.tolist() == [False, False, True, True]
    file = file._replace(duplicate=np.array([False, True]))
    assert merge_points(bands, file, np.array([0])).duplicate.tolist() == [False, True, True, False]


# --- annotating -------------------------------------------------------------------------------


def blazars():
    """A catalog of three rows, of which the last has no measurement."""
    return Table(
        {
            "RA": [30.0, 210.0, 5.0],
            "DEC": [-45.0, 12.0, 5.0],
            "S1.4": [250.0, 31.0, np.nan],
            "W1mag": [12.1, 14.9, np.nan],
            "Gmag": [16.0, 18.7, np.nan],
        }
    )


SETS = ["NVSS", "AllWISE", "Gaia"]


def test_annotate_without_seds(ensembles, monkeypatch):
    """The rows get what their measurements get as SEDs, in blocks of any size."""
    catalog = blazars()
    points = points_from_bands(catalog, SETS, catalog["RA"], catalog["DEC"])
    expected = estimate(points, ensemble=ensembles.values())
    for rows in (20_000, 2):
        monkeypatch.setattr("blase_astro.catalog_rows._ROWS", rows)
        annotated = annotate(catalog, bands=SETS, ensemble=ensembles.values())
        assert annotated.colnames[:5] == catalog.colnames
        for name in ("log_nu_peak", "log_nufnu_peak_hi", "n_points", "peak_flags", "bag"):
            np.testing.assert_allclose(annotated[name], expected[name], rtol=1e-6)
    assert np.isfinite(annotated["log_nu_peak"]).tolist() == [True, True, False]
    for more in ({}, {"pdf": True, "rest": True, "population": "self"}, {"seds": points}):
        empty = annotate(catalog[:0], bands=SETS, ensemble=ensembles.values(), **more)
        assert len(empty) == 0
        assert {*annotated.colnames} <= {*empty.colnames}
    with pytest.raises(ValueError, match="wanted SEDs, or bands of the catalog itself"):
        annotate(catalog, ensemble=ensembles.values())


@pytest.mark.parametrize("by_name", [False, True])
def test_annotate_with_both(ensembles, by_name):
    """A measurement that file and catalog have counts once; rows without a file have their own."""
    catalog = blazars()
    catalog["file"] = ["a.txt", "", ""]
    meta = {"ra": 30.0, "dec": -45.0}
    sed = sed_table([1.4e9, 2.4e17, 1e18], [3.6e-15, 2e-12, 1e-12], meta=meta)
    options = {"sed_column": "file"} if by_name else {}
    lines = []
    annotated = annotate(
        catalog,
        [("a.txt", sed)],
        bands=SETS,
        ensemble=ensembles.values(),
        say=lines.append,
        **options,
    )
    assert annotated["n_points"].tolist() == [5, 3, 0]
    assert "SEDs: 1, of which 1 belong to a row; rows: 3, of which 1 have an SED" in lines


def test_annotate_command(ensemble_dir, tmp_path, capsys):
    """`--bands` takes sets and files, apart or with commas; without SEDs it is enough."""
    blazars().write(tmp_path / "catalog.fits")
    own(column="Gmag", unit="mag", zero_point=3270.1, frequency=4.8217e14).write(
        tmp_path / "mine.ecsv"
    )
    output = tmp_path / "out.fits"
    words = ["annotate", str(tmp_path / "catalog.fits"), "-o", str(output)]
    words += ["--ensemble", str(ensemble_dir)]
    bands = ["--bands", "NVSS,AllWISE", "--bands", str(tmp_path / "mine.ecsv")]
    assert cli.main([*words, *bands]) == 0
    assert "bands: NVSS 1.4 GHz, AllWISE W1, Gmag; not in" in capsys.readouterr().err
    assert Table.read(output)["n_points"].tolist() == [3, 3, 0]
    assert cli.main(words) == 2
    assert "wanted SEDs, --bands or --fetch" in capsys.readouterr().err


def test_seds_beside_bands_are_given_in_any_way(tmp_path, ensemble_dir):
    """As to estimate: a pair, an open file, one that is not there among others."""
    path = tmp_path / "sed.txt"
    sed = sed_table([1.4e9, 2.4e17], [2e-14, 1e-12], meta={"ra": 10.0, "dec": 5.0})
    sed.write(path, format="vou-sed")
    catalog = Table({"RA": [10.0], "DEC": [5.0], "Gmag": [15.0]})
    with open(path, "rb") as file:
        for seds in (path, ("a name", sed), file, [tmp_path / "gone.txt", path], (path, path)):
            table = annotate(catalog, seds, bands="Gaia", ensemble=ensemble_dir)
            assert table["n_points"].tolist() == [3]
    with pytest.raises(FileNotFoundError):
        annotate(catalog, tmp_path / "gone.txt", bands="Gaia", ensemble=ensemble_dir)
