"""Flags: why an estimate is missing or should not be trusted."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

from .sed import MIN_BINS, mean_level

if TYPE_CHECKING:
    from ._types import Any, ArrayLike, Ensemble

__all__ = [
    "FEW_BINS",
    "Flag",
    "doubts",
    "flag_names",
    "flag_reference",
    "peak_quality",
    "reasons",
]

# Fewer than this: an estimate with a flag.
FEW_BINS = 6
# From here on (log10 Hz) points belong to the inverse-Compton component.
_GAMMA_RAYS = 20.0
# Where an SED shows too little if nothing else is filled (log10 Hz): the radio, the X-rays. The
# networks are then surer than they may be, of no other part of the bands (:ref:`patterns`).
_ALONE = ((0.0, 10.5), (16.7, 20.0))
# Training SEDs of such patterns, as a share of all, from which on that is usual.
_USUAL = 0.01


class Flag(enum.IntFlag):
    """Why an estimate is missing or should not be trusted: the bits of the column ``peak_flags``.

    ``Flag.FEW_BINS.text`` says what a flag means. "Training" means the real sources the ensemble
    was trained on; what a flag compares with travels in the ensemble's file
    (`~blase_astro.flags.flag_reference`).

    Examples
    --------
    >>> from blase_astro.flags import Flag
    >>> Flag(48)
    <Flag.FEW_BINS|ONE_SIDED: 48>
    """

    NO_SED = 1, "no SED belongs to this row of the catalog"
    READ_ERROR = 2, "the SED could not be read"
    NO_POINTS = 4, "the SED has no usable point inside the frequency bins"
    TOO_FEW_BINS = 8, f"fewer than {MIN_BINS} bins hold points: no estimate is given"
    FEW_BINS = 16, f"fewer than {FEW_BINS} bins hold points"
    ONE_SIDED = 32, "no point below the estimated peak, or none above it below 1e20 Hz"
    UNUSUAL_PATTERN = 64, "the filled bins lie in the radio alone or in the X-rays alone"
    UNUSUAL_LEVEL = 128, "the mean level of the SED lies outside that of the training SEDs"
    MEMBERS_DISAGREE = (
        256,
        "the networks of the ensemble disagree more than on nearly all training SEDs",
    )
    WIDE_INTERVAL = (
        512,
        "the interval is as wide as the spread of the training labels: nothing was learnt",
    )
    EXTRAPOLATED = 1024, "the estimated peak lies beyond the training labels"
    FOREIGN_FORMAT = (
        2048,
        "the SED does not come from VOU_Blazars, whose SEDs the ensemble was trained on",
    )
    NO_POSITION = (
        4096,
        "no position is known: whether the source is in the training set cannot be said",
    )
    AMBIGUOUS_MATCH = (
        8192,
        "more than one training source lies within the radius; the nearest was taken",
    )
    AMBIGUOUS_SED = 16384, "more than one SED belongs to this row, or more than one row to its SED"

    def __new__(cls, value, text=""):
        flag = int.__new__(cls, value)
        flag._value_ = value
        flag.text = text  # what the flag means, for people
        return flag


# Flags that speak against a good estimate, and the widths (dex) up to which it is good, usable.
_DOUBTS = (
    Flag.FEW_BINS | Flag.ONE_SIDED | Flag.UNUSUAL_LEVEL | Flag.MEMBERS_DISAGREE | Flag.EXTRAPOLATED
)
# Together they are set on what is no blazar (:ref:`bands-others`), and on hardly any that is one.
_NO_BLAZAR = Flag.ONE_SIDED | Flag.MEMBERS_DISAGREE
_GOOD, _CARE = 0.35, 0.6


def flag_names(flags: int) -> str:
    """Names of the flags of a bit mask.

    Parameters
    ----------
    flags : int
        Value of the column ``peak_flags``.

    Returns
    -------
    names : str
        The names with blanks between them; empty where no flag is set.

    Examples
    --------
    >>> from blase_astro.flags import flag_names
    >>> flag_names(48)
    'FEW_BINS ONE_SIDED'
    """
    return " ".join(str(flag.name) for flag in Flag if flag & int(flags))


def reasons(
    ra: np.ndarray,
    dec: np.ndarray,
    n_bins: np.ndarray,
    n_near: np.ndarray,
    *,
    unread: ArrayLike = False,
    foreign: bool = False,
) -> np.ndarray:
    """Flags that need no estimate.

    Parameters
    ----------
    ra, dec : ndarray of float, shape (n,)
        Positions in degrees, NaN where unknown.
    n_bins, n_near : ndarray of int, shape (n,)
        Filled bins of the SED, and training sources within the radius.
    unread, foreign : bool or ndarray of bool, shape (n,)
        Whether the SED could not be read; whether it is not from VOU_Blazars.

    Returns
    -------
    flags : ndarray of int32, shape (n,)
        Bit masks of `Flag`.
    """
    unread = np.broadcast_to(unread, n_bins.shape)
    flags = np.zeros(len(n_bins), np.int32)
    for flag, rows in (
        (Flag.READ_ERROR, unread),
        (Flag.NO_POINTS, ~unread & (n_bins == 0)),
        (Flag.TOO_FEW_BINS, (n_bins > 0) & (n_bins < MIN_BINS)),
        (Flag.FEW_BINS, (n_bins >= MIN_BINS) & (n_bins < FEW_BINS)),
        (Flag.FOREIGN_FORMAT, np.broadcast_to(foreign, n_bins.shape)),
        (Flag.NO_POSITION, ~(np.isfinite(ra) & np.isfinite(dec))),
        (Flag.AMBIGUOUS_MATCH, n_near > 1),
    ):
        flags[rows] |= flag
    return flags


def doubts(
    ensemble: Ensemble,
    binned: np.ndarray,
    median: np.ndarray,
    width: np.ndarray,
    spread: np.ndarray,
    level: float,
) -> np.ndarray:
    """Flags that compare an estimate with what the ensemble was trained on.

    Parameters
    ----------
    ensemble : `~blase_astro.Ensemble`
        The ensemble.
    binned : ndarray of float, shape (n, n_bins)
        Binned SEDs.
    median, width, spread : ndarray of float, shape (n,)
        Estimate, width of its interval, standard deviation of the members' means; all dex.
    level : float
        Probability of the interval.

    Returns
    -------
    flags : ndarray of int32, shape (n,)
        Bit masks of `Flag`.
    """
    label = ensemble.source_columns["label"]
    label = label[np.isfinite(label)]
    known = np.isfinite(median)
    flags = np.zeros(len(median), np.int32)
    if ensemble.target == "nu_peak":
        flags[known & _one_sided(binned, median, ensemble.bin_edges)] |= Flag.ONE_SIDED
    if len(label):
        prior = np.diff(np.quantile(label, [0.5 - level / 2, 0.5 + level / 2]))[0]
        flags[known & (width > prior)] |= Flag.WIDE_INTERVAL
        flags[known & ((median < label.min()) | (median > label.max()))] |= Flag.EXTRAPOLATED
    reference = ensemble.meta.get("reference")
    if reference:
        lowest, highest = reference["level"]
        sed_level = mean_level(binned)
        flags[known & ((sed_level < lowest) | (sed_level > highest))] |= Flag.UNUSUAL_LEVEL
        flags[known & (spread > reference["spread"])] |= Flag.MEMBERS_DISAGREE
        seen = _alone(np.array(reference["patterns"], np.int64), ensemble.bin_edges)
        if np.count_nonzero(seen) <= _USUAL * len(seen):
            rows = known & _alone(_patterns(binned), ensemble.bin_edges)
            flags[rows] |= Flag.UNUSUAL_PATTERN
    return flags


def peak_quality(std: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """One number for how far an estimate can be trusted, from what is known before the label.

    Parameters
    ----------
    std : ndarray of float, shape (n,)
        Half the central 68.27-percent interval of log nu_peak (dex), NaN for no estimate.
    flags : ndarray of int, shape (n,)
        Bit masks of `Flag`.

    Returns
    -------
    quality : ndarray of int16, shape (n,)
        3 good: ``std`` is at most 0.35 dex and no flag of doubt is set; 2 to be used with care:
        at most 0.6 dex; 1 poor, or of the radio or X-rays alone, or one-sided while the members
        disagree, as for stars and galaxies; 0 no estimate. What each means in errors:
        :ref:`accuracy`.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.flags import peak_quality
    >>> print(peak_quality(np.array([0.2, 0.4, 0.9, np.nan]), np.array([0, 0, 32, 4])))
    [3 2 1 0]
    """
    doubtful = (np.asarray(flags) & _DOUBTS) != 0
    quality = np.where(std <= _CARE, 2, 1)
    quality[(std <= _GOOD) & ~doubtful] = 3
    quality[(np.asarray(flags) & _NO_BLAZAR) == _NO_BLAZAR] = 1
    quality[(np.asarray(flags) & Flag.UNUSUAL_PATTERN) != 0] = 1
    quality[~np.isfinite(std)] = 0
    return quality.astype(np.int16)


def _one_sided(binned, peak, edges):
    """Do all filled bins lie on one side of the peak? Gamma rays are another component's."""
    filled = np.isfinite(binned)
    centre = edges.mean(axis=1)
    below = centre < peak[:, None]
    above = ~below & (centre < _GAMMA_RAYS)
    return ~(filled & below).any(axis=1) | ~(filled & above).any(axis=1)


def _patterns(binned):
    """Which bins are filled, one bit a bin, as one integer an SED."""
    bits = np.left_shift(np.int64(1), np.arange(binned.shape[1]))
    return (np.isfinite(binned) * bits).sum(axis=1)


def _alone(patterns, edges):
    """Do all filled bins of each pattern lie in one of the bands that tell too little alone?"""
    centre = edges.mean(axis=1)
    bits = np.left_shift(np.int64(1), np.arange(len(centre)))
    bands = [bits[(centre > low) & (centre < high)].sum() for low, high in _ALONE]
    return np.any([(patterns & ~band) == 0 for band in bands], axis=0)


def flag_reference(binned: np.ndarray, spread: np.ndarray) -> dict[str, Any]:
    """What the flags compare an SED with: made once from the training SEDs.

    Parameters
    ----------
    binned : ndarray of float, shape (n, n_bins)
        The real training SEDs.
    spread : ndarray of float, shape (n,)
        Standard deviation of the means of the members that never saw the SED, dex
        (`~blase_astro.ensemble.Ensemble.predict_with_spread` with the bags of the sources).

    Returns
    -------
    reference : dict
        Numbers and lists, for ``ensemble.meta['reference']``: ``level`` (lowest and highest,
        the 0.5 and 99.5 percent quantiles), ``spread`` (99 percent) and ``patterns`` (the sets of
        filled bins, one bit a bin).

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.flags import flag_reference
    >>> reference = flag_reference(np.array([[-12.0, np.nan, -11.0], [-13.0, -12.0, -11.0]]),
    ...                            np.array([0.1, 0.2]))
    >>> reference['patterns']
    [5, 7]
    """
    return {
        "level": [float(q) for q in np.nanquantile(mean_level(binned), [0.005, 0.995])],
        "spread": float(np.nanquantile(spread, 0.99)),
        "patterns": np.unique(_patterns(binned)).tolist(),
    }
