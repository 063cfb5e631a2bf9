"""Estimates of any origin beside known labels, and their scores by class and number of bins."""

import numpy as np

from .._version import __version__
from ..io import read_points
from ..sed import bin_points
from ..sky import find_position, pairs, positions
from .labels import out_of_bag
from .scores import cdf_of_interval, class_groups, evaluate_groups, n_bins_groups

__all__ = ["compare", "member_means", "out_of_bag_tables", "score", "score_text"]

_TARGETS = {
    "nu_peak": "frequency of the synchrotron peak",
    "nufnu_peak": "flux at the synchrotron peak",
}
# Where labels and estimates are looked for, the first that is there; all but log_* are linear.
_LABEL_COLUMNS = {
    "nu_peak": ("log_nu_peak", "log_nu_peak_label", "nu_peak", "nu_syn"),
    "nufnu_peak": ("log_nufnu_peak", "log_nufnu_peak_label", "nufnu_peak", "nuFnu_syn"),
}
_NAME_COLUMNS = ("file", "name", "Source_Name", "source_name")
_TEXT_COLUMNS = (
    "sources", "n", "abs_error_median", "rms", "bias", "outliers", "width_median", "coverage_50",
    "coverage_68", "coverage_90", "coverage_95", "coverage_99", "winkler", "crps", "pit_ks",
)  # fmt: skip


def out_of_bag_tables(ensembles, level=0.95):
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
    >>> from blase_astro.estimates import load_ensembles
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


def member_means(ensemble, archive, radius=5.0):
    """Estimates of every member for the training sources, whose SEDs the ensemble does not hold.

    Parameters
    ----------
    ensemble : `~blase_astro.ensemble.Ensemble`
        The ensemble.
    archive : path-like
        The SEDs it was trained on.
    radius : float
        Largest separation of an SED from its training source, arcsec.

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
        sed, source, _ = pairs(points.ra, points.dec, sources["ra"], sources["dec"], radius)
        mean[..., source] = ensemble.predict_members(binned[sed])[0]
    if not np.isfinite(mean).any():
        raise ValueError(f"{archive} holds no SED of a training source")
    return mean


def compare(
    estimates, labels, *, target="nu_peak", columns=None, label=None, level=None, radius=5.0
):
    """Estimates of any origin beside known labels.

    Parameters
    ----------
    estimates : `~astropy.table.Table`
        One row a source.
    labels : `~astropy.table.Table`
        One row a source. The rows are joined one to one by position where both tables have
        one, else by file name or name.
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
    radius : float
        Largest separation of two rows of one source, arcsec.

    Returns
    -------
    table : `~astropy.table.Table`
        One row a source found in both: ``label``, ``mean``, ``lo``, ``hi``, all log10, ``n_bins``
        where it is known, ``log_nu_peak``, the known value of the class, and ``cdf`` and ``pit``
        of the normal distribution with that interval.

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
    >>> print(compare(estimates, labels)['label', 'mean'])
    label mean
    ----- ----
     15.0 14.8
    """
    from astropy.table import Table

    names = columns or _estimate_columns(estimates, target)
    row, other = _join(estimates, labels, radius)
    if not len(row):
        raise ValueError("no source is in both the estimates and the labels")
    known = _log10(labels, label or _first_column(labels, _LABEL_COLUMNS[target], "labels"))
    table = Table({"label": known[other]})
    for name, column in zip(("mean", "lo", "hi"), names, strict=True):
        table[name] = _log10(estimates, column)[row]
    if "n_bins" in estimates.colnames:
        table["n_bins"] = np.asarray(estimates["n_bins"])[row]
    if target == "nu_peak":
        table["log_nu_peak"] = table["label"]
    elif set(_LABEL_COLUMNS["nu_peak"]) & set(labels.colnames):
        name = _first_column(labels, _LABEL_COLUMNS["nu_peak"], "labels")
        table["log_nu_peak"] = _log10(labels, name)[other]
    level = float(estimates.meta.get("PILEVEL", 0.95) if level is None else level)
    table["cdf"] = cdf_of_interval(*(table[name] for name in ("label", "mean", "lo", "hi")), level)
    table["pit"] = table["cdf"]
    table.meta |= {"target": target, "level": level}
    return table


def _first_column(table, names, what):
    for name in names:
        if name in table.colnames:
            return name
    raise ValueError(f"{what}: wanted a column {' or '.join(names)}; got {table.colnames}")


def _estimate_columns(estimates, target):
    """Columns of the estimate and its interval as the package writes them."""
    name = _first_column(estimates, (f"log_{target}", target), "estimates")
    columns = [name, f"{name}_lo", f"{name}_hi"]
    missing = [column for column in columns if column not in estimates.colnames]
    if missing:
        raise ValueError(f"estimates: wanted a column {missing[0]} beside {name}")
    return columns


def _log10(table, name):
    """Column as log10, NaN where missing; 0 is what some catalogs write for no value."""
    if name not in table.colnames:
        raise ValueError(f"there is no column {name!r}; wanted one of {table.colnames}")
    column = table[name]
    values = np.ma.filled(np.ma.asarray(getattr(column, "value", column), dtype=float), np.nan)
    if name.startswith("log") or (column.unit is None and name not in _linear_names()):
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log10(values), np.nan)


def _linear_names():
    return {name for names in _LABEL_COLUMNS.values() for name in names if name[:3] != "log"}


def _join(estimates, labels, radius):
    """Rows of the two tables that belong together, one to one."""
    try:
        places = [positions(table, find_position(table)) for table in (estimates, labels)]
    except ValueError:
        return _join_by_name(estimates, labels)
    row, other, _ = pairs(*places[0], *places[1], radius)
    partner = np.full(len(estimates), -1)
    taken = np.zeros(len(labels), bool)
    for i, j in zip(row, other, strict=True):  # nearest first
        if partner[i] == -1 and not taken[j]:
            partner[i], taken[j] = j, True
    row = np.flatnonzero(partner >= 0)
    return row, partner[row]


def _join_by_name(estimates, labels):
    """Rows with the same file name or name; the path in an archive does not count."""
    ours, theirs = _names(estimates, "estimates"), _names(labels, "labels")
    row, other = [], []
    for mine in ours:
        for names in theirs:
            place = {name: i for i, name in enumerate(names) if name}
            both = [(i, place[name]) for i, name in enumerate(mine) if name in place]
            if len(both) > len(row):
                row, other = zip(*both, strict=True)
    return np.array(row, int), np.array(other, int)


def _names(table, what):
    """The columns that may name a source, without folders and the suffix .txt."""
    columns = [name for name in _NAME_COLUMNS if name in table.colnames]
    if not columns:
        raise ValueError(f"{what}: wanted positions, or a column {' or '.join(_NAME_COLUMNS)}")
    values = [np.ma.filled(np.ma.asarray(table[name]).astype(str), "") for name in columns]
    return [[str(v).rsplit("/", 1)[-1].removesuffix(".txt") for v in column] for column in values]


def score(table):
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
        for name in ("label", "mean", "lo", "hi", "cdf", "pit", "crps")
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


def score_text(scores):
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
        f"{target}: {_TARGETS[target]}, log10; errors, widths and scores in dex; "
        f"{100 * level:g}-percent intervals"
    )
    return "\n".join([head, *lines])
