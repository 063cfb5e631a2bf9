"""Positions: where a catalog keeps them, and which of two sets belong together on the sphere."""

import re
from typing import NamedTuple

import numpy as np

__all__ = [
    "FRAMES",
    "POSITION_COLUMNS",
    "PositionColumns",
    "find_position",
    "pairs",
    "positions",
    "unit_vectors",
]

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

_SEXAGESIMAL = re.compile(
    r"""\s*(?P<sign>[-+\N{MINUS SIGN}]?)\s*(?P<whole>\d+)\s*(?P<mark>[:hd°\s])\s*
    (?P<minutes>\d+(?:\.\d*)?)\s*[:m'′\s]?\s*(?P<seconds>\d+(?:\.\d*)?)?\s*(?:s|"|″|'')?\s*""",
    re.VERBOSE,
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


def find_position(table, ra=None, dec=None, frame=None):
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
        The columns and their frame.

    Raises
    ------
    ValueError
        If a column is not there, only one is named, or no known pair is found.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.sky import find_position
    >>> find_position(Table({'RAJ2000': [77.4], 'DEJ2000': [5.7], 'RA_Counterpart': [77.36],
    ...                      'DEC_Counterpart': [5.69]}))
    PositionColumns(lon='RA_Counterpart', lat='DEC_Counterpart', frame='icrs')
    """
    if frame is not None and frame not in FRAMES:
        raise ValueError(f"frame must be one of {', '.join(FRAMES)}; got {frame!r}")
    if (ra is None) != (dec is None):
        raise ValueError(f"ra and dec must be given together; got ra={ra!r}, dec={dec!r}")
    names = table.colnames
    if ra is not None:
        for name in (ra, dec):
            if name not in names:
                raise ValueError(f"the catalog has no column {name!r}; it has {', '.join(names)}")
        known = {pair[:2]: pair[2] for pair in POSITION_COLUMNS}
        return PositionColumns(ra, dec, frame or known.get((ra, dec)) or _declared_frame(table))
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


def positions(table, columns):
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
        ICRS position in degrees; NaN, both, where one is missing, masked or not finite.

    Raises
    ------
    ValueError
        If the unit is no angle, text is no angle, or a latitude lies beyond the poles.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.sky import find_position, positions
    >>> catalog = Table({'RA': ['05:09:26.0', ''], 'DEC': ['+05:41:35', '']})
    >>> ra, dec = positions(catalog, find_position(catalog))
    >>> print(ra.round(3), dec.round(3))
    [77.358    nan] [5.693   nan]
    """
    if not columns.lat:
        coordinates = table[columns.lon].icrs
        ra, dec = coordinates.ra.deg, coordinates.dec.deg
        return np.ma.filled(ra, np.nan) % 360, np.ma.filled(dec, np.nan)
    hours = columns.frame != "galactic"
    lon = _degrees(table[columns.lon], columns.lon, hours=hours)
    lat = _degrees(table[columns.lat], columns.lat, hours=False)
    good = np.isfinite(lon) & np.isfinite(lat)
    beyond = np.flatnonzero(good & (np.abs(lat) > 90))
    if len(beyond):
        raise ValueError(
            f"column {columns.lat!r} must lie between -90 and 90 degrees; "
            f"got {lat[beyond[0]]} in row {beyond[0]} ({len(beyond)} such rows)"
        )
    ra = np.where(good, lon % 360, np.nan)
    dec = np.where(good, lat, np.nan)
    if columns.frame != "icrs" and good.any():
        from astropy.coordinates import SkyCoord

        icrs = SkyCoord(ra[good], dec[good], unit="deg", frame=columns.frame).icrs
        ra[good], dec[good] = icrs.ra.deg, icrs.dec.deg
    return ra, dec


def _degrees(column, name, *, hours):
    """Column of angles as degrees, NaN where missing; text may mean hours."""
    mask = np.asarray(getattr(column, "mask", False))
    column = getattr(column, "unmasked", column)  # a Masked Quantity
    values = np.ma.getdata(getattr(column, "value", column))
    if values.dtype.kind in "SUO":
        degrees = _parse_angles(values, mask, name, hours=hours)
    else:
        degrees = np.array(values, dtype=float) * _scale(column.unit, name, hours=hours)
    degrees[np.broadcast_to(mask, degrees.shape) | ~np.isfinite(degrees)] = np.nan
    return degrees


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
    degrees = np.full(len(values), np.nan)
    mask = np.broadcast_to(mask, degrees.shape)
    for i, value in enumerate(values):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        text = text.strip()
        if mask[i] or text.lower() in ("", "nan", "--", "null", "none", "n/a"):
            continue
        degrees[i] = _parse_angle(text, name, i, hours=hours)
    return degrees


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


def unit_vectors(ra, dec):
    """Points on the unit sphere.

    Parameters
    ----------
    ra, dec : ndarray of float, shape (n,)
        Positions in degrees.

    Returns
    -------
    vectors : ndarray of float64, shape (n, 3)
        Their unit vectors.

    Examples
    --------
    >>> from blase_astro.sky import unit_vectors
    >>> print(unit_vectors(90.0, 0.0).round(9))
    [0. 1. 0.]
    """
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def pairs(ra, dec, other_ra, other_dec, radius):
    """All pairs of two sets of positions that lie within a radius on the sphere.

    Parameters
    ----------
    ra, dec : ndarray of float, shape (n,)
        Positions in degrees; rows with NaN have no pair.
    other_ra, other_dec : ndarray of float, shape (m,)
        The other positions in degrees.
    radius : float
        Largest separation in arcsec.

    Returns
    -------
    row, other : ndarray of int64, shape (n_pairs,)
        Indices into the first and the second set.
    sep : ndarray of float64, shape (n_pairs,)
        Separation in arcsec; the pairs are sorted by it.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.sky import pairs
    >>> row, other, sep = pairs(np.array([359.9999, 10.0]), np.zeros(2), np.array([0.0001]),
    ...                         np.zeros(1), 5.0)
    >>> print(row, other, sep.round(2))
    [0] [0] [0.72]
    """
    from scipy.spatial import cKDTree

    rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    others = np.flatnonzero(np.isfinite(other_ra) & np.isfinite(other_dec))
    if not (len(rows) and len(others)):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    tree = cKDTree(unit_vectors(ra[rows], dec[rows]))
    other_tree = cKDTree(unit_vectors(other_ra[others], other_dec[others]))
    chord = 2 * np.sin(np.radians(radius / 3600) / 2)
    found = tree.sparse_distance_matrix(other_tree, chord, output_type="ndarray")
    found = found[np.lexsort((found["j"], found["i"], found["v"]))]
    sep = np.degrees(2 * np.arcsin(np.minimum(found["v"] / 2, 1))) * 3600
    return rows[found["i"]], others[found["j"]], sep
