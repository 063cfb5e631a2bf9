"""Estimates of any origin beside known labels, and their scores by class and number of bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._version import __version__
from ..io import read_points
from ..io.values import texts
from ..joins import join_names, join_sky
from ..position_columns import find_position, positions
from ..sed import bin_points
from ..sky import match_sky
from ..targets import TARGETS, log10_column
from .groups import class_groups, evaluate_groups, n_bins_groups
from .labels import out_of_bag
from .scores import cdf_of_interval

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Ensemble, Radius, Sequence, Table

__all__ = ["compare", "compare_targets", "member_means", "out_of_bag_tables", "score", "score_text"]

_NAME_COLUMNS = ("file", "name", "Source_Name", "source_name")
_TEXT_COLUMNS = (
    "sources", "n", "abs_error_median", "rms", "bias", "outliers", "width_median", "coverage_50",
    "coverage_68", "coverage_90", "coverage_95", "coverage_99", "winkler", "crps", "pit_ks",
)  # fmt: skip


def out_of_bag_tables(ensembles: Sequence[Ensemble], level: float = 0.95) -> Sequence[Table]:
    """Out-of-bag estimates of the training sources beside their labels, for `write_report`.

    Parameters
    ----------
    ensembles : list of `~blase_astro.ensemble.Ensemble`
        One a target, of the same sources.
    level : float
        Probability of the intervals.

    Returns
    -------
    tables : list of `~astropy.table.Table`
        `~blase_astro.evaluate.out_of_bag` of each, with the known class as ``log_nu_peak`` where
        the peak frequency is among the targets.

    Examples
    --------
    >>> from blase_astro.settings import load_ensembles
    >>> from blase_astro.evaluate import out_of_bag_tables
    >>> [table.meta['target'] for table in out_of_bag_tables(load_ensembles())]
    ['nu_peak', 'nufnu_peak']
    """
    tables = [out_of_bag(ensemble, level=level) for ensemble in ensembles]
    known = [table["label"] for table in tables if table.meta["target"] == "nu_peak"]
    for table in tables:
        if known and len(known[0]) == len(table):
            table["log_nu_peak"] = known[0]
    return tables


def member_means(ensemble: Ensemble, archive: AnyPath, radius: Radius = 5.0) -> np.ndarray:
    """Estimates of every member for the training sources, whose SEDs the ensemble does not hold.

    Parameters
    ----------
    ensemble : `~blase_astro.ensemble.Ensemble`
        The ensemble.
    archive : path-like
        The SEDs it was trained on.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation of an SED from its training source, see `~blase_astro.angles.arcsec`.

    Returns
    -------
    mean : ndarray of float64, shape (n_bags, n_members, n)
        For the sources of the ensemble in their order, NaN where the archive has no SED.

    Examples
    --------
    >>> from blase_astro import Ensemble
    >>> from blase_astro.evaluate import member_means
    >>> mean = member_means(Ensemble.load(), 'SEDs.zip')                  # doctest: +SKIP
    """
    sources = ensemble.source_columns
    mean = np.full((ensemble.n_bags, ensemble.n_members, len(sources["ra"])), np.nan)
    for points in read_points(archive):
        binned, _ = bin_points(points, ensemble.bin_edges)
        sed, _, _ = match_sky((sources["ra"], sources["dec"]), (points.ra, points.dec), radius)
        found = np.flatnonzero(sed >= 0)
        mean[..., found] = ensemble.predict_members(binned[sed[found]])
    if not np.isfinite(mean).any():
        raise ValueError(f"{archive} holds no SED of a training source")
    return mean


def compare(
    estimates: Table,
    labels: Table,
    *,
    target: str = "nu_peak",
    columns: Sequence[str] | None = None,
    label: str | None = None,
    level: float | None = None,
    radius: Radius = 5.0,
) -> Table:
    """Estimates of any origin beside known labels.

    Parameters
    ----------
    estimates : `~astropy.table.Table`
        One row a source.
    labels : `~astropy.table.Table`
        One row a source. The rows are joined one to one by position where both tables have
        any, else by file name or name.
    target : {'nu_peak', 'nufnu_peak'}
        What is compared.
    columns : tuple of str, optional
        Names of the columns with the estimate and the ends of its interval; by default those that
        `~blase_astro.estimate` writes.
    label : str, optional
        Name of the column with the label; by default the usual names are tried (``log_nu_peak``,
        ``nu_peak``, ``nu_syn``, ...).
    level : float, optional
        Probability of the intervals; by default what the metadata says, else 0.95.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation of two rows of one source, see `~blase_astro.angles.arcsec`.

    Returns
    -------
    table : `~astropy.table.Table`
        One row a source found in both: ``label``, ``estimate``, ``lo``, ``hi``, all log10,
        ``n_bins`` where it is known, ``log_nu_peak``, the known value of the class, and ``cdf``
        and ``pit`` of the normal distribution with that interval.

    Raises
    ------
    ValueError
        If a column is missing or no source is in both tables.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.evaluate import compare
    >>> labels = Table({'name': ['a', 'b'], 'log_nu_peak': [13.0, 15.0]})
    >>> estimates = Table({'name': ['b'], 'log_nu_peak': [14.8], 'log_nu_peak_lo': [14.1],
    ...                    'log_nu_peak_hi': [15.5]})
    >>> print(compare(estimates, labels)['label', 'estimate'])
    label estimate
    ----- --------
     15.0     14.8
    """
    from astropy.table import Table

    names = columns or _estimate_columns(estimates, target)
    row, other = _join(estimates, labels, radius)
    if not len(row):
        raise ValueError("no source is in both the estimates and the labels")
    known = log10_column(labels, label or _label_column(labels, target), target)
    table = Table({"label": known[other]})
    for name, column in zip(("estimate", "lo", "hi"), names, strict=True):
        table[name] = log10_column(estimates, column, target)[row]
    if "n_bins" in estimates.colnames:
        table["n_bins"] = np.asarray(estimates["n_bins"])[row]
    if target == "nu_peak":
        table["log_nu_peak"] = table["label"]
    elif peak := TARGETS["nu_peak"].label_column(labels):
        table["log_nu_peak"] = log10_column(labels, peak, "nu_peak")[other]
    level = float(estimates.meta.get("PILEVEL", 0.95) if level is None else level)
    table["cdf"] = cdf_of_interval(
        table["label"], table["estimate"], table["lo"], table["hi"], level
    )
    table["pit"] = table["cdf"]
    table.meta |= {"target": target, "level": level}
    return table


def compare_targets(
    estimates: Table,
    labels: Table,
    *,
    target: str | None = None,
    columns: Sequence[str] | None = None,
    label: str | None = None,
    level: float | None = None,
    radius: Radius = 5.0,
) -> Sequence[Table]:
    """As `compare`, for both targets where their columns are there.

    Parameters
    ----------
    estimates, labels, level, radius
        See `compare`.
    target, columns, label
        See `compare`; where one is given, that target alone is compared.

    Returns
    -------
    tables : list of `~astropy.table.Table`
        What `compare` gives for each target, that of the peak frequency first.

    Raises
    ------
    ValueError
        As `compare`.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.evaluate import compare_targets
    >>> labels = Table({'name': ['a', 'b'], 'log_nu_peak': [13.0, 15.0]})
    >>> estimates = Table({'name': ['b'], 'log_nu_peak': [14.8], 'log_nu_peak_lo': [14.1],
    ...                    'log_nu_peak_hi': [15.5]})
    >>> [table.meta['target'] for table in compare_targets(estimates, labels)]
    ['nu_peak']
    """
    options: dict[str, Any] = {"columns": columns, "label": label, "level": level}
    wanted = [target or "nu_peak"]
    if not (target or columns or label):
        there = [t for t in TARGETS if _estimate_column(estimates, t)]
        wanted = [t for t in there if TARGETS[t].label_column(labels)] or wanted
    return [compare(estimates, labels, target=name, radius=radius, **options) for name in wanted]


def _estimate_column(estimates, target):
    """The column of the estimate as the package writes it, log10 before linear; None if none."""
    return next((n for n in (f"log_{target}", target) if n in estimates.colnames), None)


def _label_column(labels, target):
    """The usual column of known values."""
    name = TARGETS[target].label_column(labels)
    if name is None:
        wanted = " or ".join(TARGETS[target].labels)
        raise ValueError(f"labels: wanted a column {wanted}; got {labels.colnames}")
    return name


def _estimate_columns(estimates, target):
    """Columns of the estimate and its interval as the package writes them."""
    name = _estimate_column(estimates, target)
    if name is None:
        raise ValueError(
            f"estimates: wanted a column log_{target} or {target}; got {estimates.colnames}"
        )
    columns = [name, f"{name}_lo", f"{name}_hi"]
    missing = [column for column in columns if column not in estimates.colnames]
    if missing:
        raise ValueError(f"estimates: wanted a column {missing[0]} beside {name}")
    return columns


def _join(estimates, labels, radius):
    """Rows of the two tables that belong together, one to one."""
    try:
        places = [positions(table, find_position(table)) for table in (estimates, labels)]
    except ValueError:
        places = []
    if places and all(np.isfinite(ra).any() for ra, _ in places):
        index, _ = join_sky(*places, radius)
    else:  # the columns of a position may be there and empty: SEDs need not state one
        index = _index_by_name(estimates, labels)
    row = np.flatnonzero(index >= 0)
    return row, index[row]


def _index_by_name(estimates, labels):
    """Row of the labels with the file name or name of each estimate, each but once; -1 none."""
    best = np.full(len(estimates), -1)
    for ours in _names(estimates, "estimates"):
        for theirs in _names(labels, "labels"):
            index, _ = join_names(ours, theirs)
            repeated = np.ones(len(index), bool)
            repeated[np.unique(index, return_index=True)[1]] = False
            index[repeated] = -1
            if (index >= 0).sum() > (best >= 0).sum():
                best = index
    return best


def _names(table, what):
    """The columns that may name a source."""
    columns = [name for name in _NAME_COLUMNS if name in table.colnames]
    if not columns:
        raise ValueError(f"{what}: wanted positions, or a column {' or '.join(_NAME_COLUMNS)}")
    return [[text.strip() for text in texts(table, name)] for name in columns]


def score(table: Table) -> Table:
    """Scores of estimates beside known labels, of all and by class and number of filled bins.

    Parameters
    ----------
    table : `~astropy.table.Table`
        From `compare` or `~blase_astro.evaluate.out_of_bag`.

    Returns
    -------
    scores : `~astropy.table.Table`
        One row for all sources and one for each group (`~blase_astro.evaluate.evaluate_groups`).

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.evaluate import compare, score
    >>> labels = Table({'name': ['a', 'b'], 'log_nu_peak': [13.0, 15.0]})
    >>> estimates = Table({'name': ['a', 'b'], 'log_nu_peak': [13.1, 14.8],
    ...                    'log_nu_peak_lo': [12.5, 14.1], 'log_nu_peak_hi': [13.7, 15.5]})
    >>> scores = score(compare(estimates, labels))
    >>> print(scores['sources', 'n', 'bias', 'coverage_95'][:2])
    sources  n   bias  coverage_95
    ------- --- ------ -----------
        all   2 -0.050       1.000
        LSP   1  0.100       1.000
    """
    columns = {
        name: np.asarray(table[name], dtype=float)
        for name in ("label", "estimate", "lo", "hi", "cdf", "pit", "crps")
        if name in table.colnames
    }
    scores = evaluate_groups(_groups(table), **columns, level=table.meta["level"])
    scores.meta |= {"target": table.meta["target"], "version": __version__}
    return scores


def _groups(table):
    groups = {}
    if "log_nu_peak" in table.colnames:
        groups |= class_groups(table["log_nu_peak"])
    if "n_bins" in table.colnames:
        groups |= n_bins_groups(table["n_bins"])
    return groups


def score_text(scores: Table) -> str:
    """Scores as lines of text.

    Parameters
    ----------
    scores : `~astropy.table.Table`
        From `score`.

    Returns
    -------
    text : str
        A headline and one line a group.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.evaluate import compare, score, score_text
    >>> labels = Table({'name': ['a', 'b'], 'log_nu_peak': [13.0, 15.0]})
    >>> estimates = Table({'name': ['a', 'b'], 'log_nu_peak': [13.1, 14.8],
    ...                    'log_nu_peak_lo': [12.5, 14.1], 'log_nu_peak_hi': [13.7, 15.5]})
    >>> text = score_text(score(compare(estimates, labels)))
    >>> print(text.splitlines()[1])
    sources n |err|  rms   bias  >1dex width in50% in68% ... winkler  crps pit_ks
    """
    level = scores.meta["level"]
    short = scores[_TEXT_COLUMNS]
    renamed = {
        "abs_error_median": "|err|", "outliers": ">1dex", "width_median": "width",
        **{f"coverage_{p}": f"in{p}%" for p in (50, 68, 90, 95, 99)},
    }  # fmt: skip
    short.rename_columns(list(renamed), list(renamed.values()))
    lines = short.pformat(
        max_lines=-1, max_width=-1, align=["<", *[">"] * (len(short.columns) - 1)]
    )
    target = scores.meta["target"]
    head = (
        f"{target}: {TARGETS[target].words}, log10; errors, widths and scores in dex; "
        f"{100 * level:g}-percent intervals"
    )
    return "\n".join([head, *lines])
