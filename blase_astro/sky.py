"""Positions: where a catalog keeps them, and which of two sets belong together on the sphere."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .angles import arcsec, degrees

if TYPE_CHECKING:
    from ._types import ArrayLike, Position, Radius, Table

__all__ = [
    "FRAMES",
    "POSITION_COLUMNS",
    "PositionColumns",
    "SkyIndex",
    "find_position",
    "icrs",
    "known_positions",
    "match_sky",
    "pairs",
    "positions",
    "unit_vectors",
]

# Least height (degrees) of the strips that tell where a search is worth it.
_LEAST_STRIP = 10 / 3600
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
    >>> from blase_astro.sky import find_position
    >>> find_position(Table({'name': ['A'], 'RAJ2000': [77.4], 'DEJ2000': [5.7]}))
    PositionColumns(lon='RAJ2000', lat='DEJ2000', frame='icrs')
    """
    if frame is not None and frame not in FRAMES:
        raise ValueError(f"frame must be one of {', '.join(FRAMES)}; got {frame!r}")
    if (ra is None) != (dec is None):
        raise ValueError(f"ra and dec must be given together; got ra={ra!r}, dec={dec!r}")
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
        ICRS position in degrees; NaN, both, where one is missing, masked, or `known_positions` not.

    Raises
    ------
    ValueError
        If the unit is no angle, text is no angle, or no row holds a position on the sphere.

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


def known_positions(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Which positions are positions: a file may say anything.

    Parameters
    ----------
    ra, dec : ndarray of float, shape (n,)
        Positions in degrees.

    Returns
    -------
    known : ndarray of bool, shape (n,)
        False where one is not finite, beyond the poles, or not within -720 to 720 degrees.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.sky import known_positions
    >>> known_positions(np.array([10.0, 10.0, 1e300]), np.array([90.0, 91.0, 0.0]))
    array([ True, False, False])
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    return (np.abs(dec) <= 90) & (np.abs(ra) <= 720)  # NaN is neither


def icrs(position: Position, *, strict: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """ICRS positions in degrees of whatever a user calls a position.

    Parameters
    ----------
    position : `~astropy.coordinates.SkyCoord` or pair
        Sky coordinates in any frame; or right ascension and declination, each a number or many, in
        degrees or with a unit, or text as in a catalog (`positions`).
    strict : bool
        Whether to refuse what is no position (declination 91); it is unknown otherwise, as in a
        file, which may say anything.

    Returns
    -------
    ra, dec : ndarray of float64, shape (n,)
        NaN, both, where unknown.

    Raises
    ------
    ValueError
        If it is no such thing, or lies beyond the poles.

    Examples
    --------
    >>> from blase_astro.sky import icrs
    >>> ra, dec = icrs(('05:09:26.0', '+05:41:35'))
    >>> print(ra.round(3), dec.round(3))
    [77.358] [5.693]
    """
    ra, dec = _as_degrees(position)
    known = known_positions(ra, dec)
    wrong = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec) & ~known)
    if strict and len(wrong):
        raise ValueError(
            "a position must have a declination between -90 and 90 degrees and a right ascension "
            f"between -720 and 720; got {ra[wrong[0]]:g}, {dec[wrong[0]]:g}"
        )
    return np.where(known, ra % 360, np.nan), np.where(known, dec, np.nan)


def _as_degrees(position):
    """Right ascension and declination of a position, as they are given, in degrees."""
    if hasattr(position, "icrs"):
        coordinates = position.icrs
        both = coordinates.ra.deg, coordinates.dec.deg
        return tuple(np.ma.filled(np.atleast_1d(np.ma.asarray(a)), np.nan) for a in both)
    try:
        ra, dec = position
    except (TypeError, ValueError):
        raise ValueError(
            "a position must be a SkyCoord, or a pair of right ascension and declination; got "
            f"{position!r:.80}"
        ) from None
    ra, dec = degrees(ra, "ra", hours=True), degrees(dec, "dec", hours=False)
    if len(ra) != len(dec):
        raise ValueError(f"ra and dec must be equally many; got {len(ra)} and {len(dec)}")
    return ra, dec


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
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


def pairs(
    ra: np.ndarray, dec: np.ndarray, other_ra: np.ndarray, other_dec: np.ndarray, radius: Radius
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of two sets of positions that lie within a radius on the sphere.

    Parameters
    ----------
    ra, dec : ndarray of float, shape (n,)
        Positions in degrees; rows with NaN have no pair.
    other_ra, other_dec : ndarray of float, shape (m,)
        The other positions in degrees.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation, see `~blase_astro.angles.arcsec`.

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

    rows = np.flatnonzero(known_positions(ra, dec))
    others = np.flatnonzero(known_positions(other_ra, other_dec))
    chord = _chord(radius)
    if not (len(rows) and len(others)):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    tree = cKDTree(unit_vectors(ra[rows], dec[rows]))
    other_tree = cKDTree(unit_vectors(other_ra[others], other_dec[others]))
    found = tree.sparse_distance_matrix(other_tree, chord, output_type="ndarray")
    found = found[np.lexsort((found["j"], found["i"], found["v"]))]
    return rows[found["i"]], others[found["j"]], _separation(found["v"])


def _chord(radius):
    """Distance of two points on the unit sphere that lie a radius apart."""
    return 2 * np.sin(np.radians(arcsec(radius) / 3600) / 2)


def _separation(chord):
    """Separation in arcsec of two points on the unit sphere."""
    return np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1))) * 3600


class SkyIndex:
    """Positions that are asked again and again: which of them is nearest?

    Parameters
    ----------
    ra, dec : ndarray of float, shape (m,)
        Positions in degrees (ICRS); rows that are no position are never found.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.sky import SkyIndex
    >>> index = SkyIndex(np.array([10.0, 20.0]), np.zeros(2))
    >>> nearest, sep, n_near = index.nearest(np.array([20.001, 50.0]), np.zeros(2), 5.0)
    >>> print(nearest, sep.round(2), n_near)
    [ 1 -1] [3.6 nan] [1 0]
    """

    _FEW = 2**18  # distances to compute one by one: importing scipy's tree takes longer

    def __init__(self, ra: ArrayLike, dec: ArrayLike) -> None:
        ra, dec = np.asarray(ra, float), np.asarray(dec, float)
        self._rows = np.flatnonzero(known_positions(ra, dec))
        self._vectors = unit_vectors(ra[self._rows], dec[self._rows])
        self._declinations = dec[self._rows]

    @cached_property
    def _tree(self):
        from scipy.spatial import KDTree

        return KDTree(self._vectors)

    def nearest(
        self, ra: ArrayLike, dec: ArrayLike, radius: Radius
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest of the positions to others.

        Parameters
        ----------
        ra, dec : ndarray of float, shape (n,)
            The others, in degrees (ICRS).
        radius : float, `~astropy.units.Quantity` or str
            Largest separation, see `~blase_astro.angles.arcsec`.

        Returns
        -------
        index, separation, n_near : ndarray, shape (n,)
            As of `match_sky`.
        """
        chord = _chord(radius)
        ra, dec = np.asarray(ra, float), np.asarray(dec, float)
        known = np.flatnonzero(known_positions(ra, dec))
        known = known[self._in_a_strip(dec[known], radius)]
        index, n_near = np.full(len(ra), -1), np.zeros(len(ra), np.int32)
        separation = np.full(len(ra), np.nan)
        if len(known) and len(self._rows):
            found, distance, count = self._ask(unit_vectors(ra[known], dec[known]), chord)
            hit = distance <= chord
            index[known[hit]] = self._rows[found[hit]]
            separation[known[hit]] = _separation(distance[hit])
            n_near[known] = count
        return index, separation, n_near

    def _in_a_strip(self, dec, radius):
        """Which declinations lie within the radius of one of these: few do, and only they can."""
        reach = arcsec(radius) / 3600 * (1 + 1e-9) + 1e-9
        width = max(reach, _LEAST_STRIP)

        def strip(declination):
            return ((declination + (90 + reach)) / width).astype(np.intp)

        marked = np.zeros(int((180 + 2 * reach) / width) + 1, bool)
        for end in (-reach, 0, reach):
            marked[strip(self._declinations + end)] = True
        return marked[strip(dec)]

    def _ask(self, points, chord):
        """Nearest row of each point, its distance, and the number of rows within a distance."""
        if len(points) <= 64 and len(points) * len(self._vectors) <= self._FEW:
            distance = np.linalg.norm(points[:, None] - self._vectors, axis=2)
            nearest = distance.argmin(axis=1)
            count = (distance <= chord).sum(axis=1)
            return nearest, distance[np.arange(len(points)), nearest], count
        distance, nearest = self._tree.query(points, distance_upper_bound=chord * (1 + 1e-9))
        count = np.zeros(len(points), int)
        hit = np.flatnonzero(np.isfinite(distance))
        count[hit] = self._tree.query_ball_point(points[hit], chord, return_length=True)
        return np.where(np.isfinite(distance), nearest, 0), distance, count


def match_sky(
    position: Position, other: Position, radius: Radius
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest of other positions to each position, on the sphere.

    Parameters
    ----------
    position, other : `~astropy.coordinates.SkyCoord` or pair
        n and m positions, as for `icrs`; what is none (declination 91) is never matched.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation, see `~blase_astro.angles.arcsec`.

    Returns
    -------
    index : ndarray of int64, shape (n,)
        Into ``other``, -1 where none lies within the radius.
    separation, n_near : ndarray of float64 and int32, shape (n,)
        Separation from it in arcsec, NaN where there is none; how many lie within the radius.

    Examples
    --------
    >>> from blase_astro.sky import match_sky
    >>> index, sep, n_near = match_sky(([10.0, 20.0], [0.0, 0.0]), ([20.001], [0.0]), '5arcsec')
    >>> print(index, sep.round(2), n_near)
    [-1  0] [nan 3.6] [0 1]
    """
    return SkyIndex(*icrs(other, strict=False)).nearest(*icrs(position, strict=False), radius)
