"""From columns of a catalog to measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..io.table import Points
from ..sky import icrs
from .columns import element, find, numbers
from .sets import NO_ERROR, checked_rows, factor, read_bands, table_of, vector_lengths

if TYPE_CHECKING:
    from .._types import ArrayLike, Bands, Say, Table

__all__ = ["bands_in", "points_from_bands"]

# Magnitudes and reddenings beyond this are fillers: 99.99, -999, -9999.
_FILLER = 50.0
_MAG = 0.4 * np.log(10)


def bands_in(table: Table, bands: Bands, *, say: Say = None) -> Table:
    """Which of the bands a catalog has, one row each.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The catalog.
    bands : str, path-like, `~astropy.table.Table` or list of these
        As for `read_bands`.
    say : callable, optional
        Called with a line of text about what was found, and what was not.

    Returns
    -------
    bands : `~astropy.table.Table`
        The bands that the catalog has, as from `read_bands`.

    Raises
    ------
    ValueError
        If a column is missing that is not optional, a survey has no column at all, a vector has
        not as many elements as the survey has bands, or two bands want the same column.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.bands import bands_in
    >>> catalog = Table({'W1mag': [12.0], 'e_W1mag': [0.02], 'W2mag': [11.5], 'e_W2mag': [0.02]})
    >>> print(bands_in(catalog, 'AllWISE', say=print)['column'])
    bands: AllWISE W1, AllWISE W2; not in the catalog: AllWISE W3, AllWISE W4
    column
    ------
     W1mag
     W2mag
    """
    groups: dict[tuple[str, str], list] = {}
    for row in checked_rows(bands):
        groups.setdefault((row.survey, row.band), []).append(row)
    found = [next((r for r in group if find(table, r.column)), None) for group in groups.values()]
    absent = [group[0] for group, row in zip(groups.values(), found, strict=True) if row is None]
    used = [_with_what_is_there(table, row) for row in found if row is not None]
    _check_absent(absent, used, table)
    _check_columns(table, used)
    if say is not None:
        text = "bands: " + ", ".join(row.label for row in used)
        if absent:
            text += "; not in the catalog: " + ", ".join(row.label for row in absent)
        say(text)
    return read_bands(table_of(used))


def _check_absent(absent, used, table):
    """Raise the error that names what the catalog should have and has not."""
    surveys = {row.survey for row in used}
    for row in absent:
        if not row.optional:
            row.fail("column", f"one of the catalog's, {', '.join(table.colnames)}", row.column)
        if row.survey not in surveys:
            row.fail("column", f"any band of {row.survey} in the catalog", "none")


def _with_what_is_there(table, row):
    """A row of a ready set without the columns of errors and limits that the catalog lacks."""
    columns = ("error", "error_low", "error_of", "limit")
    missing = {
        name: getattr(row, name)
        for name in columns
        if getattr(row, name) not in ("", NO_ERROR) and not find(table, getattr(row, name))
    }
    if missing and not row.optional:
        name, column = next(iter(missing.items()))
        row.fail(name, f"a column of the catalog, {', '.join(table.colnames)}", column)
    if missing.keys() & {"error", "error_low", "error_of"}:
        missing |= dict.fromkeys(columns[:3])
        if row.limit == NO_ERROR:
            missing["limit"] = ""
    return row._replace(**dict.fromkeys(missing, ""))


def _check_columns(table, used):
    """Every band has a column of its own, and vectors are as long as those of the survey."""
    owner = {}
    for row in used:
        column, index = find(table, row.column)
        other = owner.setdefault((column, index), row)
        if other is not row:
            row.fail("column", f"one that no other band has, as {other.label}", row.column)
        wanted = vector_lengths().get(row.survey)
        for name in filter(None, (row.column, row.error, row.error_low, row.error_of)):
            column, index = find(table, name)
            got = table[column].shape[1] if table[column].ndim > 1 else 1
            if index and wanted not in (None, got):
                what = f"{wanted} elements in {column}, as {row.survey} has bands"
                row.fail("column", what, got)


def points_from_bands(
    table: Table,
    bands: Bands,
    ra: ArrayLike | None = None,
    dec: ArrayLike | None = None,
    *,
    ebv: str | None = None,
) -> Points:
    """The photometry of a catalog as measurements of one SED a row.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The catalog, or some of its rows; n rows. Masked, NaN, no positive flux, magnitudes of
        50 and more (fillers like 99.99 and -999): no measurement. A unit that a column states
        counts, else that of the band.
    bands : str, path-like, `~astropy.table.Table` or list of these
        As for `read_bands`; what `bands_in` returns saves time where a catalog comes in blocks.
    ra, dec : array_like, shape (n,), optional
        Positions (ICRS), degrees without unit.
    ebv : str, optional
        Column with E(B-V): fluxes of the bands that have a coefficient are freed of Galactic
        extinction; where it is not known, not positive or a filler they stay as they are.

    Returns
    -------
    points : `~blase_astro.io.Points`
        n SEDs, named by the number of their row. An upper limit is its own ``nufnu_upper``.

    Raises
    ------
    ValueError
        As `bands_in`, or if a column holds no numbers or a unit that does not fit.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.bands import points_from_bands
    >>> catalog = Table({'S1.4': [250.0, 31.0], 'Gmag': [16.0, 18.2], 'e_Gmag': [0.01, 0.01]})
    >>> points = points_from_bands(catalog, ['NVSS', 'Gaia'])
    >>> points.sed
    array([0, 0, 1, 1])
    >>> points.nufnu
    array([3.5000e-15, 6.2717e-12, 4.3400e-16, 8.2679e-13])
    """
    used = checked_rows(bands_in(table, bands))
    n = len(table)
    reddening = np.zeros(n)
    if ebv is not None:
        if not find(table, ebv):
            raise ValueError(
                f"E(B-V): the catalog has no column {ebv!r}; it has {', '.join(table.colnames)}"
            )
        reddening = element(table, ebv)[0]
        reddening = np.where((reddening > 0) & (reddening < _FILLER), reddening, 0)
    flux, upper, lower = np.empty((3, len(used), n))
    limit = np.empty((len(used), n), bool)
    for i, row in enumerate(used):
        flux[i], upper[i], lower[i], limit[i] = _measured(table, row, reddening)
    sed, band = np.nonzero((np.isfinite(flux) & (flux > 0)).T)
    unknown = np.full(n, np.nan)
    if ra is None or dec is None:
        ra, dec = unknown, unknown
    else:
        ra, dec = icrs((ra, dec), strict=False)
    return Points(
        name=list(map(str, range(n))),
        ra=ra,
        dec=dec,
        redshift=unknown,
        error=[""] * n,
        sed=sed,
        frequency=np.array([row.frequency for row in used])[band],
        nufnu=flux[band, sed],
        nufnu_upper=upper[band, sed],
        nufnu_lower=lower[band, sed],
        upper_limit=limit[band, sed],
        duplicate=np.zeros(len(sed), bool),
    )


def _measured(table, row, reddening):
    """nu F_nu, its upper and lower end and whether it is a limit, shape (n,) each."""
    value, unit = element(table, row.column)
    magnitude = np.isfinite(row.zero_point)
    if magnitude:
        value[np.abs(value) >= _FILLER] = np.nan
        flux = 1e-23 * _zero_point(row, unit) * row.frequency * np.exp(-_MAG * value)
    else:
        flux = value * _factor_of(row, unit)
    up, low = _errors(table, row, flux, unit, magnitude)
    limit = _limits(table, row, np.isnan(low))
    height = np.where(limit & np.isfinite(up), np.nan_to_num(row.limit_sigma), 0)
    flux = flux + height * np.nan_to_num(up)
    upper = np.where(limit, flux, flux + up)
    lower = np.where(limit, np.nan, flux - low)
    if np.isfinite(row.extinction) and reddening.any():
        bright = np.exp(_MAG * row.extinction * reddening)
        flux, upper, lower = flux * bright, upper * bright, lower * bright
    return flux, upper, lower, limit


def _zero_point(row, unit):
    """Flux density of magnitude 0 (Jy): that of the column's mag(AB) or mag(ST), or the band's."""
    from astropy.units import Hz, Unit, UnitConversionError, spectral_density

    if unit is not None and getattr(unit, "function_unit", unit) != Unit("mag"):
        row.fail("unit", f"mag in the column {row.column}", unit)
    zero = getattr(unit, "physical_unit", Unit(""))
    if zero == Unit(""):
        return row.zero_point
    try:
        return zero.to("Jy", equivalencies=spectral_density(row.frequency * Hz))
    except UnitConversionError:
        row.fail("unit", f"magnitudes of a flux density in the column {row.column}", unit)


def _factor_of(row, unit):
    from astropy.units import Unit

    return factor(row, Unit(row.unit) if unit is None or unit == "" else unit)


def _errors(table, row, flux, unit, magnitude):
    """How far the ends of the 1-sigma interval lie above and below, NaN where not known."""
    if not row.error:
        return np.full((2, len(flux)), np.nan)
    ends = []
    for end, name in ((1, row.error), (-1, row.error_low or row.error)):
        error, its_unit = element(table, name)
        if name == row.error_low:
            error = np.abs(error)  # some write it with its sign
        error[~((error > 0) & (error < np.inf))] = np.nan
        if row.error_of:
            whole, unit_of_whole = element(table, row.error_of)
            if its_unit is not None and unit_of_whole is not None:
                error *= its_unit.to(unit_of_whole)
            with np.errstate(divide="ignore", invalid="ignore"):
                ends.append(flux * error / np.abs(whole))
        elif magnitude:
            error[error >= _FILLER] = np.nan
            ends.append(flux * end * np.expm1(end * _MAG * error))
        else:
            ends.append(error * _factor_of(row, its_unit or unit))
    return ends


def _limits(table, row, no_error):
    """Which values are upper limits."""
    if row.limit == NO_ERROR:
        return no_error
    if not row.limit:
        return np.zeros(len(no_error), bool)
    column, index = find(table, row.limit)
    kind = table[column].dtype.kind
    if kind not in "SUO":
        marks = numbers(table, column, index)[0]
        return (marks != 0) & np.isfinite(marks)
    texts = np.ma.filled(np.ma.asarray(table[column]).astype("U"), "")
    if index:  # a letter a band, as the qualities of AllWISE and 2MASS
        width = texts.dtype.itemsize // 4
        letters = np.ascontiguousarray(texts).view("U1").reshape(len(texts), -1)
        if index[0] >= width:
            row.fail("limit", f"at least {index[0] + 1} letters in {column}", width)
        texts = letters[:, index[0]]
    return np.isin(np.char.lower(np.char.strip(texts)), ["<", "u", "ul", "true", "t", "1"])
