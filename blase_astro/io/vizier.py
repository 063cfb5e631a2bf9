"""Photometry of the VizieR photometry viewer (format ``'vizier-sed'``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .answers import JY_HZ, add_duplicate, first_table, read_bytes, repeats, words
from .table import sed_table
from .values import numbers

if TYPE_CHECKING:
    from .._types import Any, SedFile, Table

__all__ = ["read_vizier", "vizier_sed"]

_JD = 2400000.5


def read_vizier(file: SedFile) -> Table:
    """Read an answer of the VizieR photometry viewer (a VOTable).

    Parameters
    ----------
    file : str, `~pathlib.Path`, file-like or bytes
        What ``https://vizier.cds.unistra.fr/viz-bin/sed?-c=<ra> <dec>&-c.rs=<arcsec>`` returned.

    Returns
    -------
    sed : `~astropy.table.Table`
        The SED table: ``catalog`` is the VizieR table (``II/246/out``), ``reference`` the filter
        (``2MASS:J``). Further column ``duplicate``: rows that repeat filter, flux and time of
        an earlier one, as the many catalogs that copy 2MASS or WISE do; they never count.
        ``meta['origin']`` is ``'vizier'``, ``ra`` and ``dec`` are the median of the matched
        positions.

    Raises
    ------
    OSError
        If the bytes are no whole VOTable.
    ValueError
        If VizieR reports an error, or columns are missing.

    Examples
    --------
    >>> from astropy.table import Table
    >>> import blase_astro
    >>> sed = Table.read('vizier_votable.vot', format='vizier-sed')  # doctest: +SKIP
    """
    return vizier_sed(first_table(read_bytes(file), "VizieR"))


def is_vizier(names):
    """Are these the columns of VizieR's photometry viewer?"""
    return bool({"sed_freq", "_sed_freq"} & set(names))


def vizier_sed(table: Table, meta: dict[str, Any] | None = None) -> Table:
    """Make an SED of the photometry viewer's table, e.g. read with ``Table.read(url)``.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``sed_freq`` (GHz), ``sed_flux``, ``sed_eflux`` (Jy), ``sed_filter``,
        ``_tabname``; the service also writes the first four with a leading underscore.
    meta : dict, optional
        Entries that replace those of the table, such as the position.

    Returns
    -------
    sed : `~astropy.table.Table`
        See `read_vizier`.
    """
    names = {n: n if n in table.colnames else f"_{n}" for n in _FIELDS}
    missing = [n for n in _FIELDS if names[n] not in table.colnames]
    if missing:
        raise ValueError(
            f"no table of the VizieR photometry viewer: column {missing[0]!r} is missing, "
            f"got {', '.join(table.colnames[:6]) or 'none'} ..."
        )
    frequency = numbers(table, names["sed_freq"], "GHz") * 1e9
    flux = numbers(table, names["sed_flux"], "Jy")
    error = numbers(table, names["sed_eflux"], "Jy")
    error[~(error > 0)] = np.nan
    start, end = _times(table)
    filters = words(table, names["sed_filter"])
    sed = sed_table(
        frequency,
        frequency * flux * JY_HZ,
        frequency * (flux + error) * JY_HZ,
        frequency * (flux - error) * JY_HZ,
        mjd_start=start,
        mjd_end=end,
        catalog=words(table, "_tabname"),
        reference=filters,
        meta={
            "origin": "vizier",
            "ra": _median(numbers(table, "_RAJ2000", "deg")),
            "dec": _median(numbers(table, "_DEJ2000", "deg")),
        }
        | (meta or {}),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        rounded = np.round(np.log10(flux), 3)
    return add_duplicate(sed, repeats(filters, frequency, rounded, start))


_FIELDS = ("sed_freq", "sed_flux", "sed_eflux", "sed_filter")


def _times(table):
    """Start and end of the observations (MJD): the service gives a mean epoch and its error."""
    time, error = numbers(table, "_time"), numbers(table, "_etime")
    time = np.where(time > _JD, time - _JD, time)  # Julian dates occur beside modified ones
    error = np.where(error > 0, error, 0.0)
    return time - error, time + error


def _median(values):
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan
