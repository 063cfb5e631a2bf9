"""From an archive of SEDs and labels to the training set: labels, bags, augmentation."""

import re
from itertools import chain
from typing import NamedTuple

import numpy as np

from . import sky
from .io import read_points
from .sed import RICH_BINS, bin_points, load_bins

__all__ = [
    "Pool",
    "augment",
    "default_pool",
    "join_points",
    "parse_label",
    "read_training_set",
    "seed_pool",
    "select",
    "split_bags",
]

# Label bins of the original augmentation, log10 Hz.
LABEL_EDGES = np.concatenate([[11.32], np.linspace(12.09621622, 17.72378378, 30), [18.50]])

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_NAMES = (
    # SED_<log nu>_<ra>_<dec>_<name>_<z>, whose name may itself hold underscores
    re.compile(
        rf"SED_(?P<log_nu_peak>{_NUMBER})_(?P<ra>{_NUMBER})_(?P<dec>{_NUMBER})_(?P<name>.+)"
        rf"_(?P<redshift>{_NUMBER})"
    ),
    # <log nu>_<log nuFnu>_<ra>_<dec>.txt
    re.compile(
        rf"(?P<log_nu_peak>{_NUMBER})_(?P<log_nufnu_peak>{_NUMBER})_(?P<ra>{_NUMBER})"
        rf"_(?P<dec>{_NUMBER})(?:\.txt)?"
    ),
)
# Columns of published catalogs that hold labels, the first that is there is taken.
_NU_COLUMNS = ("log_nu_peak", "nu_peak", "nu_syn", "lognu_peak", "log_nu_syn")
_NUFNU_COLUMNS = ("log_nufnu_peak", "nufnu_peak", "nuFnu_syn", "log_nuFnu_syn")


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
        Rows that the member learns from, and rows that choose its best epoch.
    """

    binned: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    simulated: np.ndarray
    train: list
    valid: list


def parse_label(name):
    """Label, position, name and redshift written in the name of an SED file.

    Parameters
    ----------
    name : str
        ``SED_<log nu>_<ra>_<dec>_<name>_<z>`` or ``<log nu>_<log nuFnu>_<ra>_<dec>.txt``, with or
        without a path.

    Returns
    -------
    label : dict
        ``log_nu_peak`` (Hz), ``log_nufnu_peak`` (erg / (s cm2)), ``ra``, ``dec`` (deg), ``name``,
        ``redshift``; NaN or the file's name where absent. Empty if the name follows neither
        scheme.

    Examples
    --------
    >>> from blase_astro.dataset import parse_label
    >>> parse_label('SEDs/SED_11.78_227.1623_-49.8840_PMNJ1508-49_1.551')['log_nu_peak']
    11.78
    """
    name = name.rsplit("/", 1)[-1]
    for scheme in _NAMES:
        match = scheme.fullmatch(name)
        if match:
            found = match.groupdict()
            label = {"name": found.pop("name", name)}
            label |= {key: float(value) for key, value in found.items()}
            if label.get("redshift") == 0:  # the format's word for unknown
                label["redshift"] = np.nan
            return {"log_nufnu_peak": np.nan, "redshift": np.nan} | label
    return {}


def read_training_set(
    archive,
    labels=None,
    *,
    bins="v2",
    nu_column=None,
    nufnu_column=None,
    radius=5.0,
    min_bins=4,
    report=None,
):
    """Archive of SEDs with their labels as one Table.

    Parameters
    ----------
    archive : path-like
        Folder or zip of SED files.
    labels : `~astropy.table.Table`, optional
        Catalog with labels, matched on the sphere; by default they are taken from the file names.
    bins : str
        Name of the bin set, see `~blase_astro.sed.load_bins`.
    nu_column, nufnu_column : str, optional
        Columns of the catalog with the peak frequency and its flux: in a unit of frequency or
        flux, or, without a unit, as log10 of Hz and of erg / (s cm2). By default the usual names
        are tried.
    radius : float
        Largest separation of an SED from its catalog row in arcsec.
    min_bins : int
        Least number of filled bins.
    report : callable, optional
        Called with one line of text for every reason why SEDs were left out.

    Returns
    -------
    table : `~astropy.table.Table`
        One row a source: ``name``, ``file``, ``ra``, ``dec`` (deg), ``redshift``, ``log_nu_peak``,
        ``log_nufnu_peak`` and ``binned`` (n_bins). The measurements stay at hand as
        ``table.meta['points']``, a `~blase_astro.io.Points`, row ``sed`` of which is the source.

    Raises
    ------
    ValueError
        If nothing is left to train on, or the catalog has no such column.

    Examples
    --------
    >>> from blase_astro.dataset import read_training_set
    >>> table = read_training_set('SEDs.zip')                             # doctest: +SKIP
    """
    from astropy.table import Table

    points = join_points(list(read_points(archive)))
    rows = [parse_label(name) for name in points.name]
    n = len(rows)

    def column(key, default):
        return np.array([row.get(key, default) for row in rows], dtype=type(default))

    ra, dec = (_first(column(key, np.nan), getattr(points, key)) for key in ("ra", "dec"))
    if labels is None:
        label = np.stack([column("log_nu_peak", np.nan), column("log_nufnu_peak", np.nan)], axis=1)
    else:
        label = _match_labels(labels, nu_column, nufnu_column, ra, dec, radius)
    binned, _ = bin_points(points, load_bins(bins))
    reasons = np.select(
        [
            np.array(points.error, dtype=str) != "",
            ~np.isfinite(ra) | ~np.isfinite(dec),
            ~np.isfinite(label[:, 0]),
            np.isfinite(binned).sum(axis=1) < min_bins,
        ],
        ["could not be read", "no position", "no label", f"fewer than {min_bins} filled bins"],
        "",
    ).astype("U40")
    good = np.flatnonzero(reasons == "")
    repeated = good[_duplicates(ra[good], dec[good], radius)]
    reasons[repeated] = "the same source as another SED"
    for reason, count in zip(*np.unique(reasons[reasons != ""], return_counts=True), strict=True):
        if report is not None:
            report(f"{count} of {n} SEDs left out: {reason}")
    keep = np.flatnonzero(reasons == "")
    if not len(keep):
        raise ValueError(f"{archive}: nothing to train on among {n} SEDs ({_most(reasons)})")
    table = Table(
        {
            "name": [rows[i].get("name", points.name[i]) for i in keep],
            "file": [points.name[i] for i in keep],
            "ra": ra[keep],
            "dec": dec[keep],
            "redshift": _first(column("redshift", np.nan), points.redshift)[keep],
            "log_nu_peak": label[keep, 0],
            "log_nufnu_peak": label[keep, 1],
            "binned": binned[keep],
            "sed": keep,
        },
        meta={"points": points},
    )
    for name in ("ra", "dec"):
        table[name].unit = "deg"
    return table


def _first(values, fallback):
    """Values, and the fallback where they are NaN."""
    return np.where(np.isfinite(values), values, fallback)


def _most(reasons):
    """The most frequent reason."""
    if not len(reasons):
        return "no SED was found"
    names, counts = np.unique(reasons, return_counts=True)
    return f"most often: {names[counts.argmax()]}"


def _duplicates(ra, dec, radius):
    """Indices of rows that repeat an earlier row's position."""
    row, other, _ = sky.pairs(ra, dec, ra, dec, radius)
    return np.unique(other[other > row])


def _match_labels(catalog, nu_column, nufnu_column, ra, dec, radius):
    """Labels (n, 2) of positions from a catalog with a row within the radius."""
    columns = sky.find_position(catalog)
    row, other, _ = sky.pairs(ra, dec, *sky.positions(catalog, columns), radius)
    first = np.unique(row, return_index=True)[1]  # pairs come sorted by separation
    row, other = row[first], other[first]
    label = np.full((len(ra), 2), np.nan)
    choices = ((nu_column, _NU_COLUMNS, "Hz"), (nufnu_column, _NUFNU_COLUMNS, "erg / (s cm2)"))
    for i, (name, usual, unit) in enumerate(choices):
        if name is None:
            name = next((column for column in usual if column in catalog.colnames), None)
            if name is None and i == 0:
                raise ValueError(
                    f"the catalog has no column of peak frequencies; wanted one of "
                    f"{', '.join(usual)}, or its name; it has {', '.join(catalog.colnames)}"
                )
        if name is not None:
            label[row, i] = _log_column(catalog, name, unit)[other]
    return label


def _log_column(catalog, name, unit):
    """Column of a catalog as log10 in a unit; NaN where it is masked or not positive."""
    from astropy.units import Quantity

    if name not in catalog.colnames:
        raise ValueError(f"the catalog has no column {name!r}; it has {catalog.colnames}")
    column = catalog[name]
    values = np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)
    if column.unit is not None and str(column.unit) and "dex" not in str(column.unit):
        values = Quantity(values, column.unit).to_value(unit)
        return np.log10(values, out=np.full(len(values), np.nan), where=values > 0)
    finite = values[np.isfinite(values) & (values != 0)]
    if len(finite) and np.abs(finite).max() > 50:
        raise ValueError(
            f"column {name!r} has no unit, so wanted log10 of {unit}, got {finite.max():g}; "
            f"give the column its unit"
        )
    return np.where(values == 0, np.nan, values)


def join_points(chunks):
    """The measurements of several lots of SEDs as one.

    Parameters
    ----------
    chunks : sequence of `~blase_astro.io.Points`
        At least one, as `~blase_astro.io.read_points` yields them.

    Returns
    -------
    points : `~blase_astro.io.Points`
        All of them, one lot after the other.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> from blase_astro.dataset import join_points
    >>> from blase_astro.io import read_points
    >>> len(join_points(list(read_points('catalogs/demo_seds.zip', chunk=3))).name)
    25
    """
    from .io import Points

    if not chunks:
        raise ValueError("no SED was found")
    starts = np.cumsum([0] + [len(chunk.name) for chunk in chunks])
    chunks = [c._replace(sed=c.sed + s) for c, s in zip(chunks, starts[:-1], strict=True)]
    columns = []
    for parts in zip(*chunks, strict=True):
        is_list = isinstance(parts[0], list)
        columns.append(list(chain(*parts)) if is_list else np.concatenate(parts))
    return Points(*columns)


def select(points, index):
    """The points of some SEDs, renumbered.

    Parameters
    ----------
    points : `~blase_astro.io.Points`
        Measurements of n SEDs.
    index : ndarray of int, shape (k,)
        Which SEDs, each at most once.

    Returns
    -------
    points : `~blase_astro.io.Points`
        Those k SEDs, in the order of ``index``.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.dataset import select
    >>> from blase_astro.io import read_points
    >>> points = next(read_points('catalogs/demo_seds.zip'))
    >>> select(points, np.array([0])).name
    ['seds/PMN_J1508-4953.txt']
    """
    new = np.full(len(points.name), -1)
    new[index] = np.arange(len(index))
    rows = np.flatnonzero(new[points.sed] >= 0)
    rows = rows[np.argsort(new[points.sed[rows]], kind="stable")]
    heads = [
        [column[i] for i in index] if isinstance(column, list) else column[index]
        for column in points[:5]
    ]
    return type(points)(*heads, new[points.sed[rows]], *(c[rows] for c in points[6:]))


def split_bags(ra, dec, n_bags=5, *, seed=0, min_separation=60.0):
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
    >>> from blase_astro.dataset import split_bags
    >>> bag = split_bags(np.arange(10.0), np.zeros(10), n_bags=5)
    >>> print(np.bincount(bag))
    [2 2 2 2 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(ra)
    row, other, _ = sky.pairs(ra, dec, ra, dec, min_separation)
    graph = coo_array((np.ones(len(row)), (row, other)), shape=(n, n))
    n_groups, group = connected_components(graph, directed=False)
    if not 2 <= n_bags <= n_groups:
        raise ValueError(f"n_bags: wanted 2 to {n_groups} (the separate sources), got {n_bags}")
    order = np.random.default_rng(seed).permutation(n_groups)
    bag_of_group = np.empty(n_groups, np.int16)
    bag_of_group[order] = np.arange(n_groups) % n_bags
    return bag_of_group[group]


def augment(binned, label, rng, *, per_label=90, max_deleted=15, min_bins=5):
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
    >>> from blase_astro.dataset import augment
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


def seed_pool(binned, label, bag, n_members, *, seed=0, n_valid=1500, per_label=90):
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
    >>> from blase_astro.dataset import seed_pool
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


def default_pool(binned, label, bag, n_members, *, simulated=None, rich_weight=4.0, seed=0):
    """Samples of the default recipe: the real SEDs, the rich ones weightier, beside simulated ones.

    Every member holds back its own tenth of the real sources to choose its best epoch.

    Parameters
    ----------
    binned : ndarray of float32, shape (n, n_bins)
        Binned real SEDs.
    label : ndarray of float64, shape (n, 2)
        log10 of nu_peak and nuFnu_peak.
    bag : ndarray of int, shape (n,)
        Bag of each source.
    n_members : int
        Members of each bag.
    simulated : tuple, optional
        Binned simulated SEDs (k, n_bins), their labels (k, 2), the bag of the real SED whose
        sampling each follows (k,), -1 without one, and the weight of each (k,).
    rich_weight : float
        Weight of a real SED with at least ``RICH_BINS`` filled bins; others have 1.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pool : Pool
        The samples.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.dataset import default_pool
    >>> pool = default_pool(np.full((10, 26), -12, np.float32), np.full((10, 2), 13.0),
    ...                     np.arange(10) % 2, n_members=1)
    >>> [len(rows) for rows in pool.train], [len(rows) for rows in pool.valid]
    ([4, 4], [1, 1])
    """
    n, n_bags = len(bag), bag.max() + 1
    weight = np.where(np.isfinite(binned).sum(axis=1) >= RICH_BINS, rich_weight, 1.0)
    sim_bag = np.zeros(0, int)
    if simulated is not None:
        sim_binned, sim_label, sim_bag, sim_weight = simulated
        binned = np.concatenate([binned, sim_binned])
        label = np.concatenate([label, sim_label])
        weight = np.concatenate([weight, sim_weight])
    train, valid = [], []
    for left_out in range(n_bags):
        others = np.flatnonzero(bag != left_out)
        # A simulated SED on the sampling of a source of this bag is left out with it.
        extra = n + np.flatnonzero(sim_bag != left_out)
        for member in range(n_members):
            order = np.random.default_rng([seed, left_out, member]).permutation(others)
            n_valid = max(1, len(order) // 10)
            valid.append(np.sort(order[:n_valid]))
            train.append(np.concatenate([np.sort(order[n_valid:]), extra]))
    return Pool(binned, label, weight, np.arange(len(label)) >= n, train, valid)
