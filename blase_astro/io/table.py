"""The shapes every format is read into: the SED table, and many SEDs as plain arrays."""

from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np

__all__ = ["Points", "join_points", "sed_table", "select"]

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


@cache
def _unit(name):
    from astropy.units import Unit

    return Unit(name)


def sed_table(
    frequency,
    nufnu,
    nufnu_upper=None,
    nufnu_lower=None,
    *,
    mjd_start=None,
    mjd_end=None,
    upper_limit=None,
    catalog=None,
    reference=None,
    meta=None,
):
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
        column.unit = unit and _unit(unit)
        column.description = description
        column.meta = {"ucd": ucd}
    return sed


def join_points(chunks):
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


def select(points, index):
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
