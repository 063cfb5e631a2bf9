"""The one door for columns that users bring: numbers in a unit, texts, yes or no.

A column may be masked or not, a Quantity, bytes, text, dates, anything, or absent.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .._types import Table

__all__ = ["flags", "numbers", "texts"]

_YES, _NO = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}
_LONGEST = 64  # characters of a number; a longer text is none


def numbers(table: Table, name: str, unit: str | None = None) -> np.ndarray:
    """A column of any table as numbers in a unit.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table, n rows.
    name : str
        Name of the column: numbers, a Quantity, dates, or numbers as text, masked or not.
    unit : str, optional
        Unit wanted. A column without unit is taken to be in it; frequencies may come as energies
        or wavelengths.

    Returns
    -------
    values : ndarray of float64, shape (n,)
        NaN where the column is masked or holds no number, and everywhere if there is none.

    Raises
    ------
    ValueError
        If the unit of the column cannot be converted, or a row holds several values.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from blase_astro.io import numbers
    >>> numbers(QTable({'frequency': [1.4, 4.8]}, units=['GHz']), 'frequency', 'Hz')
    array([1.4e+09, 4.8e+09])
    """
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    return column_numbers(table[name], name, unit)


def column_numbers(column, name, unit=None):
    """As `numbers`, of a column by itself; the name is for messages."""
    if hasattr(column, "mjd") and unit == "d":  # astropy.time.Time
        values, masked = np.asarray(getattr(column.mjd, "unmasked", column.mjd)), column.mask
        return np.where(masked, np.nan, values)
    values, masked = _values(column, name)
    if values.dtype.kind in "fiub":
        values = values.astype(float)
    else:
        values = np.array([number(value) for value in values.tolist()], dtype=float)
    have = getattr(column, "unit", None)
    if unit is not None and have is not None:
        values = _in_unit(values, have, unit, name)
    return np.where(masked, np.nan, values)


def texts(table: Table, name: str) -> np.ndarray:
    """A column of any table as text.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table, n rows.
    name : str
        Name of the column.

    Returns
    -------
    values : ndarray of object, shape (n,)
        Each a str; empty where the column is masked, and everywhere if there is none.

    Raises
    ------
    ValueError
        If a row holds several values.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io import texts
    >>> print(texts(Table({'catalog': [b'NVSS', b'']}), 'catalog'))
    ['NVSS' '']
    """
    found = np.full(len(table), "", dtype=object)
    if name in table.colnames:
        values, masked = _values(table[name], name)
        for i in np.flatnonzero(~masked):
            found[i] = _text(values[i])
    return found


def flags(table: Table, name: str, unknown: bool = False) -> np.ndarray:
    """A column of any table as yes or no.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table, n rows.
    name : str
        Name of the column: bool, numbers, or words like ``'true'``, ``'no'``, ``'1'``.
    unknown : bool
        What a row is that is masked or empty.

    Returns
    -------
    values : ndarray of bool, shape (n,)
        False everywhere if there is no such column.

    Raises
    ------
    ValueError
        If a word means neither yes nor no, or a row holds several values.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io import flags
    >>> flags(Table({'upper_limit': ['true', 'F', '']}), 'upper_limit', unknown=True)
    array([ True, False,  True])
    """
    if name not in table.colnames:
        return np.zeros(len(table), dtype=bool)
    return column_flags(table[name], name, unknown)


def column_flags(column, name, unknown=False):
    """As `flags`, of a column by itself; the name is for messages."""
    values, masked = _values(column, name)
    if values.dtype.kind == "b":
        return np.where(masked, unknown, values)
    if values.dtype.kind in "fiu":
        return np.where(masked | np.isnan(values), unknown, values != 0)
    found = np.full(len(values), bool(unknown))
    for i in np.flatnonzero(~masked):
        word = _text(values[i]).strip().lower()
        if word not in {*_YES, *_NO, ""}:
            raise ValueError(f"column {name!r} holds {word[:40]!r}; wanted true or false")
        found[i] = word in _YES if word else unknown
    return found


def _values(column, name):
    """What a column holds, one value a row, as an array without unit, and where it is masked."""
    masked = np.asarray(getattr(column, "mask", False))
    values = np.asarray(getattr(column, "unmasked", column))
    if values.ndim != 1:
        raise ValueError(f"column {name!r} has {values.shape[1:] or 'no'} values a row, wanted one")
    return values, np.broadcast_to(masked, values.shape)


@cache
def unit_of(name):
    """A unit by its name, each made once."""
    from astropy.units import Unit

    return Unit(name)


def number(value):
    """A number in whatever form, NaN if it is none: no digit groups, nothing endless."""
    if isinstance(value, bytes):
        value = value[: _LONGEST + 1].decode("latin-1")
    if isinstance(value, str):
        value = value.strip()
        if len(value) > _LONGEST or "_" in value:
            return np.nan
    elif not isinstance(value, (int, float, np.number)):
        return np.nan
    try:
        return float(value)
    except (ValueError, OverflowError, TypeError):
        return np.nan


def _text(value):
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _in_unit(values, have, wanted, name):
    """Values in the wanted unit."""
    from astropy.units import dimensionless_unscaled, spectral

    same = have in (unit_of(wanted), dimensionless_unscaled)
    if same or (not wanted and str(have) == "redshift"):  # astropy has a unit of that name
        return values
    try:
        with np.errstate(all="ignore"):
            return np.asarray(have.to(unit_of(wanted), values, equivalencies=spectral()))
    except (ValueError, TypeError, AttributeError):
        what = f"one that converts to {wanted}" if wanted else "a number without unit"
        kind = str(getattr(have, "physical_type", ""))
        if wanted == "erg / (s cm2)" and kind == "spectral flux density":
            what += " (nu F_nu is the frequency times the flux density)"
        raise ValueError(f"column {name!r} has the unit {str(have)!r}; wanted {what}") from None
