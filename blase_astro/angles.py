"""Angles, as numbers, quantities or text."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._types import Any, ArrayLike, Radius

__all__ = ["arcsec", "degrees"]

# Written units of a radius, in arcsec.
_RADIUS_UNITS = {
    "": 1, "arcsec": 1, '"': 1, "″": 1, "arcmin": 60, "'": 60, "′": 60, "deg": 3600, "°": 3600,
}  # fmt: skip
_RADIUS = re.compile(r"\s*([-+.0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?nan|[-+]?inf)\s*([^\s0-9]*)\s*")

_SEXAGESIMAL = re.compile(
    r"""\s*(?P<sign>[-+\N{MINUS SIGN}]?)\s*(?P<whole>\d+)\s*(?P<mark>[:hd°\s])\s*
    (?P<minutes>\d+(?:\.\d*)?)\s*[:m'′\s]?\s*(?P<seconds>\d+(?:\.\d*)?)?\s*(?:s|"|″|'')?\s*""",
    re.VERBOSE,
)


def arcsec(radius: Radius) -> float:
    """A radius on the sky in arcsec: the one door that every radius comes through.

    Parameters
    ----------
    radius : float, `~astropy.units.Quantity` or str
        Arcsec without unit; text may have one: ``'5arcsec'``, ``'0.1 arcmin'``, ``'0.01deg'``.

    Returns
    -------
    radius : float
        The radius in arcsec.

    Raises
    ------
    ValueError
        If it is no angle above 0 and below 90 degrees.

    Examples
    --------
    >>> from astropy import units as u
    >>> from blase_astro.angles import arcsec
    >>> arcsec(5.0), arcsec(0.5 * u.arcmin), arcsec('0.1 arcmin')
    (5.0, 30.0, 6.0)
    """
    value = _radius(radius)
    if not 0 < value < 90 * 3600:  # nor NaN
        raise ValueError(
            f"radius must be a positive angle in arcsec; got {radius!r}; wanted less than "
            "90 degrees, with another unit as text ('0.1 arcmin') or as a Quantity"
        )
    return value


def _radius(radius):
    """A radius in arcsec, NaN where it is none."""
    try:
        if isinstance(radius, str):
            number, unit = _RADIUS.fullmatch(radius).groups()
            return float(number) * _RADIUS_UNITS[unit]
        if hasattr(radius, "to_value"):
            radius = radius.to_value("arcsec")
        return math.nan if isinstance(radius, (bool, np.bool_)) else float(radius)
    except (TypeError, ValueError, KeyError, AttributeError):  # UnitConversionError is a TypeError
        return math.nan


def degrees(column: ArrayLike, name: str, *, hours: bool) -> np.ndarray:
    """Angles of a column in degrees.

    Parameters
    ----------
    column : `~astropy.table.Column`, `~astropy.units.Quantity` or array_like, shape (n,)
        Numbers, in degrees without unit; or text, decimal degrees or sexagesimal.
    name : str
        What the column is called, for messages.
    hours : bool
        Whether it is a right ascension: sexagesimal text means hours then, unless it is marked
        with a degree sign or ``d``, and a unit of time means hour angle.

    Returns
    -------
    degrees : ndarray of float64, shape (n,)
        NaN where one is missing, masked or not finite.

    Raises
    ------
    ValueError
        If the unit is no angle, or text is no angle.

    Examples
    --------
    >>> from blase_astro.angles import degrees
    >>> degrees(['05:09:26.0', '77.5', ''], 'RA', hours=True).round(3)
    array([77.358, 77.5  ,    nan])
    """
    mask = np.asarray(getattr(column, "mask", False))
    unit = getattr(column, "unit", None)
    plain: Any = getattr(column, "unmasked", column)  # a Masked Quantity
    values = np.atleast_1d(np.ma.getdata(getattr(plain, "value", plain)))
    if values.ndim != 1:
        raise ValueError(f"column {name!r} must hold one angle a row; its shape is {values.shape}")
    if values.dtype.kind in "SUO":
        angles = _parse_angles(values, mask, name, hours=hours)
    elif values.dtype.kind in "iuf":
        angles = np.array(values, dtype=float) * _scale(unit, name, hours=hours)
    else:
        raise ValueError(f"column {name!r} must hold angles; its type is {values.dtype}")
    angles[np.broadcast_to(mask, angles.shape) | ~np.isfinite(angles)] = np.nan
    return angles


def _scale(unit, name, *, hours):
    """Degrees in a unit of the column; hours of time count as hours of angle."""
    if unit is None or str(unit).strip() == "":
        return 1.0
    from astropy import units as u

    if hours and unit in (u.hour, u.hourangle):
        return 15.0
    try:
        return u.Unit(unit).to(u.deg)
    except (u.UnitConversionError, TypeError):
        raise ValueError(f"column {name!r} must be an angle; its unit is {unit}") from None


def _parse_angles(values, mask, name, *, hours):
    """Angles written as text, in degrees."""
    angles = np.full(len(values), np.nan)
    mask = np.broadcast_to(mask, angles.shape)
    for i, value in enumerate(values):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        text = text.strip()
        if mask[i] or text.lower() in ("", "nan", "--", "null", "none", "n/a"):
            continue
        angles[i] = _parse_angle(text, name, i, hours=hours)
    return angles


def _parse_angle(text, name, row, *, hours):
    """One angle written as text, in degrees."""
    try:
        return float(text)
    except ValueError:
        match = _SEXAGESIMAL.fullmatch(text)
    parts = match and [float(match[key] or 0) for key in ("whole", "minutes", "seconds")]
    if not match or parts[1] >= 60 or parts[2] > 60:
        raise ValueError(
            f"column {name!r}, row {row}: {text!r} is no angle; "
            "wanted degrees or sexagesimal like 05:09:26.0 or +05 41 35"
        )
    angle = parts[0] + parts[1] / 60 + parts[2] / 3600
    if match["mark"] == "h" or (hours and match["mark"] not in "d°"):
        angle *= 15
    return -angle if match["sign"] in ("-", "\N{MINUS SIGN}") else angle
