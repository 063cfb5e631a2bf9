"""SEDs from files and from the catalog's own photometry as one."""

from __future__ import annotations

import numpy as np

from ..io.table import Points

__all__ = ["merge_points"]

# How far (dex) frequency and nu F_nu of one measurement may differ between a file and a catalog:
# what `~blase_astro.io.merge_seds` allows within one survey.
_SAME = (0.02, 0.10)


def merge_points(bands: Points, seds: Points, sed: np.ndarray) -> Points:
    """The SEDs of a catalog's rows from files and from its own photometry, nothing counted twice.

    Parameters
    ----------
    bands : `~blase_astro.io.Points`
        Measurements from the catalog, one SED a row, n rows.
    seds : `~blase_astro.io.Points`
        Measurements from files.
    sed : ndarray of int, shape (n,)
        Which of ``seds`` belongs to each row, -1 for none.

    Returns
    -------
    points : `~blase_astro.io.Points`
        n SEDs: the rows of the files, then those of the catalog. One of the catalog is marked as
        ``duplicate``, and does not count, where the file has a measurement within 0.02 dex in
        frequency and 0.1 dex in nu F_nu, both detections or both limits. That is the rule of
        `~blase_astro.io.merge_seds` for one survey; here it holds whatever the survey, as many
        SEDs are read without the names. Positions and names are those of ``bands``.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from blase_astro.bands import merge_points, points_from_bands
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.sed import points_from_seds
    >>> bands = points_from_bands(Table({'S1.4': [250.0], 'Gmag': [16.0]}), ['NVSS', 'Gaia'])
    >>> file = points_from_seds([sed_table([1.4e9, 2.4e17], [3.6e-15, 1e-12])])
    >>> merged = merge_points(bands, file, np.array([0]))
    >>> merged.frequency
    array([1.4000e+09, 2.4000e+17, 1.4000e+09, 4.8217e+14])
    >>> merged.duplicate
    array([False, False,  True, False])
    """
    rows, has = _rows_of(seds, np.asarray(sed))
    files = [column[rows] for column in seds[6:]]
    mine = list(bands[6:])
    mine[5] = mine[5] | _measured_before(has, files, bands.sed, mine)
    index = np.concatenate([has, bands.sed])
    order = np.argsort(index, kind="stable")
    columns = (np.concatenate(pair)[order] for pair in zip(files, mine, strict=True))
    known = np.asarray(sed) >= 0
    redshift = bands.redshift.copy()
    redshift[known] = seds.redshift[sed[known]]
    return Points(*bands[:3], redshift, bands.error, index[order], *columns)


def _rows_of(seds, sed):
    """Rows of the measurements of some SEDs, one SED after the other, and whose they are."""
    start = np.searchsorted(seds.sed, np.arange(len(seds.name) + 1))
    catalog = np.flatnonzero(sed >= 0)
    first, length = start[sed[catalog]], np.diff(start)[sed[catalog]]
    return _ranges(first, length), np.repeat(catalog, length)


def _ranges(first, length):
    """The numbers first, first + 1, ... of each range, one range after the other."""
    ends = np.cumsum(length)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + length, length)


def _measured_before(sed, files, sed_of_bands, bands):
    """Which measurements of the catalog the files have already."""

    def numbers(sed, frequency, nufnu, upper, lower, limit, duplicate):
        height = np.where(limit & np.isfinite(upper), upper, np.abs(nufnu))
        with np.errstate(divide="ignore", invalid="ignore"):
            log_nu, log_flux = np.log10(frequency), np.log10(height)
        # One number for SED and frequency: all SEDs are searched at once.
        key = np.where(duplicate | ~np.isfinite(log_nu), np.inf, 64.0 * sed + log_nu)
        return key, log_flux, limit

    key, flux, limit = numbers(sed, *files)
    order = np.argsort(key)
    wanted, its_flux, its_limit = numbers(sed_of_bands, *bands)
    low = np.searchsorted(key[order], wanted - _SAME[0])
    length = np.searchsorted(key[order], wanted + _SAME[0], side="right") - low
    near = order[_ranges(low, length)]
    band = np.repeat(np.arange(len(wanted)), length)
    same = (np.abs(flux[near] - its_flux[band]) <= _SAME[1]) & (limit[near] == its_limit[band])
    return np.bincount(band[same], minlength=len(wanted)) > 0
