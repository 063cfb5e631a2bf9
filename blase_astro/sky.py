"""Positions on the sphere, and which of two sets belong together."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .angles import arcsec, degrees

if TYPE_CHECKING:
    from ._types import ArrayLike, Position, Radius

__all__ = [
    "SkyIndex",
    "icrs",
    "known_positions",
    "match_sky",
    "pairs",
    "unit_vectors",
]

# Least height (degrees) of the strips that tell where a search is worth it.
_LEAST_STRIP = 10 / 3600


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
        degrees or with a unit, or text as in a catalog.
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
        return nearest, distance, count


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
