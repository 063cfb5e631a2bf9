"""Bands of the spectrum that an observation fills, made of the frequency bins of the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .._types import Sequence

__all__ = ["BANDS", "band_columns"]

# Lower and upper end, log10 of Hz. The X-rays are there as a whole, too: one pointing of most
# telescopes gives both parts.
BANDS = {
    "radio": (6.9, 10.5),
    "millimetre": (10.5, 11.8),
    "infrared": (11.8, 14.5),
    "optical": (14.5, 15.1),
    "ultraviolet": (15.1, 16.7),
    "xray": (16.7, 19.7),
    "soft_xray": (16.7, 17.9),
    "hard_xray": (17.9, 19.7),
    "gamma": (22.1, 27.5),
}


def band_columns(
    edges: np.ndarray, bands: str | Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Which frequency bins belong to each band.

    Parameters
    ----------
    edges : ndarray of float, shape (n_bins, 2)
        Lower and upper edge of each bin, log10 of Hz.
    bands : str or sequence of str, optional
        Names of bands; all by default.

    Returns
    -------
    columns : dict of str to ndarray of int64
        Bins whose middle lies in the band, by its name; a band without any is left out.

    Raises
    ------
    ValueError
        If there is no band of a name.

    Examples
    --------
    >>> from blase_astro.advice.bands import band_columns
    >>> from blase_astro.sed import load_bins
    >>> band_columns(load_bins('v2'), 'optical')
    {'optical': array([16, 17])}
    """
    names = [bands] if isinstance(bands, str) else list(BANDS if bands is None else bands)
    for name in names:
        if name not in BANDS:
            raise ValueError(f"bands: wanted some of {', '.join(BANDS)}; got {name!r}")
    middle = np.mean(edges, axis=1)
    columns = {n: np.flatnonzero((middle > BANDS[n][0]) & (middle < BANDS[n][1])) for n in names}
    return {name: found for name, found in columns.items() if len(found)}
