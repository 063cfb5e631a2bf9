"""Pages to look at: the report of an evaluation, and sheets of single SEDs."""

import base64
import html
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import plotting
from ._version import __version__
from .catalog import estimate_arrays
from .evaluate import (
    SED_CLASSES,
    cdf_of_interval,
    class_groups,
    confusion,
    evaluate_groups,
    n_bins_groups,
)
from .io import list_seds, read_points, read_seds
from .io.append import write_table
from .refine import out_of_bag, refine
from .sed import bin_points
from .sky import find_position, pairs, positions

__all__ = [
    "compare",
    "member_means",
    "out_of_bag_tables",
    "score",
    "score_text",
    "sed_panels",
    "write_report",
    "write_sheet",
]

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

_CAPTIONS = {
    "estimates": "Known and estimated values. The colour says how many sources share a cell; the "
    "lines are the median of the estimates and their 10 and 90 percent quantiles.",
    "intervals": "Prediction intervals in the order of their width, and the known values about "
    "their centres. Triangles are known values outside.",
    "moving": "Median absolute error and median width of the interval in a window of 0.5 dex about "
    "the known value, over the density of the known values.",
    "reliability": "Share of known values inside the central intervals of every probability. On "
    "the diagonal the intervals are right, above it too wide, below it too narrow.",
    "pit": "Predictive distributions at the known values (PIT). Right intervals give a flat "
    "histogram, too wide ones a heap in the middle, too narrow ones heaps at both ends, a bias a "
    "slope.",
    "confusion": "Known and estimated classes: LSP below 10<sup>14</sup> Hz, ISP below "
    "10<sup>15</sup> Hz, HSP above.",
    "gain": "Quantiles of the absolute error: what averaging the members of a bag gains, and how "
    "much better the members look that were trained on the source.",
}

# Heading and content of the columns of the table of errors; filled from a row of `evaluate`.
_SCORE_COLUMNS = {
    "sources": "{sources}",
    "n": "{n}",
    "median |error|": "{abs_error_median:.3f}",
    "25 to 75 %": "{abs_error_25:.3f} to {abs_error_75:.3f}",
    "mean |error|": "{abs_error_mean:.3f}",
    "RMS": "{rms:.3f}",
    "bias": "{bias:+.3f}",
    "> 1 dex": "{outliers:.3f}",
    "median width": "{width_median:.3f}",
    "25 to 75 % ": "{width_25:.3f} to {width_75:.3f}",
    "Winkler": "{winkler:.3f}",
    "CRPS": "{crps:.3f}",
    "PIT KS": "{pit_ks:.3f}",
}
_TEXT_COLUMNS = (
    "sources", "n", "abs_error_median", "rms", "bias", "outliers", "width_median", "coverage_50",
    "coverage_68", "coverage_90", "coverage_95", "coverage_99", "winkler", "crps", "pit_ks",
)  # fmt: skip


# --- estimates beside labels ------------------------------------------------------------------


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
        `~blase_astro.refine.out_of_bag` of each, with the known class as ``log_nu_peak`` where
        the peak frequency is among the targets.

    Examples
    --------
    >>> from blase_astro.refine import load_ensembles
    >>> from blase_astro.report import out_of_bag_tables
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
    >>> from blase_astro.report import member_means
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
    >>> from blase_astro.report import compare
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


# --- scores -----------------------------------------------------------------------------------


def score(table):
    """Scores of estimates beside known labels, of all and by class and number of filled bins.

    Parameters
    ----------
    table : `~astropy.table.Table`
        From `compare` or `~blase_astro.refine.out_of_bag`.

    Returns
    -------
    scores : `~astropy.table.Table`
        One row for all sources and one for each group (`~blase_astro.evaluate.evaluate_groups`).

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.report import compare, score
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
    >>> from blase_astro.report import compare, score, score_text
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


# --- the report -------------------------------------------------------------------------------


def write_report(
    folder, tables, *, members=None, ensemble=None, title="", command="", overwrite=False
):
    """Write scores and figures of an evaluation, and one page with all of them.

    Parameters
    ----------
    folder : path-like
        Folder to write to, made where it is missing: ``report.html``, ``scores.txt``, and for each
        target ``scores_<target>.ecsv`` and each figure as PNG and PDF.
    tables : list of `~astropy.table.Table`
        One a target, from `compare` or `~blase_astro.refine.out_of_bag`.
    members : dict of str to ndarray, shape (n_bags, n_members, n), optional
        Estimates of every member for the sources of a target, for the figure of the gain.
    ensemble : path-like or list of `~blase_astro.ensemble.Ensemble`, optional
        Where the labels in doubt are to be shown as well.
    title, command : str
        Headline of the page, and what made it.
    overwrite : bool
        Are files that exist to be replaced?

    Returns
    -------
    scores : list of `~astropy.table.Table`
        The scores of each target.

    Raises
    ------
    OSError
        If a file exists already or cannot be written. Nothing is written then.

    Examples
    --------
    >>> from blase_astro.refine import load_ensembles
    >>> from blase_astro.report import out_of_bag_tables, write_report
    >>> scores = write_report('report', out_of_bag_tables(load_ensembles()), title='A look')
    >>> len(scores)
    2
    """
    folder = Path(folder)
    with _into_place(folder, overwrite) as beside:
        parts, all_scores = [], []
        for table in tables:
            target, scores = table.meta["target"], score(table)
            write_table(scores, beside / f"scores_{target}.ecsv")
            figures = _draw(table, (members or {}).get(target))
            images = {
                name: _save(figure, beside / f"{target}_{name}") for name, figure in figures.items()
            }
            parts.append(_target_section(table, scores, images))
            all_scores.append(scores)
        if ensemble is not None:
            parts.append(_doubt_section(refine(ensemble)))
        (beside / "scores.txt").write_text("\n\n".join(map(score_text, all_scores)) + "\n")
        page = _page(title, command, parts)
        (beside / "report.html").write_text(page, encoding="utf-8")
    return all_scores


@contextmanager
def _into_place(folder, overwrite):
    """A folder beside, whose files move to their place when all are written."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; wanted a folder for the report")
    if (folder / "report.html").exists() and not overwrite:
        raise FileExistsError(f"{folder} holds a report already; give overwrite to replace it")
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(f"{folder}: the folder {folder.parent} does not exist")
    with tempfile.TemporaryDirectory(prefix=".blase-", dir=folder.absolute().parent) as beside:
        yield Path(beside)
        folder.mkdir(exist_ok=True)
        for path in Path(beside).iterdir():
            os.replace(path, folder / path.name)


def _draw(table, members):
    """The figures of one target, by name."""
    from matplotlib.figure import Figure

    target, level = table.meta["target"], table.meta["level"]
    label, mean, lo, hi = (np.asarray(table[c], float) for c in ("label", "mean", "lo", "hi"))
    classes = {name: rows for name, rows in _groups(table).items() if name in SED_CLASSES}
    plots = {
        "estimates": lambda ax: plotting.plot_estimates(label, mean, ax, target=target),
        "intervals": lambda ax: plotting.plot_intervals(label, lo, hi, ax, level=level),
        "moving": lambda ax: plotting.plot_moving(label, mean, lo, hi, ax, target=target),
        "reliability": lambda ax: plotting.plot_reliability(table["cdf"], ax, groups=classes),
        "pit": lambda ax: plotting.plot_pit(table["pit"], ax),
    }
    if target == "nu_peak":
        plots["confusion"] = lambda ax: plotting.plot_confusion(label, mean, ax)
    if members is not None:
        plots["gain"] = lambda ax: plotting.plot_gain(label, members, table["bag"], ax)
    figures = {}
    for name, plot in plots.items():
        figures[name] = Figure(figsize=(5.6, 4.2), layout="constrained")
        plot(figures[name].add_subplot())
    return figures


def _save(figure, path):
    """Figure as PDF and PNG; the latter's bytes."""
    figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)
    return path.with_suffix(".png").read_bytes()


def _page(title, command, parts):
    """The whole page: nothing in it comes from elsewhere."""
    title = html.escape(title or "Evaluation")
    made = f"blase_astro {__version__}" + (
        f": <code>{html.escape(command)}</code>" if command else ""
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>Made by {made}</p>
{"".join(parts)}
{_SCORE_NOTES}
</body>
</html>
"""


_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-size: 0.85rem; }
caption { text-align: left; font-weight: bold; padding: 0.3rem 0; white-space: nowrap; }
th, td { padding: 0.2rem 0.6rem; text-align: right; white-space: nowrap; }
td { border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
.wide { overflow-x: auto; }
.figures { display: grid; gap: 1.5rem; }
.figures { grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); }
figure { margin: 0; break-inside: avoid; }
figure img { width: 100%; height: auto; }
figcaption { font-size: 0.85rem; color: #444; }
dt { font-weight: bold; } dd { margin: 0 0 0.4rem 1.5rem; }
"""

_SCORE_NOTES = """<h2>What the scores mean</h2>
<dl>
<dt>|error|, RMS, bias</dt><dd>of the estimate minus the known value, in dex (factors of 10); the
share beyond 1 dex are outliers.</dd>
<dt>width</dt><dd>of the prediction interval, in dex.</dd>
<dt>coverage</dt><dd>share of known values inside the central interval of a probability. The error
given is what chance does to it if the probability is right.</dd>
<dt>Winkler</dt><dd>mean width of the interval plus 2/&alpha; times the distance of each known value
outside (Gneiting &amp; Raftery 2007, eq. 43): smaller is better, and only honest intervals make it
small.</dd>
<dt>CRPS</dt><dd>continuous ranked probability score, the same for the whole distribution: the mean
absolute error of an estimate without uncertainty.</dd>
<dt>PIT KS</dt><dd>largest distance of the distribution of the PIT from a flat one.</dd>
</dl>"""


def _target_section(table, scores, images):
    """Tables and figures of one target."""
    target, level = table.meta["target"], table.meta["level"]
    head = (
        f"<h2>{html.escape(_TARGETS[target].capitalize())}</h2>\n<p>{scores['n'][0]} sources with "
        f"label and estimate, {scores['n_missing'][0]} without; {100 * level:g}-percent intervals; "
        "log10, all errors and widths in dex.</p>\n"
    )
    rows = [[form.format_map(dict(row)) for form in _SCORE_COLUMNS.values()] for row in scores]
    errors = _html_table("Errors and intervals", _SCORE_COLUMNS, rows)
    percents = (50, 68, 90, 95, 99)
    rows = [
        [row["sources"], str(row["n"])]
        + [f"{row[f'coverage_{p}']:.3f} ± {row[f'coverage_{p}_err']:.3f}" for p in percents]
        for row in scores
    ]
    coverage = _html_table("Coverage", ["sources", "n", *[f"{p} % asked" for p in percents]], rows)
    if target == "nu_peak":
        count = confusion(table["label"], table["mean"])
        rows = [[name, *map(str, row)] for name, row in zip(SED_CLASSES, count, strict=True)]
        coverage += _html_table(
            "Classes: known (rows), estimated (columns)", ["", *SED_CLASSES], rows
        )
    figures = "\n".join(_html_figure(target, name, image) for name, image in images.items())
    return f'{head}{errors}{coverage}<div class="figures">\n{figures}\n</div>\n'


def _html_table(caption, heads, rows):
    """A table whose cells are text."""
    head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table>\n<caption>{html.escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n"
    )


def _html_figure(target, name, image):
    data = base64.b64encode(image).decode()
    return (
        f'<figure id="{target}-{name}"><img src="data:image/png;base64,{data}" '
        f'alt="{name} of {target}"><figcaption>{_CAPTIONS[name]}</figcaption></figure>'
    )


def _doubt_section(refined, most=50):
    """The labels that their estimates contradict."""
    doubtful = refined[refined["suspicious"] > 0]
    share = 100 * refined.meta["FALSEDIS"]
    text = (
        f"<h2>Labels in doubt</h2>\n<p>{len(doubtful)} of {len(refined)} sources have a label that "
        f"disagrees with the out-of-bag estimate beyond chance; up to {share:g} percent of these "
        "may be right.</p>\n"
    )
    for bit, target in enumerate(_TARGETS):
        rows = doubtful[doubtful["suspicious"] & (1 << bit) > 0]
        if len(rows):
            rows.sort(f"log_{target}_q")
            text += _doubt_table(rows[:most], target, len(rows))
    return text


def _doubt_table(rows, target, n):
    """Labels of one target in doubt, the most surely wrong first."""
    heads = ("source", "RA", "Dec", "bag", "bins", "label", "estimate", "interval", "z", "q")
    cells = [
        (
            row["name"],
            f"{row['ra']:.5f}",
            f"{row['dec']:+.5f}",
            row["bag"],
            row["n_bins"],
            f"{row[f'log_{target}_label']:.2f}",
            f"{row[f'log_{target}']:.2f}",
            f"{row[f'log_{target}_lo']:.2f} to {row[f'log_{target}_hi']:.2f}",
            f"{row[f'log_{target}_z']:+.1f}",
            f"{row[f'log_{target}_q']:.2g}",
        )
        for row in rows
    ]
    shown = f"the first {len(rows)} of {n}" if len(rows) < n else f"all {n}"
    return _html_table(f"{_TARGETS[target].capitalize()}: {shown}", heads, cells)


# --- sheets of SEDs ---------------------------------------------------------------------------


def sed_panels(paths, ensembles=(), *, level=0.95, radius=5.0, progress=None):
    """SEDs with their estimates, as `write_sheet` takes them.

    Parameters
    ----------
    paths : iterable of path-like
        SED files, folders or archives.
    ensembles : list of `~blase_astro.ensemble.Ensemble`
        What estimates the peaks, that for the frequency first; none for the SEDs alone.
    level : float
        Probability of the intervals.
    radius : float
        Largest separation from a training source, whose label is drawn then, arcsec.
    progress : callable, optional
        Called with the number of SEDs done and their total.

    Yields
    ------
    panel : dict
        Arguments of `~blase_astro.plotting.plot_sed`.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.report import sed_panels
    >>> sed_table([1.4e9, 4.9e14], [2e-14, 4e-12]).write('sed.txt', format='vou-sed')
    >>> [panel['title'] for panel in sed_panels(['sed.txt'])]
    ['sed.txt']
    """
    names = [(path, list_seds(path)) for path in paths]
    total, done = sum(len(n) for _, n in names), 0
    for path, members in names:
        for name, sed in read_seds(path, members):
            panel = {"sed": sed, "title": name}
            if ensembles:
                panel |= _panel_estimate(name, sed, ensembles, level, radius)
            yield panel
            done += 1
            if progress is not None:
                progress(min(done, total), total)


def _panel_estimate(name, sed, ensembles, level, radius):
    """What an estimate adds to the figure of an SED."""
    columns = estimate_arrays([(name, sed)], ensemble=ensembles, level=level, radius=radius)
    row = {key: values[0] for key, values in columns.items()}
    first = ensembles[0]
    panel = {"level": level, "edges": first.bin_edges, "known": _known_label(first, row, radius)}
    mean = row.get("log_nu_peak", np.nan)
    if not np.isfinite(mean):
        return panel | {"title": f"{name}: {row['message'] or 'no estimate'}"}
    lo, hi = row["log_nu_peak_lo"], row["log_nu_peak_hi"]
    std, n_bins = row["log_nu_peak_std"], row["n_bins"]
    panel |= {
        "title": f"{name}\nlog nu_peak = {mean:.2f} [{lo:.2f}, {hi:.2f}], {row['sed_class']}",
        "peak": mean,
        "interval": (lo, hi),
        "density": plotting.density(lambda v: first.cdf(v, mean, std, n_bins), mean, std),
    }
    if "log_nufnu_peak" in row:
        panel["peak_flux"] = row["log_nufnu_peak"]
        panel["flux_interval"] = (row["log_nufnu_peak_lo"], row["log_nufnu_peak_hi"])
    return panel


def _known_label(ensemble, row, radius):
    """Label of the training source at the position of an SED, NaN if there is none."""
    sources = ensemble.source_columns
    ra, dec = np.atleast_1d(row["ra"]), np.atleast_1d(row["dec"])
    _, source, _ = pairs(ra, dec, sources["ra"], sources["dec"], radius)
    return sources["label"][source[0]] if len(source) else np.nan


def write_sheet(panels, output, *, per_page=1, overwrite=False):
    """Draw SEDs on the pages of a file.

    Parameters
    ----------
    panels : iterable of dict
        Arguments of `~blase_astro.plotting.plot_sed` for each SED; drawn as they come.
    output : path-like
        File to write: ``.pdf`` for any number of pages, ``.png`` or ``.svg`` for one.
    per_page : int
        SEDs on a page: 1, or a contact sheet of more, without legends.
    overwrite : bool
        Is a file that exists to be replaced?

    Returns
    -------
    n : int
        Number of SEDs drawn.

    Raises
    ------
    ValueError
        If the suffix is not known, there is no SED, or they need more pages than the format has.
    OSError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.report import write_sheet
    >>> sed = sed_table([1.4e9, 4.9e14], [2e-14, 4e-12])
    >>> write_sheet([{'sed': sed}, {'sed': sed}], 'seds.pdf')
    2
    """
    output = Path(output)
    suffix = output.suffix.lower()
    if suffix not in (".pdf", ".png", ".svg"):
        raise ValueError(f"{output}: no known suffix; wanted .pdf, .png or .svg")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists already; give overwrite to replace it")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"{output}: the folder {output.parent} does not exist")
    with tempfile.TemporaryDirectory(prefix=".blase-", dir=output.absolute().parent) as folder:
        beside = Path(folder) / output.name
        n = _write_pages(panels, beside, suffix, per_page)
        os.replace(beside, output)
    return n


def _write_pages(panels, path, suffix, per_page):
    """Draw page after page; the number of SEDs."""
    from matplotlib.backends.backend_pdf import PdfPages

    pages = _pages(panels, per_page)
    figure, n = next(pages, (None, 0))
    if figure is None:
        raise ValueError("there is no SED to draw")
    if suffix == ".pdf":
        with PdfPages(path, metadata={"CreationDate": None}) as pdf:
            pdf.savefig(figure)
            for figure, count in pages:
                pdf.savefig(figure)
                n += count
        return n
    if next(pages, None) is not None:
        raise ValueError(f"more than {per_page} SED(s) need more than one page; wanted a .pdf file")
    figure.savefig(path, dpi=150)
    return n


def _pages(panels, per_page):
    """Figures with up to so many SEDs, and how many are on each."""
    from matplotlib.figure import Figure

    held = []
    for panel in panels:
        held.append(panel)
        if len(held) == per_page:
            yield _page_of(Figure, held, per_page), len(held)
            held = []
    if held:
        yield _page_of(Figure, held, per_page), len(held)


def _page_of(figure_class, panels, per_page):
    """One page: a single SED, or rows of three."""
    if per_page == 1:
        figure = figure_class(figsize=(9, 6), layout="constrained")
        plotting.plot_sed(ax=figure.add_subplot(), **panels[0])
        return figure
    n_rows = -(-per_page // 3)
    figure = figure_class(figsize=(13, 3.2 * n_rows), layout="constrained")
    for ax, panel in zip(figure.subplots(n_rows, 3).ravel(), panels, strict=False):
        plotting.plot_sed(ax=ax, **panel, legend=False)
    for ax in figure.axes[len(panels) :]:
        ax.set_axis_off()
    return figure
