"""The measurements of a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .io import read_sed, read_seds
from .io.given import is_one, is_pair, is_path, name_of
from .io.table import Points, numbers, standard_sed

if TYPE_CHECKING:
    from ._types import Table

__all__ = ["within"]


def check_times(mjd, undated):
    """The interval as two numbers, checked."""
    if undated not in ("keep", "drop"):
        raise ValueError(f"undated: wanted 'keep' or 'drop', got {undated!r}")
    try:
        start, end = map(float, mjd)
    except (TypeError, ValueError):
        raise ValueError(f"mjd: wanted two numbers, from and to; got {mjd!r}") from None
    if not start <= end:
        raise ValueError(f"mjd: wanted from before to, got {start:g} and {end:g}")
    return start, end


def within(sed: Table, mjd: tuple[float, float], undated: str = "drop") -> Table:
    """The measurements of an SED that were made in an interval of time.

    Parameters
    ----------
    sed : `~astropy.table.Table`
        An SED table.
    mjd : pair of float
        First and last day (MJD): the whole observation has to lie between them.
    undated : {'drop', 'keep'}
        What becomes of measurements without a date, like those of most catalogs.

    Returns
    -------
    sed : `~astropy.table.Table`
        The rows of that time.

    Raises
    ------
    ValueError
        If the interval makes no sense or it is no SED table.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.times import within
    >>> sed = sed_table([1e9, 1e14, 1e17], [1e-14, 1e-12, 1e-12], mjd_start=[None, 58000, 59000])
    >>> len(within(sed, (57990, 58010))), len(within(sed, (57990, 58010), 'keep'))
    (1, 2)
    """
    first, last = check_times(mjd, undated)
    sed = standard_sed(sed)
    start, end = numbers(sed, "mjd_start"), numbers(sed, "mjd_end")
    start, end = np.where(np.isnan(start), end, start), np.where(np.isnan(end), start, end)
    inside = (np.minimum(start, end) >= first) & (np.maximum(start, end) <= last)
    return sed[inside | (np.isnan(start) & (undated == "keep"))]


def seds_of_time(seds, mjd, undated="drop"):
    """SEDs of any kind with the measurements of an interval of time alone.

    They are read as tables one by one, which takes longer than the way without dates.

    Parameters
    ----------
    seds : path-like, `~astropy.table.Table` or iterable
        What `~blase_astro.estimate` takes, but for plain arrays, which have no dates.
    mjd, undated
        As for `within`.

    Yields
    ------
    sed : tuple of str and `~astropy.table.Table`
        Name of the SED, and its rows of that time. What cannot be read is passed on as it is.

    Raises
    ------
    ValueError
        If the interval makes no sense, or something holds no dates at all.
    """
    check_times(mjd, undated)
    for item in [seds] if is_one(seds) else seds:
        if not is_one(item) or isinstance(item, Points):
            raise ValueError(f"mjd: {type(item).__name__} holds no dates; wanted files or tables")
        yield from _of_time(item, mjd, undated)


def _named_seds(item):
    """Names and tables of the SEDs of a path, an open file or a table."""
    if is_path(item):
        return read_seds(item)
    sed = item[1] if is_pair(item) else item
    return [(name_of(item), sed if hasattr(sed, "colnames") else read_sed(sed))]


def _of_time(item, mjd, undated):
    """SEDs of one item; an item that cannot be read is left to whoever reads on, to say why."""
    n = 0
    try:
        for name, sed in _named_seds(item):
            yield name, within(sed, mjd, undated)
            n += 1
    except (ValueError, OSError):
        if n:
            raise
        yield item


def time_meta(mjd):
    """What the metadata of a table say of the time."""
    return {} if mjd is None else dict(zip(("MJDFROM", "MJDTO"), map(float, mjd), strict=True))
