"""What a target is, and columns of it in any dress."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from numpy.testing import assert_allclose

from blase_astro.targets import CLASS_EDGES, SED_CLASSES, TARGETS, log10_column, sed_class

LOG_NU = [14.0, 15.5, np.nan]
NU = 10.0 ** np.array(LOG_NU)


@pytest.mark.parametrize(
    "column",
    [
        NU * u.Hz,
        NU / 1e9 * u.GHz,
        Masked(NU / 1e9, mask=[False, False, True]) * u.GHz,
        MaskedColumn([1e14, 10**15.5, 7.0], mask=[False, False, True], unit="Hz"),
        MaskedColumn([1e5, 10**6.5, 0.0], unit="GHz"),
        MaskedColumn([1e14, 10**15.5, -1.0], unit="Hz"),
        u.Dex(LOG_NU, u.dex(u.Hz)),
        u.Dex(np.array(LOG_NU) - 9, u.dex(u.GHz)),
        Column(LOG_NU, unit="dex(Hz)"),
        MaskedColumn(LOG_NU, unit="dex"),
        MaskedColumn([14.0, 15.5, 0.0]),
        np.array(LOG_NU, np.float32),
        (10.0 ** np.array(LOG_NU) * u.Hz).to(u.m, u.spectral()),
        ["14.0", "15.5", ""],
    ],
)
def test_a_column_of_frequencies_in_any_dress(column):
    """Linear in any unit of frequency, log10 with or without it; missing is NaN."""
    for kind in (Table, QTable):
        assert_allclose(log10_column(kind({"x": column}), "x", "nu_peak"), LOG_NU, rtol=1e-6)


@pytest.mark.parametrize("unit", ["erg / (s cm2)", "W / m2", "keV / (s cm2)", "mJy THz"])
def test_a_column_of_fluxes(unit):
    """In any unit of flux."""
    table = Table({"x": (10 ** np.array([-12.0, -10.5]) * u.Unit("erg / (s cm2)")).to(unit)})
    assert_allclose(log10_column(table, "x", "nufnu_peak"), [-12, -10.5])


@pytest.mark.parametrize(
    ("name", "target", "values", "expected"),
    [
        ("nu_syn", "nu_peak", [1e14, 0.0], [14, np.nan]),  # 4LAC, its units lost
        ("nu_peak", "nu_peak", [14.0, 15.0], [14, 15]),  # called linear, but log10
        ("nu_peak_lo", "nu_peak", [1e14, 1e15], [14, 15]),
        ("nuFnu_syn", "nufnu_peak", [1e-12, 1e-11], [-12, -11]),
        ("nufnu_peak", "nufnu_peak", [-12.0, -11.0], [-12, -11]),
        ("nu_syn", "nu_peak", [10**8.5, 10**8.6], [8.5, 8.6]),  # as far as there may be peaks
        ("nu_syn", "nu_peak", [10**21.5, 10**21.9], [21.5, 21.9]),
        ("nuFnu_syn", "nufnu_peak", [10**-19.5], [-19.5]),
        ("nuFnu_syn", "nufnu_peak", [10**-5.5], [-5.5]),
        ("lognu_peak", "nu_peak", [14, 15], [14, 15]),
        ("x", "nu_peak", [np.nan, np.nan], [np.nan, np.nan]),
    ],
)
def test_columns_without_unit(name, target, values, expected):
    """log10, but where a linear name holds what can only be linear."""
    assert_allclose(log10_column(Table({name: values}), name, target), expected)


@pytest.mark.parametrize(
    ("name", "target", "value"),
    [
        ("nu_syn", "nu_peak", 10**7.5),
        ("nu_syn", "nu_peak", 10**22.5),
        ("nu_syn", "nu_peak", 7.5),
        ("nuFnu_syn", "nufnu_peak", 10**-4.5),
        ("nuFnu_syn", "nufnu_peak", 10**-20.5),
        ("nuFnu_syn", "nufnu_peak", -4.5),
    ],
)
def test_linear_or_log_is_not_guessed(name, target, value):
    """What can be neither has another unit."""
    with pytest.raises(ValueError, match="has no unit, so wanted log10 of"):
        log10_column(Table({name: [value]}), name, target)


@pytest.mark.parametrize(
    ("column", "target", "message"),
    [
        ([1e14, 1e15], "nu_peak", r"'x' has no unit, so wanted log10 of Hz, got 1e\+15; give the"),
        ([1e5], "nu_peak", "'x' has no unit"),  # GHz?
        ([1e-12, 1e-11], "nufnu_peak", "'x' has no unit, so wanted log10 of erg"),
        ([1.0] * u.Jy, "nufnu_peak", "'x' has the unit 'Jy'; wanted one that converts to erg"),
        ([1.0] * u.mag, "nu_peak", "'x' has the unit 'mag'; wanted one that converts to Hz"),
        (u.Dex([1.0], u.dex(u.Jy)), "nu_peak", "unit 'dex.Jy.'; wanted .* to dex.Hz."),
        (["14.0"], "nu_peak", None),
        (["high"], "nu_peak", "'x' must hold numbers; it holds text"),
    ],
)
def test_what_is_no_such_column_is_refused(column, target, message):
    """With its unit, or what came."""
    table = Table({"x": column})
    if message is None:
        assert log10_column(table, "x", target).tolist() == [14.0]
        return
    with pytest.raises(ValueError, match=message):
        log10_column(table, "x", target)
    with pytest.raises(ValueError, match="the table has no column 'y'; it has x"):
        log10_column(table, "y", target)


def test_label_columns_are_found_in_any_case():
    """The first of the usual names, as the table writes it."""
    table = Table({"NUFNU_SYN": [1.0], "Nu_Syn": [1.0], "NU_PEAK": [1.0]})
    assert TARGETS["nu_peak"].label_column(table) == "NU_PEAK"
    assert TARGETS["nufnu_peak"].label_column(table) == "NUFNU_SYN"
    assert TARGETS["nu_peak"].label_column(Table({"x": [1.0]})) is None


def test_targets_are_those_of_the_columns():
    """Names, places, units and UCDs agree with what a catalog is annotated with."""
    from blase_astro.columns import estimate_columns

    columns = estimate_columns()

    assert [target.index for target in TARGETS.values()] == [0, 1]
    for name, target in TARGETS.items():
        assert target.name == name
        assert columns[name].unit == target.unit
        for end, ucd in target.ucds.items():
            assert columns[f"log_{name}{end}"].ucd == ucd
            assert u.Unit(target.unit_text) == u.Unit(target.unit)


@pytest.mark.parametrize("edge", CLASS_EDGES)
def test_an_edge_belongs_to_the_class_above(edge):
    """Below, on and above an edge."""
    below, on = sed_class([np.nextafter(edge, 0), edge])
    above = CLASS_EDGES.index(edge) + 1
    assert (below, on) == (SED_CLASSES[above - 1], SED_CLASSES[above])


def test_the_classes_are_those_of_the_4lac():
    """Below 1e14 Hz, below 1e15 Hz, above."""
    assert CLASS_EDGES == (14.0, 15.0)
    assert sed_class([13.9, 14.1, 14.9, 15.1, np.nan]).tolist() == [
        "LSP",
        "ISP",
        "ISP",
        "HSP",
        "UNK",
    ]
