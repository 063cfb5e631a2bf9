"""Tables that say what the columns of a catalog measure: ready sets, and those of users."""

from __future__ import annotations

import os
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from ..io.values import texts
from .columns import numbers

if TYPE_CHECKING:
    from .._types import Any, Bands, Iterable, Table

__all__ = ["NO_ERROR", "Band", "checked_rows", "factor", "read_bands", "table_of", "vector_lengths"]

_TEXTS = ("survey", "band", "column", "error", "error_low", "error_of", "limit", "unit", "source")
_NUMBERS = ("frequency", "zero_point", "low", "high", "gamma", "limit_sigma", "extinction")
_UNITS = {"frequency": "Hz", "zero_point": "Jy", "low": "Hz", "high": "Hz"}
NO_ERROR = "no error"  # the rule of surveys that give limits no error
NUFNU = "erg / (s cm2)"
_PLANCK = 6.62607015e-27  # erg s


class Band(NamedTuple):
    """One row of a table of bands."""

    survey: str
    band: str
    column: str
    error: str
    error_low: str
    error_of: str
    limit: str
    unit: str
    source: str
    frequency: float
    zero_point: float
    low: float
    high: float
    gamma: float
    limit_sigma: float
    extinction: float
    optional: bool
    where: str  # for messages

    @property
    def label(self) -> str:
        return f"{self.survey} {self.band}".strip()

    @property
    def integrated(self) -> bool:
        return np.isfinite(self.low)

    def fail(self, column: str, wanted: Any, got: Any) -> NoReturn:
        raise ValueError(f"{self.where} ({self.label}): {column}: wanted {wanted}, got {got}")


@cache
def _ready():
    from astropy.table import Table

    with (files("blase_astro") / "data" / "bands.ecsv").open("rb") as file:
        table = Table.read(file, format="ascii.ecsv")
    table["optional"] = True  # few catalogs have all bands of a survey
    return table


@cache
def vector_lengths() -> dict[str, int]:
    """Number of elements that the vectors of the ready sets have, by survey."""
    lengths: dict[str, int] = {}
    for survey, column in _ready()["survey", "column"].iterrows():
        element = re.search(r"\[(\d+)\]$", column)
        if element:
            lengths[survey] = max(lengths.get(survey, 0), int(element[1]) + 1)
    return lengths


def _plain(name):
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def read_bands(bands: Bands) -> Table:
    """Read, check and complete a table that says what the columns of a catalog measure.

    Parameters
    ----------
    bands : str, path-like, `~astropy.table.Table` or list of these
        Name of a ready set (``'AllWISE'``; capitals, blanks and hyphens do not matter), a file
        that astropy reads, or a table. One row a band, with the columns

        - ``column``: name of the catalog's column; ``name[2]`` or ``name[2,1]`` is an element of
          a vector. With ``survey`` and ``band``: rows equal in both are alternatives, of which the
          first that the catalog has counts;
        - ``frequency`` (Hz);
        - ``unit``: ``'mag'``; any flux density, per frequency or per wavelength; or erg / (s cm2),
          which is nu F_nu, or with ``low`` and ``high`` (Hz) the flux between these, as photons
          are; ``gamma`` is the photon index assumed to come from there to ``frequency`` (2);
        - ``zero_point`` (Jy), for magnitudes, and ``source``, who says so;
        - ``error`` (1 sigma), ``error_low`` where it differs downwards; ``error_of``: the column
          that they belong to, if not the value's own: their ratio is taken over;
        - ``limit``: a column that marks upper limits (true, not 0, ``<`` or ``U``; ``name[2]`` is
          the third letter of a text), or ``no error``: values without one are limits;
          ``limit_sigma``: so many errors above the value the limit lies (0);
        - ``extinction``: A over E(B-V), used where `points_from_bands` is told of an ``ebv``;
        - ``optional``: whether a catalog may do without it.

        All but ``column``, ``frequency`` and ``unit`` may be missing or masked.

    Returns
    -------
    bands : `~astropy.table.Table`
        All rows in one table with all of these columns; written to a file and edited it is a set
        of your own.

    Raises
    ------
    ValueError
        If a set is not known or a row makes no sense; the message says what was wanted.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from blase_astro.bands import read_bands
    >>> wise = read_bands('AllWISE')
    >>> print(wise['band', 'column', 'frequency', 'zero_point'][:2])
    band column    frequency     zero_point
                       Hz            Jy
    ---- ------ ---------------- ----------
      W1  W1mag 89421000000000.0     309.54
      W1 w1mpro 89421000000000.0     309.54
    """
    rows = checked_rows(bands)
    if not rows:
        raise ValueError("bands: wanted at least one band, got none")
    table = table_of(rows)
    described = _ready()
    for name in described.colnames:
        table[name].description = described[name].description
    return table


def checked_rows(bands: Bands) -> list[Band]:
    """The rows of sets, files and tables, checked."""
    if isinstance(bands, (list, tuple)):
        return [row for part in bands for row in checked_rows(part)]
    if hasattr(bands, "colnames"):
        return _checked(bands, "bands")
    from ..io.files import read_catalog

    if not isinstance(bands, (str, os.PathLike)):
        raise ValueError(
            f"bands: wanted the name of a ready set, a file or a table, got {type(bands).__name__}"
        )
    ready = _ready()
    mine = np.array([_plain(name) for name in ready["survey"]]) == _plain(bands)
    if mine.any():
        return _checked(ready[mine], f"set {bands}")
    known = ", ".join(dict.fromkeys(ready["survey"]))
    try:
        table = read_catalog(bands)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{bands}: neither a file nor one of the ready sets of bands: {known}"
        ) from None
    except OSError as error:
        text = " ".join(str(error).split())
        raise ValueError(f"{text}; wanted a table of bands, like .ecsv") from None
    return _checked(table, os.fspath(bands))


def _checked(table, where):
    """The rows of one table, once they make sense."""
    missing = [name for name in ("column", "frequency", "unit") if name not in table.colnames]
    if missing:
        raise ValueError(
            f"{where}: no table of bands: wanted a column {missing[0]!r}, "
            f"got {', '.join(table.colnames)}"
        )
    unknown = set(table.colnames) - set(Band._fields)
    if unknown:
        known = ", ".join((*_TEXTS, *_NUMBERS, "optional"))
        raise ValueError(f"{where}: column {min(unknown)!r} is not known; known are {known}")
    columns = {name: _stripped(table, name) for name in _TEXTS}
    columns |= {name: _settings(table, name, where) for name in _NUMBERS}
    columns["optional"] = [value in ("True", "1") for value in _stripped(table, "optional")]
    columns["where"] = [f"{where}, row {i + 1}" for i in range(len(table))]
    rows = [
        Band(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]
    rows = [row._replace(band=row.band or row.column) for row in rows]
    for row in rows:
        _check(row)
    return rows


def _stripped(table, name):
    return [text.strip() for text in texts(table, name)]


def _settings(table, name, where):
    """A column of numbers of a table of bands, NaN where there is none."""
    from astropy.units import spectral

    if name not in table.colnames:
        return [np.nan] * len(table)
    try:
        values, unit = numbers(table, name)
        if unit is not None and name in _UNITS:
            values = unit.to(_UNITS[name], values, equivalencies=spectral())
    except ValueError as error:
        raise ValueError(f"{where}: {name}: {error}") from None
    return values.tolist()


def _check(row):
    """Raise the error that says what is wrong with a row, if something is."""
    from astropy.units import Unit

    positive = "a positive number of "
    if not row.column:
        row.fail("column", "the name of a column", "nothing")
    if not 0 < row.frequency < np.inf:
        row.fail("frequency", positive + "Hz", row.frequency)
    try:
        magnitude = Unit(row.unit) == Unit("mag")
    except ValueError:
        row.fail("unit", "a unit that astropy knows", repr(row.unit))
    if magnitude and not 0 < row.zero_point < np.inf:
        row.fail("zero_point", positive + "Jy, as the unit is mag", row.zero_point)
    if not magnitude and np.isfinite(row.zero_point):
        row.fail("zero_point", f"none, as the unit is {row.unit}", row.zero_point)
    if np.isfinite(row.low) != np.isfinite(row.high) or not (
        0 < row.low < row.high < np.inf or not row.integrated
    ):
        row.fail("low, high", "two rising frequencies in Hz, or none", f"{row.low}, {row.high}")
    if magnitude and row.integrated:
        row.fail("low, high", "none, as the unit is mag", f"{row.low}, {row.high}")
    if magnitude and row.error_low:
        row.fail("error_low", "none, as the unit is mag", row.error_low)
    if not row.error and (row.error_low or row.error_of or row.limit == NO_ERROR):
        row.fail("error", "a column, as error_low, error_of or limit need it", "nothing")
    for name in ("limit_sigma", "extinction"):
        if getattr(row, name) < 0:
            row.fail(name, "a number that is not negative", getattr(row, name))
    if not magnitude:
        factor(row, Unit(row.unit))


def factor(row: Band, unit: Any) -> float:
    """nu F_nu in erg / (s cm2) at the frequency of a band over the number in its column."""
    from astropy.units import Hz, Unit, UnitConversionError, spectral_density

    try:
        if hasattr(unit, "function_unit"):  # mag(AB), dex: no numbers to multiply
            raise UnitConversionError
        if not row.integrated:
            return unit.to(NUFNU, equivalencies=spectral_density(row.frequency * Hz))
        gamma = 2.0 if np.isnan(row.gamma) else row.gamma
        if unit.is_equivalent(NUFNU):
            return unit.to(NUFNU) / _power_law(row, 1 - gamma)
        photons = unit if unit.is_equivalent("ph / (s cm2)") else unit * Unit("ph")
        return photons.to("ph / (s cm2)") * _PLANCK * row.frequency / _power_law(row, -gamma)
    except UnitConversionError:
        wanted = "a flux in erg / (s cm2) or photons" if row.integrated else "a flux density"
        row.fail("unit", f"{wanted}, or mag", unit)


def _power_law(row, index):
    """Integral of (nu / frequency)^index d(nu / frequency) over the band."""
    lo, hi = row.low / row.frequency, row.high / row.frequency
    if abs(index + 1) < 1e-9:
        return np.log(hi / lo)
    return (hi ** (index + 1) - lo ** (index + 1)) / (index + 1)


def table_of(rows: Iterable[Band]) -> Table:
    from astropy.table import Table

    names = [name for name in Band._fields if name != "where"]
    columns = {name: np.array([getattr(row, name) for row in rows]) for name in names}
    return Table(columns, units=_UNITS)
