"""Flags: why an estimate is missing or should not be trusted."""

import enum

import numpy as np

from .ensemble import mean_level

__all__ = ["FEW_BINS", "MIN_BINS", "Flag", "doubts", "flag_names", "flag_reference"]

# Fewer filled bins than this: no estimate, the networks would answer with little but the prior.
MIN_BINS = 3
# Fewer than this: an estimate with a flag.
FEW_BINS = 6
# From here on (log10 Hz) points belong to the inverse-Compton component.
_GAMMA_RAYS = 20.0


class Flag(enum.IntFlag):
    """Why an estimate is missing or should not be trusted: the bits of the column ``flags``.

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
    UNUSUAL_PATTERN = 64, "the set of filled bins is far from that of any training SED"
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


def flag_names(flags):
    """Names of the flags of a bit mask.

    Parameters
    ----------
    flags : int
        Value of the column ``flags``.

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
    return " ".join(flag.name for flag in Flag if flag & int(flags))


def doubts(ensemble, binned, mean, width, spread, level):
    """Flags that compare an estimate with what the ensemble was trained on."""
    label = ensemble.source_columns["label"]
    label = label[np.isfinite(label)]
    known = np.isfinite(mean)
    flags = np.zeros(len(mean), np.int32)
    if ensemble.target == "nu_peak":
        flags[known & _one_sided(binned, mean, ensemble.bin_edges)] |= Flag.ONE_SIDED
    if len(label):
        prior = np.diff(np.quantile(label, [0.5 - level / 2, 0.5 + level / 2]))[0]
        flags[known & (width > prior)] |= Flag.WIDE_INTERVAL
        flags[known & ((mean < label.min()) | (mean > label.max()))] |= Flag.EXTRAPOLATED
    reference = ensemble.meta.get("reference")
    if reference:
        lowest, highest = reference["level"]
        level = mean_level(binned)
        flags[known & ((level < lowest) | (level > highest))] |= Flag.UNUSUAL_LEVEL
        flags[known & (spread > reference["spread"])] |= Flag.MEMBERS_DISAGREE
        distance = _pattern_distance(_patterns(binned), np.array(reference["patterns"]))
        flags[known & (distance > reference["pattern_distance"])] |= Flag.UNUSUAL_PATTERN
    return flags


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


def _pattern_distance(patterns, known):
    """Jaccard distance of each pattern from the nearest known one: bins not shared by both."""
    unique, inverse = np.unique(patterns, return_inverse=True)
    nearest = np.array([_distances(p, known).min(initial=1) for p in unique], dtype=float)
    return nearest[inverse]


def _distances(pattern, known):
    """Share of the bins filled in a pattern or a known one that is not filled in both."""
    return 1 - np.bitwise_count(known & pattern) / np.maximum(np.bitwise_count(known | pattern), 1)


def flag_reference(binned, spread):
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
        the 0.5 and 99.5 percent quantiles), ``spread`` (99 percent), ``patterns`` (the sets of
        filled bins, one bit a bin) and ``pattern_distance`` (Jaccard distance from the nearest
        other pattern of the training SEDs that share theirs with none, but for the furthest 1
        percent).

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.flags import flag_reference
    >>> reference = flag_reference(np.array([[-12.0, np.nan, -11.0], [-13.0, -12.0, -11.0]]),
    ...                            np.array([0.1, 0.2]))
    >>> reference['patterns'], round(reference['pattern_distance'], 2)
    ([5, 7], 0.33)
    """
    level = mean_level(binned)
    patterns, count = np.unique(_patterns(binned), return_counts=True)
    # Most sparse SEDs share a pattern; how far patterns lie apart, those that are alone tell.
    alone = [
        _distances(pattern, np.delete(patterns, i)).min(initial=1)
        for i, pattern in enumerate(patterns)
        if count[i] == 1
    ]
    return {
        "level": [float(q) for q in np.nanquantile(level, [0.005, 0.995])],
        "spread": float(np.nanquantile(spread, 0.99)),
        "patterns": [int(p) for p in patterns],
        "pattern_distance": float(np.quantile(alone, 0.99, method="higher")) if alone else 0.0,
    }
