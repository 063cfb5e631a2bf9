"""Is the optical light that of the host galaxy? Small networks, trained on simulated SEDs."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np

from ..io.bounded import read_npz
from ..sed import mean_level

__all__ = ["p_starlight", "starlight_inputs"]

# Where the light of galaxies stands out, log10 of Hz, and the fewest filled bins of an answer.
OPTICAL = (14.2, 15.1)
_FEWEST_BINS = 4


def p_starlight(binned: np.ndarray, bin_edges: np.ndarray) -> np.ndarray:
    """Probability that the host galaxy gives most of the light at 4.7e14 Hz.

    Parameters
    ----------
    binned : ndarray of float, shape (n, n_bins)
        Binned SEDs (`~blase_astro.sed.bin_points`).
    bin_edges : ndarray of float, shape (n_bins, 2)
        The bins, log10 of Hz.

    Returns
    -------
    probability : ndarray of float64, shape (n,)
        NaN without a point between 10\\ :sup:`14.2` and 10\\ :sup:`15.1` Hz, with fewer than 4
        filled bins, or for other bins than the package's.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.advice import p_starlight
    >>> from blase_astro.sed import load_bins
    >>> p_starlight(np.full((1, 33), np.nan), load_bins('v2'))
    array([nan])
    """
    arrays = _networks()
    probability = np.full(len(binned), np.nan)
    if not np.array_equal(arrays["bin_edges"], bin_edges):
        return probability
    filled = np.isfinite(binned)
    middle = np.mean(bin_edges, axis=1)
    optical = (middle > OPTICAL[0]) & (middle < OPTICAL[1])
    rows = np.flatnonzero(filled[:, optical].any(axis=1) & (filled.sum(axis=1) >= _FEWEST_BINS))
    x = (starlight_inputs(binned[rows]) - arrays["mean"]) / arrays["scale"]
    hidden = np.maximum(np.einsum("ni,mih->mnh", x, arrays["weight_0"]) + arrays["bias_0"], 0)
    logit = np.einsum("mnh,mh->mn", hidden, arrays["weight_1"]) + arrays["bias_1"]
    probability[rows] = (1 / (1 + np.exp(-logit))).mean(axis=0)
    return probability


def starlight_inputs(binned: np.ndarray) -> np.ndarray:
    """Inputs of the networks: the bins relative to their mean, which are filled, and the mean.

    Parameters
    ----------
    binned : ndarray of float, shape (n, n_bins)
        Binned SEDs.

    Returns
    -------
    inputs : ndarray of float64, shape (n, 2 * n_bins + 1)
        0 where a bin is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.advice.starlight import starlight_inputs
    >>> starlight_inputs(np.array([[-12.0, np.nan, -14.0]]))
    array([[ 1.,  0., -1.,  1.,  0.,  1., -1.]])
    """
    filled, level = np.isfinite(binned), mean_level(binned)[:, None]
    return np.concatenate([np.where(filled, binned - level, 0), filled, level + 12], axis=1)


@lru_cache
def _networks():
    """Weights and scaling, by name."""
    return read_npz(files("blase_astro") / "data" / "starlight.npz")
