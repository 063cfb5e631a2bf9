"""Bags, and the samples that each member is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..sky import pairs

if TYPE_CHECKING:
    from .._types import Radius, Sequence

__all__ = ["Pool", "augment", "default_pool", "seed_pool", "split_bags"]

# Label bins of the original augmentation, log10 Hz.
LABEL_EDGES = np.concatenate([[11.32], np.linspace(12.09621622, 17.72378378, 30), [18.50]])


class Pool(NamedTuple):
    """What the members are trained on: samples, and which of them each member sees.

    Attributes
    ----------
    binned : ndarray of float32, shape (n, n_bins)
        Binned SEDs: sources, their thinned copies, simulated ones.
    label : ndarray of float64, shape (n, 2)
        log10 of nu_peak in Hz and of nuFnu_peak in erg / (s cm2), NaN where there is none.
    weight : ndarray of float64, shape (n,)
        Weight in the loss.
    simulated : ndarray of bool, shape (n,)
        Whether the sample is simulated.
    train, valid : list of ndarray of int, one for each (bag, member)
        Rows that the member learns from, and rows that its learning is watched with.
    """

    binned: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    simulated: np.ndarray
    train: list
    valid: list


def split_bags(
    ra: np.ndarray,
    dec: np.ndarray,
    n_bags: int = 5,
    *,
    seed: int = 0,
    min_separation: Radius = 60.0,
) -> np.ndarray:
    """One bag for every source, at random; near neighbours share a bag.

    Parameters
    ----------
    ra, dec : ndarray of float, shape (n,)
        Positions in degrees.
    n_bags : int
        Number of bags.
    seed : int
        Seed of the random numbers.
    min_separation : float
        Sources nearer than this many arcsec, also by way of others, share a bag: what one member
        learnt of a source must not come back as an estimate of its neighbour.

    Returns
    -------
    bag : ndarray of int16, shape (n,)
        Bags of equal size, but for neighbours.

    Raises
    ------
    ValueError
        If there are fewer than two bags, or fewer groups of sources than bags.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.training import split_bags
    >>> bag = split_bags(np.arange(10.0), np.zeros(10), n_bags=5)
    >>> print(np.bincount(bag))
    [2 2 2 2 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(ra)
    row, other, _ = pairs(ra, dec, ra, dec, min_separation)
    graph = coo_array((np.ones(len(row)), (row, other)), shape=(n, n))
    n_groups, group = connected_components(graph, directed=False)
    if not 2 <= n_bags <= n_groups:
        raise ValueError(f"n_bags: wanted 2 to {n_groups} (the separate sources), got {n_bags}")
    order = np.random.default_rng(seed).permutation(n_groups)
    bag_of_group = np.empty(n_groups, np.int16)
    bag_of_group[order] = np.arange(n_groups) % n_bags
    return bag_of_group[group]


def augment(
    binned: np.ndarray,
    label: np.ndarray,
    rng: np.random.Generator,
    *,
    per_label: int = 90,
    max_deleted: int = 15,
    min_bins: int = 5,
) -> tuple[np.ndarray, np.ndarray]:
    """Augmentation of the original work: every label equally often, with bins deleted.

    Sources of rare labels are copied, up to ``max_deleted`` bins of a copy deleted, drawn with
    replacement with probabilities from the 4th power of the label-by-bin histogram normalised
    per label, so that what nearly all SEDs of a label have is what goes.

    Parameters
    ----------
    binned : ndarray of float32, shape (n, n_bins)
        Binned SEDs.
    label : ndarray of float64, shape (n,)
        log10 of nu_peak in Hz.
    rng : `numpy.random.Generator`
        Random numbers.
    per_label : int
        Samples in each label bin that has any source.
    max_deleted : int
        Most bins deleted of a copy.
    min_bins : int
        Samples with fewer filled bins are dropped.

    Returns
    -------
    binned : ndarray of float32, shape (k, n_bins)
        The augmented set: the originals, at most ``per_label`` of a label bin, then the copies.
    index : ndarray of int, shape (k,)
        Which source each sample is, or is a copy of.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.training import augment
    >>> binned, index = augment(np.ones((3, 26)), np.array([13.1, 13.1, 17.0]),
    ...                         np.random.default_rng(0))
    >>> np.bincount(index, minlength=3)[2]
    np.int64(90)
    """
    n_bins = binned.shape[1]
    column = np.clip(np.digitize(label, LABEL_EDGES) - 1, 0, len(LABEL_EDGES) - 2)
    samples, index = [], []
    for k in np.unique(column):
        sources = np.flatnonzero(column == k)
        if len(sources) > per_label:
            sources = rng.choice(sources, per_label, replace=False)
        filled = np.isfinite(binned[column == k]).sum(axis=0)
        probability = filled.astype(float) ** 4
        copies = rng.choice(sources, per_label - len(sources))
        made = binned[copies].copy()
        if probability.any():
            drawn = rng.choice(
                n_bins, (len(copies), max_deleted), p=probability / probability.sum()
            )
            count = rng.integers(0, max_deleted + 1, len(copies))
            row, nth = np.nonzero(np.arange(max_deleted) < count[:, None])
            made[row, drawn[row, nth]] = np.nan
        samples += [binned[sources], made]
        index += [sources, copies]
    samples, index = np.concatenate(samples), np.concatenate(index)
    keep = np.isfinite(samples).sum(axis=1) >= min_bins
    return samples[keep], index[keep]


def seed_pool(
    binned: np.ndarray,
    label: np.ndarray,
    bag: np.ndarray,
    n_members: int,
    *,
    seed: int = 0,
    n_valid: int = 1500,
    per_label: int = 90,
) -> Pool:
    """Samples of the original recipe: each bag augmented, validation apart by source.

    For each left-out bag, the sources of the other bags are split by source; `augment` is
    applied to both parts, bag by bag, so that no copy of a validation source is learnt from.

    Parameters
    ----------
    binned : ndarray of float32, shape (n, n_bins)
        Binned real SEDs.
    label : ndarray of float64, shape (n, 2)
        log10 of nu_peak and nuFnu_peak.
    bag : ndarray of int, shape (n,)
        Bag of each source.
    n_members : int
        Members of each bag; they share the samples.
    seed : int
        Seed of the random numbers.
    n_valid : int
        Validation samples.
    per_label : int
        Samples of each bag in each of the 31 label bins.

    Returns
    -------
    pool : Pool
        The samples.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.training import seed_pool
    >>> rng = np.random.default_rng(0)
    >>> label = np.stack([rng.uniform(12, 17, 50), rng.uniform(-13, -10, 50)], axis=1)
    >>> pool = seed_pool(np.ones((50, 26)), label, np.arange(50) % 5, n_members=5)
    >>> len(pool.train)
    25
    """
    n_bags = bag.max() + 1
    samples, sources, train, valid = [], [], [], []
    start = 0
    for left_out in range(n_bags):
        rng = np.random.default_rng([seed, left_out])
        others = np.flatnonzero(bag != left_out)
        share = n_valid / ((n_bags - 1) * per_label * (len(LABEL_EDGES) - 1))
        is_valid = np.zeros(len(bag), bool)
        is_valid[rng.choice(others, max(1, round(share * len(others))), replace=False)] = True
        for part in (False, True):
            rows = []
            for b in np.delete(np.arange(n_bags), left_out):
                chosen = np.flatnonzero((bag == b) & (is_valid == part))
                if len(chosen):
                    made, index = augment(
                        binned[chosen], label[chosen, 0], rng, per_label=per_label
                    )
                    samples.append(made)
                    sources.append(chosen[index])
                    rows.append(np.arange(start, start + len(index)))
                    start += len(index)
            rows = np.concatenate(rows)
            if part and len(rows) > n_valid:
                rows = np.sort(rng.choice(rows, n_valid, replace=False))
            (valid if part else train).extend([rows] * n_members)
    sources = np.concatenate(sources)
    weight = np.ones(len(sources))
    simulated = np.zeros(len(sources), bool)
    return Pool(np.concatenate(samples), label[sources], weight, simulated, train, valid)


def default_pool(
    binned: np.ndarray,
    label: np.ndarray,
    bag: np.ndarray,
    n_members: int,
    *,
    simulated: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    rich_weights: Sequence[tuple[int, float]] = (),
) -> Pool:
    """Samples of the default recipe: the real SEDs, the rich ones weightier, and simulated ones.

    No real source is held back to choose an epoch; the bag that is left out anyway shows how the
    learning goes.

    Parameters
    ----------
    binned : ndarray of float32, shape (n, n_bins)
        Binned real SEDs.
    label : ndarray of float64, shape (n, 2)
        log10 of nu_peak and nuFnu_peak.
    bag : ndarray of int, shape (n,)
        Bag of each source.
    n_members : int
        Members of each bag; they share the samples.
    simulated : tuple, optional
        Binned simulated SEDs (k, n_bins), their labels (k, 2), and the bag of the real SED whose
        sampling each follows (k,), -1 without one.
    rich_weights : sequence of pair
        Number of filled bins, rising, and the weight of a real SED from there on; others have 1.
        The weights are divided by their mean, so that of simulated SEDs is 1.

    Returns
    -------
    pool : Pool
        The samples.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.training import default_pool
    >>> pool = default_pool(np.full((10, 26), -12, np.float32), np.full((10, 2), 13.0),
    ...                     np.arange(10) % 2, n_members=1)
    >>> [len(rows) for rows in pool.train], [len(rows) for rows in pool.valid]
    ([5, 5], [5, 5])
    """
    n, n_bags = len(bag), bag.max() + 1
    n_bins, weight = np.isfinite(binned).sum(axis=1), np.ones(n)
    for fewest, value in rich_weights:
        weight[n_bins >= fewest] = value
    weight /= weight.mean()
    sim_bag = np.zeros(0, int)
    if simulated is not None:
        sim_binned, sim_label, sim_bag = simulated
        binned = np.concatenate([binned, sim_binned])
        label = np.concatenate([label, sim_label])
        weight = np.concatenate([weight, np.ones(len(sim_bag))])
    train, valid = [], []
    for left_out in range(n_bags):
        # A simulated SED on the sampling of a source of this bag is left out with it.
        learnt = np.flatnonzero(np.concatenate([bag, sim_bag]) != left_out)
        train += [learnt] * n_members
        valid += [np.flatnonzero(bag == left_out)] * n_members
    return Pool(binned, label, weight, np.arange(len(label)) >= n, train, valid)
