"""The one door for columns that users bring, and what makes an SED table of theirs."""

import re
from contextlib import suppress

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from hypothesis import given
from hypothesis import strategies as st

from blase_astro import estimate
from blase_astro.io import merge_seds, read_sed, sed_table, standard_sed
from blase_astro.io.gadf import read_gadf, read_jetset, write_gadf, write_jetset
from blase_astro.io.table import flags, numbers, points_from_seds, texts
from blase_astro.sed import bin_seds, unusable_reason

NAN = np.nan
EXPECTED = [1.4e9, NAN, 4.8e9]
MASK = [False, True, False]
# The same frequencies in every form that users bring; the middle one is missing.
FORMS = {
    "plain": Column([1.4e9, NAN, 4.8e9]),
    "unit": Column([1.4, NAN, 4.8], unit="GHz"),
    "masked": MaskedColumn([1.4, 7.0, 4.8], mask=MASK, unit="GHz"),
    "all of integers": MaskedColumn([1400, 7, 4800], mask=MASK, unit="MHz"),
    "quantity": u.Quantity([1.4, NAN, 4.8], "GHz"),
    "masked quantity": Masked(u.Quantity([1.4, 7.0, 4.8], "GHz"), mask=MASK),
    "text": Column(["1.4e9", "", " 4.8E+09 "]),
    "bytes": Column([b"1.4", b"none", b"4.8"], unit="GHz"),
    "object": MaskedColumn([1.4e9, None, "4800000000"], dtype=object),
    "dimensionless": u.Quantity([1.4e9, NAN, 4.8e9], ""),
    "logarithm": Column(np.log10(EXPECTED), unit=u.dex(u.Hz)),
    "energy": Column((EXPECTED * u.Hz).to_value("eV", u.spectral()), unit="eV"),
}


def table_with(column, name="frequency"):
    """A table with one column of whatever kind."""
    table = Table() if isinstance(column, Column) else QTable()
    table[name] = column
    return table


@pytest.mark.parametrize("form", FORMS)
def test_numbers_in_any_form(form):
    """Whatever holds the numbers, the same come out, NaN where there is none."""
    found = numbers(table_with(FORMS[form]), "frequency", "Hz")
    assert found.dtype == float
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-12)


def test_numbers_without_a_unit_wanted_are_left_as_they_are():
    """Without a unit the values are those of the column."""
    np.testing.assert_array_equal(numbers(table_with(FORMS["unit"]), "frequency"), [1.4, NAN, 4.8])


def test_dates():
    """Times become MJD."""
    table = table_with(Time([55000.5, 55001.0], format="mjd"), "mjd_start")
    assert numbers(table, "mjd_start", "d").tolist() == [55000.5, 55001.0]


def test_absent_columns():
    """What is not there is NaN, empty, False."""
    table = Table({"a": [1, 2]})
    assert np.isnan(numbers(table, "b", "Hz")).tolist() == [True, True]
    assert texts(table, "b").tolist() == ["", ""]
    assert flags(table, "b", unknown=True).tolist() == [False, False]


@pytest.mark.parametrize(
    "value", ["9" * 40_000, "1_000", "0x10", "", "nan", 10**400, None, [1], {}, 1j, b"\xff"]
)
def test_what_is_no_number(value):
    """Digits without end, digit groups, objects of all kinds are no numbers."""
    column = np.empty(2, dtype=object)
    column[:] = [value, 2.0]
    assert str(numbers(Table({"a": column}), "a")) == "[nan  2.]"


def test_units_that_do_not_convert():
    """The message names the column, its unit and what is wanted."""
    message = "column 'nufnu' has the unit 'Jy'; wanted one that converts to erg / (s cm2)"
    with pytest.raises(ValueError, match=re.escape(message)):
        numbers(Table({"nufnu": Column([1.0], unit="Jy")}), "nufnu", "erg / (s cm2)")
    odd = Table({"nufnu": Column([1.0], unit=u.Unit("parrots", parse_strict="silent"))})
    with pytest.raises(ValueError, match="has the unit 'parrots'"):
        numbers(odd, "nufnu", "erg / (s cm2)")


@pytest.mark.parametrize("read", [numbers, texts, flags])
def test_several_values_a_row(read):
    """A column of arrays is refused."""
    with pytest.raises(ValueError, match=r"column 'a' has \(2,\) values a row, wanted one"):
        read(Table({"a": np.ones((3, 2))}), "a")


def test_texts():
    """Bytes and anything else become str; masked rows are empty; blanks are kept."""
    column = MaskedColumn([b"NVSS", "é".encode(), b"\xff", b"x"], mask=[False, False, False, True])
    assert texts(Table({"a": column}), "a").tolist() == ["NVSS", "é", "\ufffd", ""]
    assert texts(Table({"a": [" a  b", "c"]}), "a").tolist() == [" a  b", "c"]
    assert texts(Table({"a": [1, 2]}), "a").tolist() == ["1", "2"]


@pytest.mark.parametrize(
    "column",
    [
        MaskedColumn([True, False, True], mask=[False, False, True]),
        MaskedColumn([1, 0, 1], mask=[False, False, True]),
        [1.0, 0.0, NAN],
        ["True", "f", ""],
        [b"YES", b"0", b""],
    ],
)
@pytest.mark.parametrize("unknown", [True, False])
def test_flags(column, unknown):
    """Every spelling of yes and no, and a choice for what is neither."""
    assert flags(Table({"a": column}), "a", unknown).tolist() == [True, False, unknown]


def test_flags_that_mean_nothing():
    """Another word is named."""
    with pytest.raises(ValueError, match="column 'a' holds 'perhaps'; wanted true or false"):
        flags(Table({"a": ["perhaps"]}), "a")


# ---- SED tables of users -----------------------------------------------------------------------

FULL = sed_table(
    [1.4e9, 4.9e14, 2.4e17, 1e22],
    [2e-14, 4e-12, 1e-12, 3e-12],
    [2.2e-14, 4.4e-12, NAN, 3e-12],
    [1.8e-14, 3.6e-12, NAN, NAN],
    mjd_start=[55000.5, NAN, NAN, NAN],
    upper_limit=[False, False, False, True],
    catalog=["NVSS", "SDSS", "RASS", "3FGL"],
    reference=["a", "b", "c", ""],
    meta={"ra": 77.36, "dec": 5.69, "redshift": 0.3365},
)


def in_other_units():
    """The same SED in GHz and W / m2."""
    sed = FULL.copy()
    for name, unit in (("frequency", "GHz"), ("nufnu", "W / m2"), ("nufnu_upper", "W / m2")):
        sed[name] = sed[name].filled(NAN).quantity.to(unit)
    return sed


def assert_same(sed, expected=FULL):
    """Two SED tables hold the same rows."""
    for name in expected.colnames:
        if expected[name].dtype.kind == "f":
            assert sed[name].unit == expected[name].unit
            values = sed[name].filled(NAN), expected[name].filled(NAN)
            np.testing.assert_allclose(*values, rtol=1e-9)
        else:
            assert sed[name].tolist() == expected[name].tolist(), name


def test_standard_sed():
    """Any units and a QTable give the full table in standard ones."""
    assert_same(standard_sed(in_other_units()))
    assert_same(standard_sed(QTable(in_other_units())))
    assert standard_sed(FULL).meta == FULL.meta


def test_standard_sed_of_two_columns():
    """Frequency and flux are enough; further columns and metadata stay."""
    table = Table({"frequency": [1.4e9], "nufnu": [2e-14], "note": ["x"]}, meta={"RA": "77.36"})
    sed = standard_sed(table)
    assert sed.colnames == [*FULL.colnames, "note"]
    assert sed["upper_limit"].tolist() == [False]
    assert np.isnan(sed.meta["ra"])  # of no use without the declination
    assert unusable_reason(table).tolist() == [""]
    assert np.isfinite(bin_seds([table])).sum() == 1


def test_bare_tables_are_estimated():
    """A4: frequency and nufnu, no more, in any unit."""
    full = estimate(FULL[:3]["frequency", "nufnu"])
    bare = estimate(in_other_units()[:3]["frequency", "nufnu"])
    assert full["n_points"].tolist() == bare["n_points"].tolist() == [3]
    np.testing.assert_allclose(full["log_nu_peak"], bare["log_nu_peak"], rtol=1e-6)


def test_units_are_honoured_everywhere(tmp_path):
    """A2: merged, written as text, GADF and JetSeT, an SED in GHz is the same SED."""
    other = in_other_units()
    assert_same(merge_seds([other]))
    assert merge_seds([FULL, other])["duplicate"].tolist() == [False] * 4 + [True] * 4
    other.write(tmp_path / "sed.txt", format="vou-sed")
    np.testing.assert_allclose(read_sed(tmp_path / "sed.txt")["nufnu"], FULL["nufnu"], rtol=1e-3)
    write_gadf(other, tmp_path / "gadf.ecsv")
    np.testing.assert_allclose(read_gadf(tmp_path / "gadf.ecsv")["nufnu"], FULL["nufnu"])
    write_jetset(other, tmp_path / "jetset.ecsv")
    back = read_jetset(tmp_path / "jetset.ecsv")
    np.testing.assert_allclose(back["frequency"], FULL["frequency"])
    np.testing.assert_allclose(back["nufnu"], FULL["nufnu"])


@pytest.mark.parametrize("table", [Table(), Table({"nu": [1.0], "flux": [1.0]})])
@pytest.mark.parametrize("use", [estimate, standard_sed, unusable_reason, lambda t: bin_seds([t])])
def test_other_names_are_refused_in_words(table, use):
    """T5, B13: what is wanted and what came."""
    came = "nu, flux" if table.colnames else "none"
    message = r"wanted the columns 'frequency' \(Hz\) and 'nufnu' \(erg / \(s cm2\)\), got " + came
    with pytest.raises(ValueError, match=message):
        use(table)


@pytest.mark.parametrize(
    ("meta", "known"),
    [
        ({"ra": 77.36, "dec": 5.69}, True),
        ({"RA": "77.36", "DEC": "+5.69"}, True),
        ({"ra": 77.36 * u.deg, "dec": (5.69 * u.deg).to("rad")}, True),
        ({"ra": np.array([77.36]), "dec": np.float32(5.69)}, True),
        ({"ra": 77.36, "dec": 91.0}, False),
        ({"ra": 1e300, "dec": 5.69}, False),
        ({"ra": 77.36, "dec": {"a": 1}}, False),
        ({"ra": 77.36 * u.m, "dec": 5.69}, False),
        ({"ra": None, "dec": 5.69}, False),
        ({"ra": "05:09:25", "dec": "+05:41:35"}, False),
        ({"ra": 10**400, "dec": 0}, False),
    ],
)
def test_positions_of_metadata(meta, known):
    """L8: a position is one on the sphere, or it is not known."""
    points = points_from_seds([Table({"frequency": [1.0], "nufnu": [1.0]}, meta=meta)])
    expected = [77.36, 5.69] if known else [NAN, NAN]
    np.testing.assert_allclose([points.ra[0], points.dec[0]], expected, rtol=1e-6)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_no_column_breaks_the_door(values):
    """Whatever a column holds, numbers and text come out, or a ValueError."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    table = Table({"a": column})
    assert numbers(table, "a", "Hz").shape == (len(values),)
    assert all(type(text) is str for text in texts(table, "a"))
    with suppress(ValueError):
        assert flags(table, "a").dtype == bool
