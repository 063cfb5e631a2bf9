"""The shapes every format is read into: the SED table, and many SEDs as plain arrays.

`standard_sed` and `points_from_seds` bring what users have into these shapes.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .values import column_numbers, flags, number, numbers, texts, unit_of

if TYPE_CHECKING:
    from .._types import Any, ArrayLike, Iterable, Sequence, Table

__all__ = [
    "Points",
    "flags",
    "join_points",
    "numbers",
    "points_from_seds",
    "sed_table",
    "select",
    "standard_sed",
    "texts",
]

# name: (unit, UCD, description)
_COLUMNS = {
    "frequency": ("Hz", "em.freq", "frequency, observer frame"),
    "nufnu": ("erg / (s cm2)", "phot.flux;em.freq", "nu F_nu as in the file"),
    "nufnu_upper": (
        "erg / (s cm2)",
        "phot.flux;em.freq;stat.max",
        "upper end of the 1-sigma interval of nufnu, or the upper limit",
    ),
    "nufnu_lower": (
        "erg / (s cm2)",
        "phot.flux;em.freq;stat.min",
        "lower end of the 1-sigma interval of nufnu",
    ),
    "mjd_start": ("d", "time.start", "start of the observation (MJD)"),
    "mjd_end": ("d", "time.end", "end of the observation (MJD)"),
    "upper_limit": (None, "meta.code.qual", "is nufnu no detection but an upper limit?"),
    "catalog": (None, "meta.id;meta.dataset", "catalog or mission of the measurement"),
    "reference": (None, "meta.bib", "where the measurement was published"),
}


class Points(NamedTuple):
    """The measurements of many SEDs as plain arrays, without a Table for each.

    Attributes
    ----------
    name : list of str, shape (n,)
        Name of each SED.
    ra, dec : ndarray of float64, shape (n,)
        Position in degrees (J2000), NaN where the file gives none.
    redshift : ndarray of float64, shape (n,)
        Redshift, NaN where unknown.
    error : list of str, shape (n,)
        Why the SED could not be read; empty where it could.
    sed : ndarray of int64, shape (m,)
        Which SED each measurement belongs to, in rising order.
    frequency : ndarray of float64, shape (m,)
        Frequency in Hz.
    nufnu, nufnu_upper, nufnu_lower : ndarray of float64, shape (m,)
        nu F_nu and the ends of its interval in erg / (s cm2), NaN where missing.
    upper_limit : ndarray of bool, shape (m,)
        True where ``nufnu`` is no detection.
    duplicate : ndarray of bool, shape (m,)
        True where a row repeats another measurement of the SED (EBL-corrected copies).
    """

    name: list
    ra: np.ndarray
    dec: np.ndarray
    redshift: np.ndarray
    error: list
    sed: np.ndarray
    frequency: np.ndarray
    nufnu: np.ndarray
    nufnu_upper: np.ndarray
    nufnu_lower: np.ndarray
    upper_limit: np.ndarray
    duplicate: np.ndarray


def sed_table(
    frequency: ArrayLike,
    nufnu: ArrayLike,
    nufnu_upper: ArrayLike | None = None,
    nufnu_lower: ArrayLike | None = None,
    *,
    mjd_start: ArrayLike | None = None,
    mjd_end: ArrayLike | None = None,
    upper_limit: ArrayLike | None = None,
    catalog: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    meta: dict[str, Any] | None = None,
) -> Table:
    """Make the SED table that every reader returns and everything downstream takes.

    Parameters
    ----------
    frequency : array_like, shape (m,)
        Frequency in Hz, NaN where missing.
    nufnu, nufnu_upper, nufnu_lower : array_like, shape (m,)
        nu F_nu and the ends of its 1-sigma interval in erg / (s cm2), NaN where missing.
    mjd_start, mjd_end : array_like, shape (m,), optional
        Time of the observation as MJD, NaN where unknown.
    upper_limit : array_like of bool, shape (m,), optional
        True where the row is no detection.
    catalog, reference : sequence of str, shape (m,), optional
        Origin of each measurement, empty where unknown.
    meta : dict, optional
        ``ra``, ``dec`` (deg), ``redshift``, ``source_type``, ``source_number``; whatever is
        absent is there as NaN or None.

    Returns
    -------
    sed : `~astropy.table.Table`
        One row a measurement, with units, descriptions and UCDs. Missing numbers are masked.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> sed = sed_table([1.4e9], [2.5e-14], meta={'ra': 77.36, 'dec': 5.69})
    >>> sed['nufnu'].unit
    Unit("erg / (s cm2)")
    """
    from astropy.table import Table

    m = len(frequency)
    values = {
        "frequency": frequency,
        "nufnu": nufnu,
        "nufnu_upper": nufnu_upper,
        "nufnu_lower": nufnu_lower,
        "mjd_start": mjd_start,
        "mjd_end": mjd_end,
        "upper_limit": np.zeros(m, bool) if upper_limit is None else np.array(upper_limit, bool),
        "catalog": np.full(m, "") if catalog is None else np.array(catalog, str),
        "reference": np.full(m, "") if reference is None else np.array(reference, str),
    }
    for name, (unit, _, _) in _COLUMNS.items():
        if unit is not None:
            data = values[name]
            data = np.full(m, np.nan) if data is None else np.array(data, float)
            values[name] = np.ma.MaskedArray(data, np.isnan(data))
        else:
            values[name] = np.ma.MaskedArray(values[name])
    defaults = {
        "ra": np.nan,
        "dec": np.nan,
        "redshift": np.nan,
        "source_type": None,
        "source_number": None,
    }
    sed = Table(values, meta=defaults | (meta or {}), copy=False)
    # Attributes afterwards: a table copies the columns it is given, and their attributes slowly.
    for name, (unit, ucd, description) in _COLUMNS.items():
        column = sed.columns[name]
        column.unit = unit and unit_of(unit)
        column.description = description
        column.meta = {"ucd": ucd}
    return sed


def standard_sed(table: Table) -> Table:
    """Whatever SED table a user brings as a full one, as `sed_table` makes it.

    Parameters
    ----------
    table : `~astropy.table.Table`
        At least ``frequency`` and ``nufnu``, in any unit; the other columns of an SED table may
        lack. ``meta`` may hold ``ra``, ``dec``, ``redshift`` and so on, in any case of letters.

    Returns
    -------
    sed : `~astropy.table.Table`
        The same rows in standard units, with all columns of an SED table, and further ones of
        the table behind them.

    Raises
    ------
    ValueError
        If it is no SED table, or a unit cannot be converted.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from blase_astro.io.table import standard_sed
    >>> sed = standard_sed(QTable({'frequency': [1.4], 'nufnu': [2e-17]}, units=['GHz', 'W/m2']))
    >>> print(sed['frequency', 'nufnu', 'upper_limit'])
     frequency      nufnu     upper_limit
         Hz     erg / (s cm2)
    ------------ ------------- -----------
    1400000000.0         2e-14       False
    """
    _check_columns(table)
    values = {name: numbers(table, name, unit) for name, (unit, *_) in _COLUMNS.items() if unit}
    sed = sed_table(
        **values,
        upper_limit=flags(table, "upper_limit", unknown=True),
        catalog=texts(table, "catalog"),
        reference=texts(table, "reference"),
        meta=standard_meta(table.meta),
    )
    for name in table.colnames:
        if name == "duplicate":
            sed[name] = flags(table, name)
        elif name not in sed.colnames:
            sed[name] = table[name]
    return sed


_CAPITALS = ("RA", "DEC", "REDSHIFT", "SOURCE_TYPE", "SOURCE_NUMBER", "NAME", "ORIGIN", "COMMENTS")


def _check_columns(table):
    if not hasattr(table, "colnames"):
        raise ValueError(f"wanted an SED table, got {type(table).__name__}: {str(table)[:60]}")
    if not {"frequency", "nufnu"} <= set(table.colnames):
        raise ValueError(
            "no SED table: wanted the columns 'frequency' (Hz) and 'nufnu' (erg / (s cm2)), got "
            + (", ".join(table.colnames[:8]) + ", ..." * (len(table.colnames) > 8) or "none")
        )


def _meta(meta, key, unit):
    """A number of a table's metadata, NaN where there is none."""
    value = meta.get(key, meta.get(key.upper()))
    if hasattr(value, "to_value"):  # a Quantity
        try:
            value = column_numbers(np.atleast_1d(value), key, unit)
        except ValueError:
            return np.nan
    return number(value.item() if isinstance(value, np.ndarray) and value.size == 1 else value)


def known_position(ra, dec):
    """A position in degrees, NaN for both where it is none on the sphere."""
    return (ra, dec) if abs(ra) <= 720 and abs(dec) <= 90 else (np.nan, np.nan)


def standard_meta(meta):
    """Metadata of an SED with its position and redshift as numbers, NaN where not known.

    FITS writes keys in capitals.
    """
    ra, dec = known_position(_meta(meta, "ra", "deg"), _meta(meta, "dec", "deg"))
    redshift = _meta(meta, "redshift", "")
    named = {key.lower() if key in _CAPITALS else key: value for key, value in meta.items()}
    redshift = redshift if 0 < redshift < np.inf else np.nan
    return named | {"ra": ra, "dec": dec, "redshift": redshift}


def sed_arrays(sed):
    """Arrays of an SED table in the order `~blase_astro.sed.usable` takes them, standard units."""
    _check_columns(sed)
    names = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower")
    values = [numbers(sed, name, _COLUMNS[name][0]) for name in names]
    # Whether a row is a limit must be known for it to count. `duplicate` is set by readers of
    # services' answers and by merging.
    limit = flags(sed, "upper_limit", unknown=True)
    duplicate = (texts(sed, "catalog") == "DEBL") | flags(sed, "duplicate")
    return *values, limit, duplicate.astype(bool)


def points_from_seds(seds: Iterable[Table]) -> Points:
    """The measurements of SED tables as plain arrays.

    Parameters
    ----------
    seds : iterable of `~astropy.table.Table`
        n SED tables, of which only ``frequency`` and ``nufnu`` are needed, in any units.

    Returns
    -------
    points : `~blase_astro.io.Points`
        Their rows, one SED after the other; the names are empty.

    Raises
    ------
    ValueError
        If one is no SED table, or a unit cannot be converted.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.sed import points_from_seds
    >>> points_from_seds([sed_table([1.4e9], [1e-14], meta={'ra': 77.36, 'dec': 5.69})]).ra
    array([77.36])
    """
    seds = list(seds)
    arrays = [sed_arrays(sed) for sed in seds]
    columns = [np.concatenate(parts) for parts in zip(*arrays, strict=True)] or [np.zeros(0)] * 6
    columns[4:] = [column.astype(bool) for column in columns[4:]]
    metas = [standard_meta(sed.meta) for sed in seds]
    known = (np.array([meta[k] for meta in metas], float) for k in ("ra", "dec", "redshift"))
    rows = np.repeat(np.arange(len(seds)), [len(sed) for sed in seds])
    empty = [""] * len(seds)
    return Points(empty, *known, empty, rows, *columns)


def join_points(chunks: Sequence[Points]) -> Points:
    """The measurements of several lots of SEDs as one.

    Parameters
    ----------
    chunks : sequence of `~blase_astro.io.Points`
        At least one, as `~blase_astro.io.read_points` yields them.

    Returns
    -------
    points : `~blase_astro.io.Points`
        All of them, one lot after the other.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> from blase_astro.io.table import join_points
    >>> from blase_astro.io import read_points
    >>> len(join_points(list(read_points('catalogs/demo_seds.zip', chunk=3))).name)
    25
    """
    from ..io import Points

    if not chunks:
        raise ValueError("no SED was found")
    starts = np.cumsum([0] + [len(chunk.name) for chunk in chunks])
    chunks = [c._replace(sed=c.sed + s) for c, s in zip(chunks, starts[:-1], strict=True)]
    columns = []
    for parts in zip(*chunks, strict=True):
        is_list = isinstance(parts[0], list)
        columns.append(list(chain(*parts)) if is_list else np.concatenate(parts))
    return Points(*columns)


def select(points: Points, index: np.ndarray) -> Points:
    """The points of some SEDs, renumbered.

    Parameters
    ----------
    points : `~blase_astro.io.Points`
        Measurements of n SEDs.
    index : ndarray of int, shape (k,)
        Which SEDs, each at most once.

    Returns
    -------
    points : `~blase_astro.io.Points`
        Those k SEDs, in the order of ``index``.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.io.table import select
    >>> from blase_astro.io import read_points
    >>> points = next(read_points('catalogs/demo_seds.zip'))
    >>> select(points, np.array([0])).name
    ['seds/PMN_J1508-4953.txt']
    """
    new = np.full(len(points.name), -1)
    new[index] = np.arange(len(index))
    rows = np.flatnonzero(new[points.sed] >= 0)
    rows = rows[np.argsort(new[points.sed[rows]], kind="stable")]
    heads = [
        [column[i] for i in index] if isinstance(column, list) else column[index]
        for column in points[:5]
    ]
    return type(points)(*heads, new[points.sed[rows]], *(c[rows] for c in points[6:]))
