"""Which rows of two tables speak of one source: by position, or by the name of its file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from .sky import icrs, pairs

if TYPE_CHECKING:
    from ._types import Position, Radius, Sequence

__all__ = ["file_keys", "join_names", "join_sky"]


def join_sky(position: Position, other: Position, radius: Radius) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two sets of positions that belong together, one to one, the nearest pairs first.

    Parameters
    ----------
    position, other : `~astropy.coordinates.SkyCoord` or pair
        n and m positions, as for `~blase_astro.sky.match_sky`.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation, see `~blase_astro.angles.arcsec`.

    Returns
    -------
    index : ndarray of int64, shape (n,)
        Row of ``other``, -1 where there is none.
    ambiguous : ndarray of bool, shape (n,)
        Whether the row had several to choose from, or shares one with another row.

    Examples
    --------
    >>> from blase_astro.joins import join_sky
    >>> index, ambiguous = join_sky(([10.0, 10.001], [0.0, 0.0]), ([10.0], [0.0]), 5.0)
    >>> print(index, ambiguous)
    [ 0 -1] [ True  True]
    """
    (ra, dec), (other_ra, other_dec) = (icrs(p, strict=False) for p in (position, other))
    rows, others, _ = pairs(ra, dec, other_ra, other_dec, radius)
    index = np.full(len(ra), -1)
    taken = np.zeros(len(other_ra), bool)
    for row, i in zip(rows, others, strict=True):  # sorted by separation
        if index[row] == -1 and not taken[i]:
            index[row] = i
            taken[i] = True
    ambiguous = np.bincount(rows, minlength=len(ra)) > 1
    shared = np.bincount(others, minlength=len(other_ra)) > 1
    ambiguous[rows[shared[others]]] = True
    return index, ambiguous


def join_names(wanted: Sequence[str], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which file each wanted name means: the same name, else the same without folders or .txt.

    Parameters
    ----------
    wanted : sequence of str, length n
        Names as a catalog writes them; an empty one means no file.
    names : sequence of str, length m
        Names of the files, with their folders in the archive.

    Returns
    -------
    index : ndarray of int64, shape (n,)
        Which of ``names``, the first where there are several, -1 where there is none.
    ambiguous : ndarray of bool, shape (n,)
        Whether there were several.

    Notes
    -----
    Two names in different folders are one file only where the bare name is nowhere else: many
    archives keep ``sed.txt`` in a folder for each source.

    Examples
    --------
    >>> from blase_astro.joins import join_names
    >>> index, ambiguous = join_names(['A', 'seds/B.txt', 'C'], ['seds/A.txt', 'B.txt', 'old/A'])
    >>> print(index, ambiguous)
    [ 0  1 -1] [ True False False]
    """
    same = _places(names, lambda name: [name])
    alike = _places(names, file_keys)
    n_bare = Counter(file_keys(name)[-1] for name in set(wanted))
    index, ambiguous = np.full(len(wanted), -1), np.zeros(len(wanted), bool)
    for row, name in enumerate(wanted):
        bare = file_keys(name)[-1]
        found = same.get(name) or alike.get(name) or alike.get(name.removesuffix(".txt"))
        if not found and "/" in name:
            found = [i for i in alike.get(bare, ()) if "/" not in names[i]]
            if not found and n_bare[bare] == 1 == len(alike.get(bare, ())):
                found = alike[bare]
        if found and name:
            index[row], ambiguous[row] = found[0], len(found) > 1
    return index, ambiguous


def _places(names, keys):
    """Where each key of the names is found."""
    places = {}
    for i, name in enumerate(names):
        for key in keys(name):
            places.setdefault(key, []).append(i)
    return places


def file_keys(name: str) -> list[str]:
    """What a catalog may call an SED: its path in the archive, its file name, with or without .txt.

    Parameters
    ----------
    name : str
        Name of an SED as from `~blase_astro.io.list_seds`.

    Returns
    -------
    keys : list of str
        The names, without repetition.

    Examples
    --------
    >>> from blase_astro.joins import file_keys
    >>> file_keys('seds/A.txt')
    ['seds/A.txt', 'seds/A', 'A.txt', 'A']
    """
    base = name.rsplit("/", 1)[-1]
    both = (name, name.removesuffix(".txt"), base, base.removesuffix(".txt"))
    return list(dict.fromkeys(both))
