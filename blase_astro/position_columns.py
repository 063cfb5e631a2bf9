"""Where a catalog keeps its positions, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .angles import degrees
from .sky import icrs, known_positions

if TYPE_CHECKING:
    from ._types import Table

__all__ = ["FRAMES", "POSITION_COLUMNS", "PositionColumns", "find_position", "positions"]
FRAMES = ("icrs", "fk5", "fk4", "galactic")

# (longitude, latitude, frame), tried in this order whatever the case of the letters. The
# counterpart comes before the gamma-ray centroid, which lies arcminutes off; None leaves the
# frame to the table's RADESYS.
POSITION_COLUMNS = (
    ("RA_Counterpart", "DEC_Counterpart", "icrs"),
    ("RAJ2000", "DEJ2000", "icrs"),
    ("RAJ2000", "DECJ2000", "icrs"),
    ("RA_J2000", "DEC_J2000", "icrs"),
    ("RA_ICRS", "DE_ICRS", "icrs"),
    ("RA", "DEC", None),
    ("RA", "DE", None),
    ("RAdeg", "DEdeg", None),
    ("RAdeg", "DECdeg", None),
    ("_RAJ2000", "_DEJ2000", "icrs"),
    ("_RA", "_DE", None),
    ("ALPHA_J2000", "DELTA_J2000", "icrs"),
    ("right_ascension", "declination", None),
    ("GLON", "GLAT", "galactic"),
    ("l", "b", "galactic"),
)


class PositionColumns(NamedTuple):
    """Where a catalog keeps its positions.

    Attributes
    ----------
    lon, lat : str
        Names of the columns; ``lat`` is empty where ``lon`` is a column of sky coordinates.
    frame : str
        ``'icrs'``, ``'fk5'``, ``'fk4'`` or ``'galactic'``.
    """

    lon: str
    lat: str
    frame: str


def find_position(
    table: Table, ra: str | None = None, dec: str | None = None, frame: str | None = None
) -> PositionColumns:
    """Columns of a catalog that hold the position.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The catalog.
    ra, dec : str, optional
        Names of the columns; both or none. By default the first pair of `POSITION_COLUMNS` that
        the catalog has, after a column of sky coordinates.
    frame : str, optional
        One of `FRAMES`. By default what the names of the columns say, else the ``RADESYS`` of
        the table, else ICRS.

    Returns
    -------
    columns : PositionColumns
        Columns and frame.

    Raises
    ------
    ValueError
        If a column is not there, only one is named, or no known pair is found.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.position_columns import find_position
    >>> find_position(Table({'name': ['A'], 'RAJ2000': [77.4], 'DEJ2000': [5.7]}))
    PositionColumns(lon='RAJ2000', lat='DEJ2000', frame='icrs')
    """
    if frame is not None and frame not in FRAMES:
        raise ValueError(f"frame must be one of {', '.join(FRAMES)}; got {frame!r}")
    if (ra is None) != (dec is None):
        raise ValueError(f"ra and dec must be given together; got ra={ra!r}, dec={dec!r}")
    if ra is not None and ra == dec:
        raise ValueError(f"ra and dec must be two columns; got {ra!r} for both")
    if not hasattr(table, "colnames"):
        raise ValueError(f"catalog: wanted a table, got {type(table).__name__}: {str(table)[:60]}")
    names = table.colnames
    if ra is not None and dec is not None:
        for name in (ra, dec):
            if name not in names:
                raise ValueError(f"the catalog has no column {name!r}; it has {', '.join(names)}")
        known = {(lon.lower(), lat.lower()): usual for lon, lat, usual in POSITION_COLUMNS}
        usual = known.get((ra.lower(), dec.lower()))
        return PositionColumns(ra, dec, frame or usual or _declared_frame(table))
    for name in names:
        if hasattr(table[name], "icrs"):
            return PositionColumns(name, "", "icrs")
    lower = {name.lower(): name for name in reversed(names)}
    for lon, lat, usual in POSITION_COLUMNS:
        if lon.lower() in lower and lat.lower() in lower:
            found = lower[lon.lower()], lower[lat.lower()]
            return PositionColumns(*found, frame or usual or _declared_frame(table))
    raise ValueError(
        f"no position columns found among {', '.join(names)}; wanted a pair like "
        "RA_Counterpart/DEC_Counterpart, RAJ2000/DEJ2000, RA/DEC or GLON/GLAT, or ra and dec named"
    )


def _declared_frame(table):
    """Frame that the header of the table declares, ICRS without a word."""
    for key in ("RADESYS", "RADECSYS"):
        declared = str(table.meta.get(key, "")).strip().lower()
        if declared in FRAMES:
            return declared
    return "icrs"


def positions(table: Table, columns: PositionColumns) -> tuple[np.ndarray, np.ndarray]:
    """ICRS positions of the rows of a catalog.

    Numbers are taken in the column's unit, degrees without one. Text may be decimal degrees or
    sexagesimal, a right ascension then in hours unless it is marked with a degree sign or ``d``.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The catalog, n rows.
    columns : PositionColumns
        What `find_position` returns.

    Returns
    -------
    ra, dec : ndarray of float64, shape (n,)
        ICRS position in degrees; NaN, both, where one is missing or masked, or where it lies off
        the sphere (`~blase_astro.sky.known_positions`).

    Raises
    ------
    ValueError
        If the unit is no angle, text is no angle, or no row holds a position on the sphere.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.position_columns import find_position, positions
    >>> catalog = Table({'RA': ['05:09:26.0', ''], 'DEC': ['+05:41:35', '']})
    >>> ra, dec = positions(catalog, find_position(catalog))
    >>> print(ra.round(3), dec.round(3))
    [77.358    nan] [5.693   nan]
    """
    if not columns.lat:
        return icrs(table[columns.lon])
    hours = columns.frame != "galactic"
    lon = degrees(table[columns.lon], columns.lon, hours=hours)
    lat = degrees(table[columns.lat], columns.lat, hours=False)
    good = known_positions(lon, lat)
    given = np.isfinite(lon) & np.isfinite(lat)
    if given.any() and not good.any():
        row = np.flatnonzero(given)[0]
        raise ValueError(
            f"column {columns.lat!r} must lie between -90 and 90 degrees and {columns.lon!r} "
            f"between -720 and 720; got {lat[row]:g} and {lon[row]:g} in row {row}, no row does"
        )
    ra = np.where(good, lon % 360, np.nan)
    dec = np.where(good, lat, np.nan)
    if columns.frame != "icrs" and good.any():
        from astropy.coordinates import SkyCoord

        ra[good], dec[good] = icrs(SkyCoord(ra[good], dec[good], unit="deg", frame=columns.frame))
    return ra, dec
