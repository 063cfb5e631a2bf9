"""Training sources beside their out-of-bag estimates: how good, and which labels are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..calibration import calibrate_out_of_bag, fit_calibration
from ..settings import load_ensembles
from ..targets import TARGETS
from .groups import evaluate
from .scores import q_value, randomised_pit

if TYPE_CHECKING:
    from .._types import AnyPath, Ensemble, Ensembles, Table

__all__ = [
    "original_columns",
    "out_of_bag",
    "out_of_bag_line",
    "p_values",
    "refine",
    "write_refined",
]

# First columns of the table that the original work ends with.
_ORIGINAL_COLUMNS = ("Right Ascension", "Declination", "Bag", "Catalogue Peak", "Estimated Peak")
_DESCRIPTIONS = {
    "label": "label that the source was trained with, log10",
    "estimate": "out-of-bag estimate, the median of its distribution, log10",
    "std": "standard deviation of the out-of-bag estimate (dex)",
    "lo": "lower end of the interval, calibrated without the source's bag, log10",
    "hi": "upper end of the interval, calibrated without the source's bag, log10",
    "cdf": "predictive distribution at the label",
    "pit": "randomised probability integral transform of the label",
    "crps": "continuous ranked probability score (dex)",
    "p_value": "probability that a right label is at least as far from its estimate",
}


def out_of_bag(
    ensemble: Ensemble, *, level: float = 0.95, rounding: float = 0.01, seed: int = 0
) -> Table:
    """Out-of-bag estimates of the training sources, with intervals that never saw them either.

    Parameters
    ----------
    ensemble : `~blase_astro.ensemble.Ensemble`
        The ensemble.
    level : float
        Probability of the intervals.
    rounding : float
        Step that the labels were rounded to (dex), for the PIT.
    seed : int
        Seed of the random numbers of the PIT.

    Returns
    -------
    estimates : `~astropy.table.Table`
        One row a source: ``name``, ``ra``, ``dec``, ``bag``, ``n_bins``, ``label``, and the
        out-of-bag ``estimate``, ``std``, ``lo``, ``hi``, ``cdf``, ``pit``, ``crps``, ``p_value``.
        The intervals of a bag are calibrated on the other bags, so that their coverage is a
        test; those that the ensemble gives are calibrated on all.

    Raises
    ------
    ValueError
        If the ensemble holds no out-of-bag estimate.

    Examples
    --------
    >>> from blase_astro import Ensemble
    >>> from blase_astro.evaluate import out_of_bag
    >>> estimates = out_of_bag(Ensemble.load())
    >>> bool((estimates['lo'] < estimates['hi']).all())
    True
    """
    raw, sources = ensemble.oob, ensemble.source_columns
    if not raw.known.any():
        raise ValueError(f"the ensemble for {ensemble.target} holds no out-of-bag estimate")
    table = ensemble.sources["name", "ra", "dec", "bag", "n_bins", "label"]
    label, n_bins = np.array(sources["label"], float), sources["n_bins"]
    pit = raw.cdf(label)
    if not np.isfinite(pit).any():
        raise ValueError(f"the ensemble for {ensemble.target} has no source with a label")
    names = ("estimate", "std", "lo", "hi", "cdf", "pit", "crps", "p_value")
    columns = {name: np.full(len(label), np.nan) for name in names}
    for rows, calibration in calibrate_out_of_bag(sources["bag"], pit, n_bins):
        honest = calibration.apply(raw[rows], n_bins[rows])
        columns["estimate"][rows], columns["std"][rows] = honest.median(), honest.std()
        columns["lo"][rows], columns["hi"][rows] = honest.interval(level)
        columns["cdf"][rows] = honest.cdf(label[rows])
        columns["pit"][rows] = randomised_pit(honest.cdf, label[rows], rounding, seed)
        columns["crps"][rows] = honest.crps(label[rows])
    distance = np.abs(label - columns["estimate"]) / columns["std"]
    group = fit_calibration(pit, n_bins).group(n_bins)
    columns["p_value"] = p_values(distance, sources["bag"], group)
    for name, values in columns.items():
        table[name] = values
    for name, text in _DESCRIPTIONS.items():
        table[name].info.description = text
    table.meta |= {"target": ensemble.target, "level": level, "digest": ensemble.digest[:16]}
    return table


def p_values(
    distance: np.ndarray, bag: np.ndarray, group: np.ndarray, bulk: float = 0.9
) -> np.ndarray:
    """Probability that a right label lies at least as far from its estimate.

    Parameters
    ----------
    distance : ndarray of float, shape (n,)
        Distance of label and out-of-bag estimate in standard deviations.
    bag, group : ndarray of int, shape (n,)
        Bag of each source, and the group of sources that it is compared with.
    bulk : float
        Level up to which the distances of the others are taken as they are.

    Returns
    -------
    p_value : ndarray of float64, shape (n,)
        Two-sided probability, from the sources of the group in other bags; NaN where the distance
        is.

    Notes
    -----
    The networks have learnt that some labels are wrong, and their distributions have tails for
    it; and wrong labels make up the tail of all distances. Against either no label looks unlikely.
    The distances are therefore trusted up to the level ``bulk``; beyond, the tail is that of the
    normal distribution scaled to the distance there (an empirical null distribution: Efron, B.
    2004, Journal of the American Statistical Association 99, 96).

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.evaluate import p_values
    >>> distance = np.append(np.linspace(0, 1.645, 91)[1:], np.full(10, 1.8))
    >>> bag = np.append(np.zeros(100, int), 1)
    >>> p = p_values(np.append(distance, 6.0), bag, np.zeros(101, int))
    >>> bool(p[-1] < 1e-7)
    True
    """
    from scipy.stats import norm

    p_value = np.full(len(distance), np.nan)
    for b, g in {*zip(np.asarray(bag).tolist(), np.asarray(group).tolist(), strict=True)}:
        rows = np.flatnonzero((bag == b) & (group == g) & np.isfinite(distance))
        others = np.sort(distance[(bag != b) & (group == g) & np.isfinite(distance)])
        if not len(others):
            continue
        edge = np.quantile(others, bulk)
        beyond = 1 - np.searchsorted(others, distance[rows]) / (len(others) + 1)
        tail = 2 * norm.sf(distance[rows] / edge * norm.ppf((1 + bulk) / 2))
        p_value[rows] = np.where(distance[rows] <= edge, beyond, np.minimum(tail, beyond))
    return p_value


def out_of_bag_line(ensemble: Ensemble) -> str:
    """What a trained ensemble can do, in one line.

    Parameters
    ----------
    ensemble : `~blase_astro.ensemble.Ensemble`
        The ensemble.

    Returns
    -------
    text : str
        Its median error and the coverage of its intervals out of bag.

    Examples
    --------
    >>> from blase_astro import Ensemble
    >>> from blase_astro.evaluate import out_of_bag_line
    >>> out_of_bag_line(Ensemble.load()).split(':')[0]
    'nu_peak'
    """
    table = out_of_bag(ensemble)
    columns = [np.asarray(table[name]) for name in ("label", "estimate", "lo", "hi")]
    scores = evaluate(*columns, level=table.meta["level"])[0]
    return (
        f"{ensemble.target}: {len(table)} sources, out of bag: median error "
        f"{scores['abs_error_median']:.3f} dex, 95-percent intervals hold "
        f"{scores['coverage_95']:.1%}"
    )


def refine(ensemble: Ensembles, *, level: float = 0.95, false_discovery: float = 0.1) -> Table:
    """Find training labels that disagree with the out-of-bag estimate beyond chance.

    Parameters
    ----------
    ensemble : path-like or list of `~blase_astro.ensemble.Ensemble`
        Folder of an ensemble, or the ensembles of one or both targets; None: those that come with
        the package.
    level : float
        Probability of the intervals.
    false_discovery : float
        Share of right labels among the suspicious ones that is put up with.

    Returns
    -------
    refined : `~astropy.table.Table`
        One row a training source, the most surely wrong first: ``name``, ``ra``, ``dec``, ``bag``,
        ``n_bins``; for each target ``log_nu_peak_label``, the out-of-bag estimate ``log_nu_peak``
        with ``_lo``, ``_hi``, ``_std``, its distance ``_z`` from the label in standard deviations
        and ``_q``, the share of false discoveries if this label and all less likely ones are
        called wrong; ``suspicious``, 1 where ``log_nu_peak_q`` is at most ``false_discovery``,
        plus 2 where ``log_nufnu_peak_q`` is.

    Raises
    ------
    ValueError
        If the ensembles hold no out-of-bag estimates or not the same sources.

    Notes
    -----
    The p-values are those of `p_values`, the share of false
    discoveries is controlled as by Benjamini, Y. & Hochberg, Y. 1995, J. R. Stat. Soc. B 57, 289.
    A label can be called wrong that is right, where the SED misleads the ensemble (a host galaxy
    or an accretion disc taken for the peak): look at the SED before you change a label.

    Examples
    --------
    >>> from blase_astro.evaluate import refine
    >>> refined = refine(None)
    >>> refined.colnames[:5]
    ['name', 'ra', 'dec', 'bag', 'n_bins']
    """
    from astropy.table import Table

    ensembles = load_ensembles(ensemble)
    if not ensembles:
        raise ValueError("ensemble: wanted at least one Ensemble, got none")
    tables = [out_of_bag(e, level=level) for e in ensembles]
    first = tables[0]
    refined = Table(first["name", "ra", "dec", "bag", "n_bins"], meta={})
    surest, farthest = np.full(len(first), np.inf), np.zeros(len(first))
    suspicious = np.zeros(len(first), np.int16)
    for table in tables:
        if list(table["name"]) != list(first["name"]):
            raise ValueError("the ensembles of the two targets have different training sources")
        target = table.meta["target"]
        z, q = (table["label"] - table["estimate"]) / table["std"], q_value(table["p_value"])
        _add_target(refined, table, target, z, q)
        suspicious[q <= false_discovery] |= 1 << TARGETS[target].index
        surest = np.fmin(surest, q)
        farthest = np.fmax(farthest, np.abs(z))
    refined["suspicious"] = suspicious
    _describe(refined, level)
    order = np.lexsort((-np.asarray(farthest), surest))
    refined.meta |= {"PILEVEL": level, "FALSEDIS": false_discovery}
    refined.meta |= {f"ENSEM{i}": table.meta["digest"] for i, table in enumerate(tables)}
    return refined[order]


def _add_target(refined, table, target, z, q):
    """Append the columns of one target."""
    refined[f"log_{target}_label"] = table["label"]
    for name, end in (("estimate", ""), ("lo", "_lo"), ("hi", "_hi"), ("std", "_std")):
        refined[f"log_{target}{end}"] = table[name]
    refined[f"log_{target}_z"] = z
    refined[f"log_{target}_q"] = q


def _describe(refined, level):
    """Descriptions and UCDs of the columns."""
    common = {
        "name": ("meta.id;meta.main", "name of the training source"),
        "ra": ("pos.eq.ra;meta.main", "right ascension (ICRS)"),
        "dec": ("pos.eq.dec;meta.main", "declination (ICRS)"),
        "bag": ("meta.code", "bag that holds the source: the members of it never saw it"),
        "n_bins": ("meta.number", "number of frequency bins that hold points"),
        "suspicious": (
            "meta.code.qual",
            "sum of 1 if the label of nu_peak, 2 if that of nufnu_peak disagrees beyond chance",
        ),
    }
    for name, target in TARGETS.items():
        ucds, percent = target.ucds, f"{100 * level:g}"
        quantity = f"log10 of {target.unit_text}: {target.words}"
        common |= {
            f"log_{name}_label": (ucds[""], f"{quantity}, the label"),
            f"log_{name}": (ucds[""], f"{quantity}, out-of-bag estimate"),
            f"log_{name}_lo": (ucds["_lo"], f"lower end of its {percent}-percent interval"),
            f"log_{name}_hi": (ucds["_hi"], f"upper end of its {percent}-percent interval"),
            f"log_{name}_std": (ucds["_std"], "standard deviation (dex)"),
            f"log_{name}_z": ("stat.fit.residual", "label minus estimate in standard deviations"),
            f"log_{name}_q": (
                "stat.probability",
                "share of false discoveries if this and all less likely labels are called wrong",
            ),
        }
    for name in refined.colnames:
        refined[name].meta = {"ucd": common[name][0]}
        refined[name].info.description = common[name][1]


def original_columns(refined: Table) -> Table:
    """The six columns that the original work ends with.

    Parameters
    ----------
    refined : `~astropy.table.Table`
        Table of `refine`.

    Returns
    -------
    table : `~astropy.table.Table`
        Right Ascension, Declination (degrees), Bag, Catalogue Peak, Estimated Peak (log10 of Hz)
        and Estimate Error (half the width of the interval, dex; 95% unless another level was
        asked for).

    Raises
    ------
    ValueError
        If there is no estimate of the peak frequency.

    Examples
    --------
    >>> from blase_astro.evaluate import original_columns, refine
    >>> original_columns(refine(None)).colnames[:3]
    ['Right Ascension', 'Declination', 'Bag']
    """
    from astropy.table import Table

    if "log_nu_peak" not in refined.colnames:
        raise ValueError("the columns of the original need the ensemble for nu_peak")
    error = (refined["log_nu_peak_hi"] - refined["log_nu_peak_lo"]) / 2
    columns = [refined[name] for name in ("ra", "dec", "bag", "log_nu_peak_label", "log_nu_peak")]
    names = [*_ORIGINAL_COLUMNS, f"Estimate Error ({100 * refined.meta['PILEVEL']:g}%)"]
    return Table([np.asarray(column) for column in [*columns, error]], names=names)


def write_refined(refined: Table, path: AnyPath, *, overwrite: bool = False) -> None:
    """Write the table of `refine`; as CSV with the columns of the original.

    Parameters
    ----------
    refined : `~astropy.table.Table`
        Table of `refine`.
    path : path-like
        File to write, the format given by its suffix, as of `~blase_astro.io.files.write_table`.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ValueError
        If the suffix is not known, or there is no estimate of the peak frequency for a CSV file.
    OSError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.evaluate import refine, write_refined
    >>> write_refined(refine(None), 'refined.csv')
    >>> Table.read('refined.csv').colnames[:3]
    ['Right Ascension', 'Declination', 'Bag']
    """
    from ..io.files import file_format, write_table

    if file_format(path) == "ascii.csv":
        refined = original_columns(refined)
    write_table(refined, path, overwrite=overwrite)
